#!/usr/bin/python3
"""How backpropd ends: what it tells its callers, that it is in time whatever they and the disk do, and what is left."""

import os
import pathlib
import queue
import signal
import tempfile
import time
import unittest

import grpc

import stubs  # First: it makes importable what the loads import.
import crash_loads as loads
import pattern_files
from processes import PATIENCE_S, Client, Server, read_line

DRAIN_TIMEOUT_S = 6
# A machine under load may be late by so much, and is far from what any of these would take of its own: for ever.
LATE_S = 5
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


class ShutdownTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.faults = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def server(self) -> Server:
        return self.enterContext(Server("--data-dir", self.folder, "--drain-timeout", str(DRAIN_TIMEOUT_S),
                                        disk_faults=str(self.faults)))

    def assert_ends_in_time(self, server: Server, begin: float) -> None:
        """Of a server that was told to end at `begin`."""
        server.end()
        self.assertLess(time.monotonic() - begin, DRAIN_TIMEOUT_S + LATE_S)

    def test_while_it_drains_it_says_so_and_takes_no_new_work(self) -> None:
        server = self.server()
        load = loads.Appending(server.address)
        load.create()
        to_append: queue.Queue = queue.Queue()
        appending = load.patterns.AppendPatterns(iter(to_append.get, None), timeout=PATIENCE_S)
        health = load.channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=PATIENCE_S)
        self.assertEqual(next(health), stubs.SERVING)

        def append(number: int):
            to_append.put(next(load.requests(number, 1)))
            return next(appending)

        self.assertEqual(append(0).next_offset, loads.BATCH)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(next(health), stubs.NOT_SERVING)
        # On the open stream, and by a new call.
        refused = append(1)
        self.assertEqual(refused.status.code, UNAVAILABLE.value[0], refused)
        self.assertIn(b"SHUTTING_DOWN", refused.status.details[0].value)
        self.assertEqual(refused.next_offset, loads.BATCH)
        pb = loads.session_service_pb2
        for method, request in ((load.sessions.ListSessions, pb.ListSessionsRequest()),
                                (load.sessions.GetSession, pb.GetSessionRequest(name="sessions/appended"))):
            with self.assertRaises(grpc.RpcError) as call:
                method(request, timeout=PATIENCE_S)
            self.assertEqual(call.exception.code(), UNAVAILABLE)
        # The silent stream is told.
        self.assert_ends_in_time(server, begin)
        self.assertEqual(appending.code(), UNAVAILABLE)
        self.assertIn("shutting down", appending.details())
        self.assertNotIn("--drain-timeout is over", server.log())
        to_append.put(None)

    def test_training_stops_at_once_and_goes_on_in_the_next_life(self) -> None:
        folder = pathlib.Path(self.folder) / "patterns"
        folder.mkdir()
        pattern_files.write_all(folder, 3000)
        server = self.server()
        client = Client(server.address, folder)
        client.message("create", "busy", "--layers", "12,5,3", "--task", "multiway")
        client.message("append", "busy", "images-idx3-ubyte.gz", "--labels", "labels-idx1-ubyte.gz")
        training = client.start("train", "busy", "--epochs", "1000000", "--batch-size", "1")
        read_line(training)
        begin = time.monotonic()
        self.assert_ends_in_time(server, begin)
        _, error = training.communicate(timeout=PATIENCE_S)
        self.assertEqual(training.returncode, 1)
        self.assertRegex(error, "error: UNAVAILABLE: ")
        self.assertNotIn("--drain-timeout is over", server.log())
        runs = Client(self.server().address).text("runs", "busy")
        self.assertRegex(runs, "run-1 +(running|queued)")

    def test_a_disk_that_hangs_does_not_hold_up_the_end(self) -> None:
        server = self.server()
        load = loads.Appending(server.address)
        load.create()
        load.work(limit=2)
        os.mkfifo(self.faults / "appended")
        hanging = load.patterns.AppendPatterns(load.requests(2, 1), timeout=PATIENCE_S)
        self.assertEqual(load.next_offset("s"), 2 * loads.BATCH)
        begin = time.monotonic()
        self.assert_ends_in_time(server, begin)
        self.assertIn("--drain-timeout is over", server.log())
        self.assertEqual(hanging.code(), UNAVAILABLE)
        (self.faults / "appended").unlink()
        with Server("--data-dir", self.folder) as after:
            # What was acknowledged is there; what was not may be.
            self.assertIn(loads.Appending(after.address).next_offset("s"), (2 * loads.BATCH, 3 * loads.BATCH))


if __name__ == "__main__":
    unittest.main()
