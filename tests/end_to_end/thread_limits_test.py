#!/usr/bin/python3
"""--rpc-threads and --max-streams at their limits and one past, with calls that really hold threads."""

import os
import pathlib
import queue
import tempfile
import threading
import unittest

import grpc

import stubs  # First: it makes importable what the loads import.
import crash_loads as loads
from processes import PATIENCE_S, Server, refused

THREADS, STREAMS = 8, 4
POLLING_THREADS = 2  # Of gRPC, beside those.
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


class ThreadLimitsTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.faults = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.server = self.enterContext(Server("--data-dir", folder, "--rpc-threads", str(THREADS), "--max-streams",
                                               str(STREAMS), "--drain-timeout", "1", disk_faults=str(self.faults)))
        self.load = loads.Appending(self.server.address)
        self.load.create()
        self.streams: list[tuple] = []  # Their requests and calls; one that nobody has is cancelled.
        self.addCleanup(lambda: [requests.put(None) for requests, _ in self.streams])

    def open_stream(self):
        """One that goes on to hold its thread. Its answer to a first batch."""
        requests: queue.Queue = queue.Queue()
        requests.put(loads.pattern_service_pb2.AppendPatternsRequest(
            session=self.load.session, pattern_set=f"s-{len(self.streams)}", patterns=loads.patterns(0)))
        call = self.load.patterns.AppendPatterns(iter(requests.get, None), timeout=PATIENCE_S)
        self.streams.append((requests, call))
        return next(call)

    def get_parameters(self) -> None:
        request = loads.session_service_pb2.GetParametersRequest(name=self.load.session)
        self.load.sessions.GetParameters(request, timeout=PATIENCE_S)

    def test_streams_must_leave_threads_to_other_calls(self) -> None:
        code, _, error = refused("--ephemeral", "--rpc-threads", str(THREADS), "--max-streams", str(STREAMS + 1))
        self.assertEqual(code, 1)
        self.assertIn("--max-streams must leave 4 of --rpc-threads to other calls; they are 5 and 8", error)

    def test_streams_up_to_their_limit_leave_threads_to_other_calls(self) -> None:
        for _ in range(STREAMS):
            self.assertEqual(self.open_stream().next_offset, loads.BATCH)
        with self.assertRaises(grpc.RpcError) as one_more:
            self.open_stream()
        self.assertEqual(one_more.exception.code(), RESOURCE_EXHAUSTED)
        self.assertIn(f"the server has {STREAMS} streams", one_more.exception.details())
        errors: list[Exception] = []

        def call() -> None:
            try:
                for _ in range(50):
                    self.get_parameters()
            except grpc.RpcError as error:
                errors.append(error)

        callers = [threading.Thread(target=call) for _ in range(2)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(PATIENCE_S)
        self.assertEqual(errors, [])

    def test_a_call_beyond_the_threads_is_refused_and_those_before_it_are_answered(self) -> None:
        step = loads.Stepping(self.server.address)
        step.create()
        hanging = self.faults / "stepped"
        os.mkfifo(hanging)
        # The first waits for the disk, the others for their turn.
        calls = [step.training.ApplyGradient.future(step.request(number), timeout=PATIENCE_S)
                 for number in range(THREADS + POLLING_THREADS + 1)]
        done: queue.Queue = queue.Queue()
        for call in calls:
            call.add_done_callback(done.put)
        self.assertEqual(done.get(timeout=PATIENCE_S).code(), RESOURCE_EXHAUSTED)
        hanging.rename(self.faults / "released").open("w").close()  # The disk goes on.
        answered = [call for call in calls if call.code() == grpc.StatusCode.OK]
        self.assertGreaterEqual(len(answered), THREADS)
        self.get_parameters()


if __name__ == "__main__":
    unittest.main()
