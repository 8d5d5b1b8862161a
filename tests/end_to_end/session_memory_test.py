#!/usr/bin/python3
"""Memory: of sessions within --memory-limit whatever is asked for, and given back by those that nobody uses; of
messages on their way within --message-memory."""

import array
import pathlib
import re
import tempfile
import threading
import time
import unittest

import grpc

import stubs  # First: it makes importable what follows.
from backprop.v1 import matrix_pb2, pattern_service_pb2, patterns_pb2
from backprop.v1.pattern_service_pb2_grpc import PatternServiceStub
import pattern_files
from processes import PATIENCE_S, Client, Server

LIMIT_MIB = 320
# The program itself, and what calls that run side by side have in their hands: a MiB of a file that is sent, a record
# that is read, as SQLite's and as ours (4 MiB in older files), and what the allocator keeps. A call that read its
# session without asking whether it fits would take as much as the limit.
BESIDE_MIB = 384
SIDE_BY_SIDE = 6
COLUMNS = 1000
MEMORY_LIMIT = r"error: RESOURCE_EXHAUSTED: .* --memory-limit"


class SessionMemoryTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def server(self, *flags: str) -> Server:
        return self.enterContext(Server("--data-dir", str(self.folder / "data"), *flags))

    @staticmethod
    def mib(server: Server, name: str) -> int:
        """Of /proc/PID/status: VmRSS is the memory that it has, VmHWM the most that it ever had."""
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)[1]) // 1024

    def create(self, client: Client, name: str, hidden_units: int, patterns: int) -> None:
        halves = array.array("f", [0.5]) * COLUMNS * patterns
        pattern_files.write_npy(self.folder / "inputs.npy", "<f4", (patterns, COLUMNS), halves.tobytes())
        pattern_files.write_npy(self.folder / "targets.npy", "<f4", (patterns, 1), halves[:patterns].tobytes())
        client.message("create", name, "--layers", f"{COLUMNS},{hidden_units},1", "--task", "regression")
        client.text("append", name, "inputs.npy", "--labels", "targets.npy")

    def side_by_side(self, client: Client, *commands: list[str]) -> None:
        """Those that fail must say that there is no memory, or that there is no such session."""
        for process in [client.start(*command) for command in commands]:
            _, error = process.communicate(timeout=PATIENCE_S)
            if process.returncode != 0:
                self.assertRegex(error, f"{MEMORY_LIMIT}|error: NOT_FOUND")

    def test_it_stays_within_its_limit_whatever_is_asked_for(self) -> None:
        with self.server("--memory-limit", str(LIMIT_MIB)) as server:
            client = Client(server.address, self.folder)
            self.create(client, "large", hidden_units=4000, patterns=1000)
            # As many versions of 16 MB as are kept.
            client.text("train", "large", "--epochs", "8", "--batch-size", "1000", "--step-size", "1e-9")
            full = client.run("create", "full", "--layers", f"{COLUMNS},10000,1", "--task", "regression")
            self.assertRegex(full.stderr, MEMORY_LIMIT)
            client.text("backup", "large", "large.backup")
            self.side_by_side(client, *(["restore", "large.backup", f"r{i}"] for i in range(SIDE_BY_SIDE)))
            client.text("restore", "large.backup", "restored")
            for command in (["backup", "{}", "{}.backup"], ["parameters", "{}", "--npy", "{}"],
                            ["evaluate", "{}"], ["predict", "{}", "inputs.npy", "--count", "10"]):
                with self.subTest(command[0]):
                    names = ["large", "restored", *(f"r{i}" for i in range(SIDE_BY_SIDE))]
                    self.side_by_side(client, *([word.format(name) for word in command] for name in names))
                    client.text(*(word.format("large") for word in command))  # Alone it has the room.
            most = self.mib(server, "VmHWM")
            print(f"{most} MiB at most, with a limit of {LIMIT_MIB} MiB for sessions")
            self.assertLess(most, LIMIT_MIB + BESIDE_MIB)
            self.assertGreater(most, 200)

    def test_a_session_that_nobody_uses_is_closed_and_opened_again(self) -> None:
        with self.server("--idle-timeout", "0.2") as server:
            client = Client(server.address, self.folder)
            self.create(client, "idle", hidden_units=1, patterns=50_000)
            deadline = time.monotonic() + PATIENCE_S
            while self.mib(server, "VmRSS") > 150:
                self.assertLess(time.monotonic(), deadline, "it was not closed")
                threading.Event().wait(0.05)  # It looks again; how long that takes is not what is tested.
            self.assertIn("50000", client.text("describe", "idle"))

    def test_messages_on_their_way_are_bounded(self) -> None:
        message_mib = 100
        with self.server("--memory-limit", "64", "--message-memory", "64") as server:
            matrix = matrix_pb2.Matrix(raw_values=bytes(message_mib << 20))
            large = pattern_service_pb2.AppendPatternsRequest(
                session="sessions/none", patterns=patterns_pb2.Patterns(inputs=matrix))
            answers: list[grpc.StatusCode | int] = []

            def append(request) -> grpc.StatusCode | int:
                with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                    call = PatternServiceStub(channel).AppendPatterns(iter([request]), timeout=PATIENCE_S)
                    try:
                        return next(call).status.code
                    except grpc.RpcError as error:
                        return error.code()

            callers = [threading.Thread(target=lambda: answers.append(append(large))) for _ in range(SIDE_BY_SIDE)]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()
            most = self.mib(server, "VmHWM")
            print(f"{most} MiB at most, {SIDE_BY_SIDE} messages of {message_mib} MiB: {answers}")
            self.assertLess(most, SIDE_BY_SIDE * message_mib // 2)
            self.assertIn(grpc.StatusCode.RESOURCE_EXHAUSTED, answers)
            small = pattern_service_pb2.AppendPatternsRequest(session="sessions/none")
            self.assertEqual(append(small), grpc.StatusCode.INVALID_ARGUMENT.value[0])


if __name__ == "__main__":
    unittest.main()
