#!/usr/bin/python3
"""What a person at a terminal meets: the progress bar, Ctrl-C while patterns are appended, and a full disk."""

import array
import os
import pathlib
import pty
import re
import signal
import tempfile
import termios
import unittest

import pattern_files
from processes import PATIENCE_S, Client, Server, read_terminal

# Patterns of one input and one target in a batch.
BATCH = 65536
# Of an input.
BYTES = 4
NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?"


class TerminalTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        pattern_files.write_all(cls.folder, 60)
        cls.client = Client(cls.enterClassContext(Server()).address, cls.folder)
        cls.client.message("create", "images", "--layers", "12,5,3", "--task", "multiway")
        cls.client.message("append", "images", "images.csv", "--header", "--targets", "bright")
        cls.client.message("create", "line", "--layers", "1,1", "--task", "regression")

    def train(self, session: str, columns: int) -> list[str]:
        """The lines that a terminal so wide shows, one after the other in the same place."""
        ours, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (24, columns))
        training = self.client.start("train", session, "--epochs", "3", "--validation-set", "training", stdout=terminal)
        _, error = training.communicate(timeout=PATIENCE_S)
        os.close(terminal)
        shown = read_terminal(ours)
        self.assertEqual((training.returncode, error), (0, ""), shown)
        lines = shown.split("\r\n")[0].replace("\x1b[K", "").split("\r")[1:]
        self.assertEqual(len(lines), 3, shown)
        return lines

    def test_training_with_validation_shows_a_bar_and_whole_numbers(self) -> None:
        (self.folder / "line.csv").write_text("1,2\n3,5\n5,8\n")
        self.client.message("append", "line", "line.csv")
        for session, measure in (("images", r"(acc|accuracy)"), ("line", "MSE")):
            for columns in (80, 100, 120, 200):
                with self.subTest(session=session, columns=columns):
                    lines = self.train(session, columns)
                    for epoch, line in enumerate(lines, 1):
                        self.assertLess(len(line), columns)
                        self.assertRegex(line, rf"^\[#*\.*\] (epoch )?{epoch}/3  .*log (L|likelihood) {NUMBER} val "
                                               rf"{NUMBER}  {measure} {NUMBER} val {NUMBER}(  \d+ patterns/s)?$")
                    self.assertRegex(lines[-1], r"^\[#{9,20}\] ")

    def test_ctrl_c_while_appending_says_how_many_are_stored_and_how_to_go_on(self) -> None:
        count = 40 * BATCH
        for name in ("whole.npy", "targets.npy"):
            pattern_files.write_npy(self.folder / name, "<f4", (count, 1), array.array("f", range(count)).tobytes())
        whole = (self.folder / "whole.npy").read_bytes()
        os.mkfifo(self.folder / "rows.npy")
        append = ("append", "line", "rows.npy", "--labels", "targets.npy", "--set", "interrupted")
        appending = self.client.start(*append)
        # It ends at the next batch after Ctrl-C, and then nobody reads.
        with self.assertRaises(BrokenPipeError), open(self.folder / "rows.npy", "wb") as fifo:
            fifo.write(whole[:3 * BATCH * BYTES])
            fifo.flush()
            while f"interrupted: {2 * BATCH} patterns" not in self.client.text("describe", "line"):
                self.assertIsNone(appending.poll())
            appending.send_signal(signal.SIGINT)
            fifo.write(whole[3 * BATCH * BYTES:])
        output, error = appending.communicate(timeout=PATIENCE_S)
        self.assertEqual((appending.returncode, output), (1, ""), error)
        said = re.fullmatch(r"error: CANCELLED: .*\((\d+) patterns before it are stored; "
                            r"repeat the command with --offset 0 to store the rest, none twice\)\n", error)
        self.assertIsNotNone(said, error)
        self.assertGreaterEqual(int(said[1]), 2 * BATCH)
        (self.folder / "whole.npy").rename(self.folder / "rows.npy")
        self.assertEqual(self.client.message(*append, "--offset", "0")["patternCount"], str(count))

    def test_ctrl_c_before_the_first_batch_ends_the_command(self) -> None:
        os.mkfifo(self.folder / "silent.csv")
        appending = self.client.start("append", "line", "silent.csv", "--set", "silent")
        with open(self.folder / "silent.csv", "w", encoding="ascii"):  # Opens when the command has it open.
            appending.send_signal(signal.SIGINT)
            output, error = appending.communicate(timeout=PATIENCE_S)
        self.assertEqual((appending.returncode, output, error),
                         (1, "", "error: CANCELLED: interrupted; nothing is stored\n"))

    def test_an_answer_that_cannot_be_written_is_an_error(self) -> None:
        for command in (("predict", "images", "images.npy"), ("list",), ("--output", "json", "list"), ("--help",),
                        ("train", "images", "--epochs", "1")):
            with self.subTest(command), open("/dev/full", "w", encoding="ascii") as full:
                process = self.client.start(*command, stdout=full)
                _, error = process.communicate(timeout=PATIENCE_S)
                self.assertEqual(process.returncode, 1)
                self.assertRegex(error, "^error: DATA_LOSS: cannot write to standard output")


if __name__ == "__main__":
    unittest.main()
