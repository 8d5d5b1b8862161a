#!/usr/bin/python3
"""A disk that fails or hangs for one session: the others go on, and the one is back when the disk is."""

import os
import pathlib
import tempfile
import unittest

import grpc

import stubs  # First: it makes importable what the loads import.
import crash_loads as loads
from backprop.v1 import training_run_pb2
from processes import PATIENCE_S, Client, Server


class SessionFaultsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.faults = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.server = self.enterContext(
            Server("--data-dir", self.folder, "--drain-timeout", "1", "--checkpoint-interval", "0.05",
                   disk_faults=str(self.faults)))
        self.load = loads.Appending(self.server.address)
        self.load.create()
        self.load.work(limit=1)
        self.others = [loads.Learning(self.server.address), loads.Stepping(self.server.address),
                       loads.Training(self.server.address)]
        for other in self.others:
            other.create()

    def append(self, number: int):
        """The answer to one batch, of a stream of its own."""
        return next(self.load.patterns.AppendPatterns(self.load.requests(number, 1), timeout=PATIENCE_S))

    def assert_serves_by_itself(self, load: loads.Load) -> None:
        """Sooner or later, though nobody asks for the session: only its health is watched."""
        health = load.channel.unary_stream("/grpc.health.v1.Health/Watch")
        request = b"\x0a" + bytes([len(load.session)]) + load.session.encode()
        status = stubs.NOT_SERVING
        for status in health(request, timeout=PATIENCE_S):
            if status == stubs.SERVING:
                break
        self.assertEqual(status, stubs.SERVING)

    def assert_others_go_on(self) -> None:
        """With durable changes of every kind."""
        learning, stepping, training = self.others
        before = learning.acknowledged, len(stepping.answers), training.run_count
        learning.work(limit=3)
        stepping.work()
        training.work()
        after = learning.acknowledged, len(stepping.answers), training.run_count
        self.assertEqual(after, (before[0] + 3 * loads.BATCH, before[1] + 1, before[2] + 1))
        for other in self.others:
            self.assertNotEqual(stubs.health(other.channel, ""), stubs.NOT_SERVING)
        self.assertEqual(Client(self.server.address).text("health"), "SERVING\n")

    def test_a_session_whose_disk_fails_says_so_and_the_others_go_on(self) -> None:
        (self.faults / "appended").write_text("fail")
        for _ in range(2):
            refused = self.append(1)
            self.assertEqual(refused.status.code, grpc.StatusCode.UNAVAILABLE.value[0], refused)
            self.assertIn(b"STORAGE_FAILED", refused.status.details[0].value)
            self.assertEqual(stubs.health(self.load.channel, self.load.session), stubs.NOT_SERVING)
            self.assertRegex(self.server.log(), "session appended cannot be kept: .*appended.session")
            self.assert_others_go_on()
        (self.faults / "appended").unlink()
        self.load.work(limit=3)
        self.assertEqual(self.load.next_offset("s"), self.load.acknowledged)
        self.assertEqual(stubs.health(self.load.channel, self.load.session), stubs.SERVING)
        self.assertIn("session appended is kept again", self.server.log())

    def test_a_run_that_the_disk_stopped_goes_on_by_itself(self) -> None:
        training = self.others[2]
        run = training.training.RunEpochs(loads.training_service_pb2.RunEpochsRequest(
            session=training.session, pattern_set="s", epoch_count=1_000_000), timeout=PATIENCE_S)
        name = next(run).training_run
        (self.faults / "trained").write_text("fail")
        with self.assertRaises(grpc.RpcError) as stopped:
            for _ in run:
                pass
        self.assertEqual(stopped.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(stubs.health(training.channel, training.session), stubs.NOT_SERVING)
        (self.faults / "trained").unlink()
        self.assert_serves_by_itself(training)
        listed = training.training.GetTrainingRun(loads.training_service_pb2.GetTrainingRunRequest(name=name),
                                                  timeout=PATIENCE_S)
        states = training_run_pb2.TrainingRun
        self.assertIn(listed.state, (states.STATE_QUEUED, states.STATE_RUNNING))

    def test_a_session_that_failed_and_could_not_be_opened_is_well_by_itself(self) -> None:
        (self.faults / "appended").write_text("fail")
        for _ in range(3):  # The first fails to keep it, the others to open the session.
            self.assertEqual(self.append(1).status.code, grpc.StatusCode.UNAVAILABLE.value[0])
        (self.faults / "appended").unlink()
        self.assert_serves_by_itself(self.load)

    def test_a_session_whose_file_is_removed_acknowledges_nothing_more(self) -> None:
        pathlib.Path(self.folder, "appended.session").unlink()
        refused = self.append(1).status
        self.assertEqual(refused.code, grpc.StatusCode.UNAVAILABLE.value[0], refused)
        self.assertIn("it was removed", refused.message)
        self.assertEqual(self.append(0).status.code, grpc.StatusCode.NOT_FOUND.value[0])
        again = loads.session_service_pb2.CreateSessionRequest(
            session_id="appended", session=self.load.sessions.GetSession(
                loads.session_service_pb2.GetSessionRequest(name=self.others[0].session), timeout=PATIENCE_S))
        again.session.ClearField("name")
        self.load.sessions.CreateSession(again, timeout=PATIENCE_S)
        self.assertEqual(self.append(0).next_offset, loads.BATCH)
        self.assertEqual(stubs.health(self.load.channel, self.load.session), stubs.SERVING)

    def test_a_session_whose_disk_hangs_answers_what_it_can_and_the_others_go_on(self) -> None:
        os.mkfifo(self.faults / "appended")
        hanging = self.load.patterns.AppendPatterns(self.load.requests(1, 1), timeout=PATIENCE_S)
        self.assert_others_go_on()
        self.assertEqual(self.load.next_offset("s"), loads.BATCH)
        self.assertGreater(len(self.load.parameters()), 0)
        self.assertFalse(hanging.done())
        (self.faults / "appended").rename(self.faults / "gone").open("w").close()  # The disk goes on.
        self.assertEqual(next(hanging).next_offset, 2 * loads.BATCH)


if __name__ == "__main__":
    unittest.main()
