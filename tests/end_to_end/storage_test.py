#!/usr/bin/python3
"""What is kept, on a real disk: batches that come twice, not at all or in another order, and a disk that is full."""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import grpc

import stubs  # First: it makes importable what the loads import.
import crash_loads as loads
from processes import PATIENCE_S, Client, Server, refused

# Mounting a disk of a size that can be filled is for root.
AS_ROOT = [] if os.geteuid() == 0 else ["sudo"]
BATCH_COUNT = 10_000
AHEAD = 30
OUT_OF_RANGE = grpc.StatusCode.OUT_OF_RANGE.value[0]
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


def disorder(first: int, draw: random.Random) -> list[int]:
    """Batches from `first` on: of ten about one is dropped, one doubled, one before its time."""
    numbers: list[int] = []
    for number in range(first, min(first + AHEAD, BATCH_COUNT)):
        chance = draw.random()
        if chance < 0.1:
            continue
        if chance < 0.2:
            numbers.append(number)
        if chance > 0.9 and numbers:
            numbers.insert(-1, number)
        else:
            numbers.append(number)
    return numbers


class StorageTest(unittest.TestCase):
    def test_ten_thousand_batches_in_disorder_are_stored_once_and_in_order(self) -> None:
        draw = random.Random(20081114)
        with tempfile.TemporaryDirectory() as folder, Server("--data-dir", folder) as server:
            load = loads.Appending(server.address)
            load.create()
            batches = [loads.patterns(number, 2) for number in range(BATCH_COUNT)]
            stored, reconnections = 0, 0
            while stored < BATCH_COUNT:
                cut = draw.randrange(1, AHEAD * 10)  # One stream in ten is broken off in its middle.
                call = load.patterns.AppendPatterns(
                    (loads.pattern_service_pb2.AppendPatternsRequest(
                        session=load.session, pattern_set="s", offset=2 * number, patterns=batches[number])
                     for number in disorder(stored, draw)), timeout=PATIENCE_S)
                for count, answer in enumerate(call):
                    self.assertIn(answer.status.code, (0, loads.ALREADY_EXISTS, OUT_OF_RANGE), answer.status)
                    stored = max(stored, answer.next_offset // 2)
                    if count == cut:
                        reconnections += 1
                        call.cancel()
                        break
            self.assertGreater(reconnections, 20)
            inputs, targets = [], []
            for part in load.stored():
                inputs += part.inputs.values
                targets += part.targets.values
            self.assertEqual(inputs, [value for batch in batches for value in batch.inputs.values])
            self.assertEqual(targets, [value for batch in batches for value in batch.targets.values])

    def mount(self, size: str) -> str:
        """A disk of that size, in memory."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        mode = f"size={size},mode=700,uid={os.getuid()}"
        subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", mode, "tmpfs", folder], check=True)
        self.addCleanup(subprocess.run, [*AS_ROOT, "umount", folder], check=True)
        return folder

    @staticmethod
    def remount(folder: str, options: str) -> None:
        subprocess.run([*AS_ROOT, "mount", "-o", f"remount,{options}", folder], check=True)

    def test_a_full_disk_refuses_until_there_is_room_and_loses_nothing(self) -> None:
        folder = self.mount("3m")
        server = self.enterContext(Server("--data-dir", folder))
        load = loads.Appending(server.address)
        load.create()

        def append(first: int, count: int) -> list:
            requests = (loads.pattern_service_pb2.AppendPatternsRequest(
                session=load.session, pattern_set="s", offset=500 * number, patterns=loads.patterns(number, 500))
                for number in range(first, first + count))
            return list(load.patterns.AppendPatterns(requests, timeout=PATIENCE_S))

        number = 0
        while (answer := append(number, 1)[0]).status.code == 0:
            number += 1
        self.assertEqual(answer.status.code, RESOURCE_EXHAUSTED)
        self.assertIn("no space is left", answer.status.message)
        self.assertEqual(answer.next_offset, 500 * number)
        # It says why: in the answer's details, in the health of this session alone, in the log.
        self.assertIn(b"STORAGE_FULL", answer.status.details[0].value)
        self.assertEqual(stubs.health(load.channel, "sessions/appended"), stubs.NOT_SERVING)
        self.assertIn("session appended cannot be kept: no space is left", server.log())
        # What was acknowledged is there, and it still answers.
        self.assertEqual(load.next_offset("s"), 500 * number)
        self.assertEqual(Client(server.address).text("health"), "SERVING\n")
        self.remount(folder, "size=64m")
        self.assertEqual([answer.status.code for answer in append(number, 20)], [0] * 20)
        self.assertEqual(stubs.health(load.channel, "sessions/appended"), stubs.SERVING)
        self.assertIn("session appended is kept again", server.log())
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(PATIENCE_S)
        server.process.stdout.close()
        port = server.address.rpartition(":")[2]
        with Server("--data-dir", folder, listen=f"127.0.0.1:{port}"):
            self.assertTrue((pathlib.Path(folder) / "appended.session").exists())
            values = [value for part in load.stored() for value in part.inputs.values]
            expected = [value for i in range(number + 20) for value in loads.patterns(i, 500).inputs.values]
            sent = loads.matrix_pb2.Matrix(values=expected).values  # In the precision of the wire.
            self.assertEqual(values, list(sent))

    def test_on_a_full_disk_sessions_are_read_and_deleted_in_this_life_and_the_next(self) -> None:
        folder = self.mount("4m")
        flags = ("--data-dir", folder, "--idle-timeout", "0.05")
        server = self.enterContext(Server(*flags))
        load = loads.Appending(server.address)
        victims = [loads.Stepping(server.address), loads.Learning(server.address), loads.Training(server.address)]
        for each in (load, *victims):
            each.create()
        for size in (500, 1):
            while load.append_at_end(size).status.code == 0:
                pass
        filler = pathlib.Path(folder, "filler")

        def fill() -> None:
            with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
            self.assertEqual(shutil.disk_usage(folder).free, 0)

        fill()
        stored = load.next_offset("s")

        def delete(victim) -> None:
            victim.sessions.DeleteSession(loads.session_service_pb2.DeleteSessionRequest(name=victim.session),
                                          timeout=PATIENCE_S)
            self.assertFalse(pathlib.Path(folder, f"{victim.name}.session").exists())

        delete(victims.pop())
        fill()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(PATIENCE_S)
        server.process.stdout.close()
        with Server(*flags, listen=server.address):
            self.assertEqual(load.next_offset("s"), stored)
            delete(victims[0])
            self.assertEqual(victims[1].next_offset("s"), 0)
            delete(victims[1])
            filler.unlink()
            self.assertEqual(load.append_at_end(1).status.code, 0)

    def test_a_list_fails_rather_than_lacks_sessions(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            with Server("--data-dir", folder) as server:
                for kind in (loads.Appending, loads.Learning):
                    kind(server.address).create()
            with Server("--data-dir", folder) as server:
                sessions = loads.Appending(server.address).sessions

                def names() -> list[str]:
                    request = loads.session_service_pb2.ListSessionsRequest()
                    return [session.name for session in sessions.ListSessions(request, timeout=PATIENCE_S).sessions]

                self.assertEqual(names(), ["sessions/appended", "sessions/learned"])
                # What cannot be opened, by root neither.
                file = pathlib.Path(folder, "learned.session")
                aside = file.rename(pathlib.Path(folder, "aside"))
                file.mkdir()
                with self.assertRaises(grpc.RpcError) as failed:
                    names()
                self.assertEqual(failed.exception.code(), grpc.StatusCode.UNAVAILABLE)
                self.assertIn("learned.session cannot be read", failed.exception.details())
                file.rmdir()
                aside.rename(file)
                self.assertEqual(names(), ["sessions/appended", "sessions/learned"])

    def test_a_disk_that_refuses_writes_stops_its_session_until_it_takes_them(self) -> None:
        folder = self.mount("16m")
        with Server("--data-dir", folder) as server:
            load = loads.Appending(server.address)
            load.create()
            load.work(limit=3)

            def append(offset: int):
                return next(load.patterns.AppendPatterns(iter([loads.pattern_service_pb2.AppendPatternsRequest(
                    session=load.session, pattern_set="s", offset=offset, patterns=loads.patterns(3))]),
                    timeout=PATIENCE_S)).status

            # As for root: a file system with files open for writing cannot be made read-only.
            subprocess.run(["prlimit", f"--pid={server.process.pid}", "--fsize=0:"], check=True)
            status = append(3 * loads.BATCH)
            self.assertEqual(status.code, grpc.StatusCode.UNAVAILABLE.value[0], status)
            self.assertIn(b"STORAGE_FAILED", status.details[0].value)
            self.assertEqual(append(3 * loads.BATCH).code, grpc.StatusCode.UNAVAILABLE.value[0])
            self.assertEqual(stubs.health(load.channel, "sessions/appended"), stubs.NOT_SERVING)
            subprocess.run(["prlimit", f"--pid={server.process.pid}", "--fsize=unlimited:"], check=True)
            self.assertEqual(append(3 * loads.BATCH).code, 0)
            self.assertEqual(stubs.health(load.channel, "sessions/appended"), stubs.SERVING)
        self.remount(folder, "ro")
        code, output, error = refused("--listen", "127.0.0.1:0", "--data-dir", folder)
        self.assertEqual((code, output), (1, ""))
        self.assertRegex(error, f"{folder}.*Read-only file system")

    def test_ten_thousand_sessions_start_within_a_second(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            with Server("--data-dir", folder) as server:
                load = loads.Appending(server.address)
                load.create()
                load.work(limit=10)
            kept = pathlib.Path(folder, "appended.session")
            for number in range(10_000 - 1):
                pathlib.Path(folder, f"s-{number}.session").hardlink_to(kept)
            took_s = []
            for _ in range(3):  # The fastest: others use this machine too.
                before = time.monotonic()
                with Server("--data-dir", folder, "--max-sessions", "10000") as server:
                    took_s.append(time.monotonic() - before)
                    self.assertIn("10000 sessions in", server.log())
                    self.assertEqual(loads.Appending(server.address).next_offset("s"), 10 * loads.BATCH)
            self.assertLess(min(took_s), 1)
            print(f"10,000 sessions: ready after {min(took_s):.3f} s")


if __name__ == "__main__":
    unittest.main()
