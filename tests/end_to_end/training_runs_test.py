#!/usr/bin/python3
"""Training runs that outlive the command that started them: detach, watch, Ctrl-C, cancel."""

import os
import pathlib
import signal
import subprocess
import tempfile
import termios
import unittest

import pattern_files
from processes import PATIENCE_S, Client, Server, read_line, read_terminal

# Longer than any test takes: such a run ends only by being cancelled.
ENDLESS = ("--epochs", "1000000", "--batch-size", "1")


class TrainingRunsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        # Enough patterns that a run of a few seconds has hundreds of epochs, not hundreds of thousands.
        pattern_files.write_all(cls.folder, 3000)

    def setUp(self) -> None:
        self.client = Client(self.enterContext(Server("--training-workers", "1")).address, self.folder)
        self.create("busy")

    def create(self, name: str) -> None:
        self.client.message("create", name, "--layers", "12,5,3", "--task", "multiway", "--seed", "1")
        self.client.message("append", name, "images-idx3-ubyte.gz", "--labels", "labels-idx1-ubyte.gz")

    def run_of(self, session: str) -> dict:
        """Its newest run."""
        return self.client.json("runs", session)[0]

    def interrupt(self, process: subprocess.Popen) -> str:
        """Ctrl-C: it must leave with success, and say that the run goes on. Answers its standard error."""
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0, error)
        self.assertIn(" goes on.\n", error)
        return error

    def test_a_detached_run_goes_on_until_it_is_cancelled(self) -> None:
        started = self.client.text("train", "busy", *ENDLESS, "--detach")
        self.assertEqual(started, "started sessions/busy/trainingRuns/run-1\n")
        self.assertEqual(self.run_of("busy")["state"], "STATE_RUNNING")
        self.assertEqual(self.client.json("describe", "busy")[0]["activeTrainingRun"],
                         "sessions/busy/trainingRuns/run-1")
        cancelled = self.client.message("cancel", "busy")
        self.assertEqual(cancelled["state"], "STATE_CANCELLED")
        self.assertEqual(self.run_of("busy"), cancelled)
        again = self.client.text("cancel", cancelled["name"])
        self.assertRegex(again, r"^sessions/busy/trainingRuns/run-1 cancelled after \d+ epochs\n$")

    def test_interrupting_a_watcher_leaves_the_run_going(self) -> None:
        training = self.client.start("train", "busy", *ENDLESS)
        self.assertRegex(read_line(training), r"^epoch 1/1000000 ")
        error = self.interrupt(training)
        self.assertIn("backprop watch sessions/busy/trainingRuns/run-1 ", error)
        watching = self.client.start("watch", "busy", "--after-epoch", "1")
        self.assertRegex(read_line(watching), r"^epoch 2/1000000 ")
        self.interrupt(watching)
        before = self.run_of("busy")
        self.assertEqual(before["state"], "STATE_RUNNING")
        watching = self.client.start("watch", before["name"], "--after-epoch", before["completedEpochCount"])
        self.assertTrue(read_line(watching).startswith(f"epoch {int(before['completedEpochCount']) + 1}/"))
        self.client.message("cancel", "busy")
        _, error = watching.communicate(timeout=PATIENCE_S)
        self.assertEqual((watching.returncode, error), (1, "error: CANCELLED: the training run was cancelled\n"))

    def test_watching_an_ended_run_tells_all_its_epochs_again(self) -> None:
        reports = self.client.json("train", "busy", "--epochs", "5")
        self.assertEqual(self.client.json("watch", "busy"), reports)
        self.assertEqual(self.client.json("watch", "busy", "--after-epoch", "3"), reports[3:])
        text = self.client.text("watch", "sessions/busy/trainingRuns/run-1").splitlines()
        self.assertEqual(len(text), 6)
        self.assertEqual(text[-1], "sessions/busy/trainingRuns/run-1 succeeded after 5 epochs, model version 5")

    def test_on_a_terminal_one_line_shows_the_progress(self) -> None:
        ours, terminal = os.openpty()
        rows, columns = 24, 150
        termios.tcsetwinsize(terminal, (rows, columns))
        training = self.client.start("train", "busy", "--epochs", "2", stdout=terminal)
        _, error = training.communicate(timeout=PATIENCE_S)
        os.close(terminal)
        shown = read_terminal(ours)
        self.assertEqual((training.returncode, error), (0, ""))
        self.assertRegex(shown, r"^\r\[#+\.+\] epoch 1/2 [^\r\n]*\r\[#+\] epoch 2/2 [^\r\n]*\r\n")
        self.assertIn("succeeded after 2 epochs", shown)

    def test_a_second_run_of_a_session_names_the_first(self) -> None:
        self.client.message("train", "busy", *ENDLESS, "--detach")
        error = self.client.error("train", "busy", "--epochs", "1")
        self.assertRegex(error, "^error: FAILED_PRECONDITION: sessions/busy/trainingRuns/run-1 is training")
        self.client.message("cancel", "busy")

    def test_sessions_share_the_one_worker(self) -> None:
        self.create("short")
        self.client.message("train", "busy", *ENDLESS, "--detach")
        self.assertEqual(len(self.client.json("train", "short", "--epochs", "3")), 3)
        states = [(run["state"], run["patternSet"]) for run in (self.run_of("busy"), self.run_of("short"))]
        self.assertEqual(states, [("STATE_RUNNING", "training"), ("STATE_SUCCEEDED", "training")])
        header, row = self.client.text("runs", "short").splitlines()
        self.assertEqual(header.split()[:3], ["NAME", "STATE", "EPOCHS"])
        self.assertEqual(row.split()[:3], ["sessions/short/trainingRuns/run-1", "succeeded", "3/3"])
        self.client.message("cancel", "busy")

    def test_deleting_a_session_ends_its_run(self) -> None:
        watching = self.client.start("train", "busy", *ENDLESS)
        read_line(watching)
        self.client.message("delete", "busy")
        _, error = watching.communicate(timeout=PATIENCE_S)
        self.assertEqual(watching.returncode, 1, error)
        self.assertRegex(error, "^error: (CANCELLED|NOT_FOUND): ")

    def test_training_at_the_same_time_changes_no_prediction_of_another_session(self) -> None:
        self.create("still")
        alone = self.client.message("predict", "still", "images.npy", "--count", "10")
        self.client.message("train", "busy", *ENDLESS, "--detach")
        self.assertEqual(self.client.message("predict", "still", "images.npy", "--count", "10"), alone)
        self.client.message("cancel", "busy")


if __name__ == "__main__":
    unittest.main()
