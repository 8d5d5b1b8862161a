#!/usr/bin/python3
"""What is kept, on a real disk: batches that come twice, not at all or in another order, and a disk that is full."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import unittest

import grpc

from processes import PATIENCE_S, ROOT, Client, Server

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
    @classmethod
    def setUpClass(cls) -> None:
        stubs = cls.enterClassContext(tempfile.TemporaryDirectory())
        subprocess.run([ROOT / "examples/python/generate_stubs.sh", stubs], check=True, timeout=PATIENCE_S)
        sys.path.insert(0, stubs)

    def test_ten_thousand_batches_in_disorder_are_stored_once_and_in_order(self) -> None:
        import crash_loads as loads
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

    def test_a_full_disk_refuses_until_there_is_room_and_loses_nothing(self) -> None:
        import crash_loads as loads
        folder = self.enterContext(tempfile.TemporaryDirectory())
        mode = f"size=3m,mode=700,uid={os.getuid()}"
        subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", mode, "tmpfs", folder], check=True)
        self.addCleanup(subprocess.run, [*AS_ROOT, "umount", folder], check=True)
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
        # What was acknowledged is there, and it still answers.
        self.assertEqual(load.next_offset("s"), 500 * number)
        self.assertEqual(Client(server.address).text("health"), "SERVING\n")
        subprocess.run([*AS_ROOT, "mount", "-o", "remount,size=64m", folder], check=True)
        self.assertEqual([answer.status.code for answer in append(number, 20)], [0] * 20)
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


if __name__ == "__main__":
    unittest.main()
