#!/usr/bin/python3
"""The Python example, with stubs generated as its reader would, against a real server."""

import os
import subprocess
import tempfile
import unittest

from processes import PATIENCE_S, ROOT, Client, Server

EXAMPLE = ROOT / "examples/python"


class PythonExampleTest(unittest.TestCase):
    def test_it_trains_predicts_and_shows_a_typed_error(self) -> None:
        with tempfile.TemporaryDirectory() as stubs, Server() as server:
            subprocess.run([EXAMPLE / "generate_stubs.sh", stubs], check=True, timeout=PATIENCE_S)
            result = subprocess.run([EXAMPLE / "train_and_predict.py", server.address], timeout=PATIENCE_S,
                                    env={**os.environ, "PYTHONPATH": stubs}, capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout)
            lines = result.stdout.splitlines()
            self.assertEqual(lines[:2], ["created sessions/disc with 82 parameters", "stored 2000 patterns"])
            self.assertEqual([line.split(":")[0] for line in lines[2:32]], [f"epoch {n}" for n in range(1, 31)])
            accuracy = float(lines[31].rpartition(" ")[2])
            self.assertGreater(accuracy, 0.95)
            self.assertEqual([line.rpartition(" ")[2] for line in lines[32:36]],
                             ["inside", "inside", "outside", "outside"])
            self.assertEqual(lines[36:], ["INVALID_ARGUMENT: inputs.column_count: must be 2, but is 3",
                                          "  reason INVALID_FIELDS of backprop",
                                          "  field inputs.column_count: must be 2, but is 3"])
            # It leaves nothing behind.
            self.assertEqual(Client(server.address).json("list"), [])


if __name__ == "__main__":
    unittest.main()
