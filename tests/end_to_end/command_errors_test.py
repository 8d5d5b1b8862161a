#!/usr/bin/python3
"""Commands that fail: exit code 1, nothing on standard output, and on standard error what is wrong, all of it."""

import array
import os
import pathlib
import re
import signal
import socket
import tempfile
import unittest

import pattern_files
from processes import PATIENCE_S, Client, Server

NETWORK = ("--layers", "12,3", "--task", "multiway")


class CommandErrorsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        pattern_files.write_all(cls.folder, 9)
        cls.client = Client(cls.enterClassContext(Server()).address, cls.folder)
        cls.client.message("create", "there", *NETWORK)
        cls.client.message("append", "there", "images.csv", "--header", "--targets", "bright")
        cls.client.message("create", "empty", *NETWORK)

    def assert_fails(self, start: str, *arguments: str) -> None:
        """In text and JSON alike."""
        for output in ("text", "json"):
            error = self.client.error("--output", output, *arguments)
            self.assertTrue(error.startswith("error: " + start), error)

    def test_every_violation_has_its_line_and_field(self) -> None:
        lines = self.client.error("create", "bad", "--layers", "0,0,1", "--task", "multiway").splitlines()
        self.assertTrue(lines[0].startswith("error: INVALID_ARGUMENT: session.network.input_unit_count: "), lines)
        self.assertEqual([line.split(": ")[0] for line in lines[1:]], [
            "  session.network.hidden_layers[0].unit_count",
            "  session.network.output_unit_count"])
        lines = self.client.error("train", "there", "--epochs", "0", "--step-size", "-1").splitlines()
        self.assertEqual(len(lines), 2)
        fields = {re.search(r"(\S+): must", line).group(1) for line in lines}
        self.assertEqual(fields, {"epoch_count", "options.step_size"})

    def test_what_is_not_there(self) -> None:
        for command in (["describe", "nothing"], ["delete", "nothing"], ["copy", "nothing", "new"], ["runs", "nothing"],
                        ["append", "nothing", "images.csv"], ["train", "nothing", "--epochs", "1"],
                        ["predict", "nothing", "images.csv"], ["evaluate", "there", "--set", "nothing"],
                        ["gradient", "there", "--set", "nothing"], ["scale", "there", "--set", "nothing"],
                        ["trace", "nothing", "--pattern", "1", "--target", "1"], ["hvp", "nothing", "--gradient"],
                        ["hvp", "there", "--gradient", "--set", "nothing"], ["hvp", "there", "--direction", "none.npy"],
                        ["hessian", "there", "--model-version", "5"], ["derivatives", "nothing", "--gradient"],
                        ["derivatives", "there", "--direction", "none.npy"],
                        ["predict", "there", "images.npy", "--with-uncertainty", "--uncertainty-set", "nothing"],
                        ["parameters", "nothing"], ["parameters", "there", "--model-version", "5"],
                        ["watch", "there"], ["cancel", "there"], ["watch", "sessions/there/trainingRuns/run-9"],
                        ["train", "there", "--set", "nothing", "--epochs", "1"], ["append", "there", "nothing.csv"],
                        ["parameters", "there", "--set-from", "nothing.npy"]):
            with self.subTest(" ".join(command)):
                self.assert_fails("NOT_FOUND: ", *command)

    def test_no_patterns_to_train_on(self) -> None:
        self.assert_fails("FAILED_PRECONDITION: ", "train", "empty", "--epochs", "1")

    def test_an_id_in_use(self) -> None:
        self.assert_fails("ALREADY_EXISTS: ", "create", "there", *NETWORK)
        self.assert_fails("ALREADY_EXISTS: ", "copy", "there", "empty")

    def test_wrong_flags(self) -> None:
        for command in ([], ["nonsense"], ["create", "new"], ["create", "new", "--layers", "3", "--task", "multiway"],
                        ["create", "new", *NETWORK, "--hidden", "sine"], ["train", "there"],
                        ["train", "there", "--epochs", "1", "--batch-size", "none"],
                        ["train", "there", "--epochs", "1", "--optimizer", "ascent", "--beta1", "0.5"],
                        ["trace", "there", "--pattern", "1,2", "--target", "top"], ["trace", "there", "--pattern", "1"],
                        ["hvp", "there"], ["hvp", "there", "--direction", "images.npy"],
                        ["hvp", "there", "--random", "257"], ["hessian", "there", "--layer", "2"],
                        ["hessian", "there", "--layer", "1", "--diagonal"],
                        ["hessian", "there", "--curvature", "fisher"], ["derivatives", "there"],
                        ["derivatives", "there", "--gradient", "--order", "17"],
                        ["derivatives", "there", "--input-direction", "1"],
                        ["predict", "there", "images.npy", "--prior-precision", "2"],
                        ["predict", "there", "images.npy", "--with-uncertainty", "--prior-precision", "nan"],
                        ["append", "there", "images.npy"], ["health", "--output", "xml"],
                        ["create", "NotAnId", *NETWORK]):
            with self.subTest(" ".join(command)):
                error = self.client.error(*command)
                self.assertTrue(error.startswith("error: INVALID_ARGUMENT: "), error)

    def test_an_unknown_command_is_named(self) -> None:
        self.assertIn('there is no command "nonsense"', self.client.error("nonsense"))
        self.assertIn("there is no command", self.client.error("--timeout", "5", "trian", "there"))

    def test_a_timeout_is_a_positive_number_of_seconds(self) -> None:
        for timeout in ("nan", "0", "-1", "inf", "soon"):
            self.assertIn("must be a number of seconds", self.client.error("--timeout", timeout, "health"))

    def test_a_server_has_a_port_that_there_can_be(self) -> None:
        for address in ("127.0.0.1:99999", "127.0.0.1:0", "127.0.0.1", "localhost:http", ""):
            error = self.client.error("--server", address, "list")
            self.assertIn("must be HOST:PORT with a port from 1 to 65535", error)

    def test_epochs_count_from_0(self) -> None:
        self.assertIn("--after-epoch", self.client.error("watch", "there", "--after-epoch", "-1"))

    def test_text_that_is_not_utf_8_is_called_that(self) -> None:
        latin = os.fsdecode("caf\u00e9".encode("latin-1"))
        self.assert_fails("INVALID_ARGUMENT: a name or another text of the request is not UTF-8", "describe", latin)
        rows = "".join(f"{name},{','.join(map(str, range(12)))}\n" for name in ("drink", "caf\u00e9", "tea", "milk"))
        (self.folder / "latin.csv").write_bytes(rows.encode("latin-1"))
        self.client.message("create", "latin", *NETWORK)
        error = self.client.error("append", "latin", "latin.csv", "--header", "--targets", "drink")
        self.assertTrue(error.startswith("error: INVALID_ARGUMENT: latin.csv, "), error)
        self.assertIn("a value is not UTF-8, caf\\xe9; convert the file", error)
        self.assertNotIn("outputNames", self.client.message("describe", "latin")["network"])

    def test_every_call_over_patterns_ends_at_its_timeout(self) -> None:
        with Server() as server:
            client = Client(server.address, self.folder)
            client.message("create", "held", *NETWORK)
            server.process.send_signal(signal.SIGSTOP)
            try:
                for command in (("evaluate",), ("gradient",), ("hvp", "--gradient"), ("hessian",),
                                ("derivatives", "--gradient"), ("predict", "images.npy")):
                    with self.subTest(command[0]):
                        error = client.error("--timeout", "0.5", command[0], "held", *command[1:])
                        self.assertIn("DEADLINE_EXCEEDED", error)
            finally:
                server.process.send_signal(signal.SIGCONT)

    def test_a_file_that_cannot_be_written_does_not_cost_the_result(self) -> None:
        for command in (("gradient", "there"), ("parameters", "there"), ("hvp", "there", "--gradient"),
                        ("hessian", "there"), ("derivatives", "there", "--gradient")):
            with self.subTest(command[0]):
                result = self.client.run(*command, "--npy", "nowhere/x.npy")
                self.assertEqual(result.returncode, 1)
                self.assertIn("nowhere/x.npy", result.stderr)
                self.assertEqual(result.stdout, self.client.text(*command))

    def test_a_layer_out_of_range_is_counted_as_it_was_given(self) -> None:
        self.assertIn("--layer: must be from 1 to 1, the output layer, but is 7",
                      self.client.error("hessian", "there", "--layer", "7"))

    def test_numbers_out_of_range_are_named_as_they_were_given(self) -> None:
        large = "9" * 20
        append = ("append", "there", "images.csv")
        for command, said in (((*append, "--count", "0"), "from 1 to 9223372036854775807, but is 0"),
                              (("predict", "there", "images.csv", "--count", "0"), "from 1 to "),
                              (("train", "there", "--epochs", large), f"but is {large}"),
                              (("train", "there", "--epochs", "1", "--patience", large), f"but is {large}"),
                              (("evaluate", "there", "--model-version", large), f"but is {large}"),
                              (("rollback", "there", large), f"but is {large}"),
                              (("train", "there", "--epochs", "x"), "number, but is x")):
            with self.subTest(" ".join(command)):
                error = self.client.error(*command)
                self.assertIn("must be a whole number", error)
                self.assertIn(said, error)

    def test_a_line_without_direction_is_told_the_flags(self) -> None:
        self.assertIn("--gradient, --random-seed N, --direction FILE", self.client.error("derivatives", "there"))

    def test_work_above_its_limit_is_refused_with_its_price(self) -> None:
        for command in (["hvp", "there", "--gradient"], ["hessian", "there"], ["derivatives", "there", "--gradient"]):
            with self.subTest(" ".join(command)):
                error = self.client.error(*command, "--work-limit", "1")
                self.assertRegex(error, r"^error: RESOURCE_EXHAUSTED: .* would take \d+ multiply-adds")

    def test_a_damaged_file_is_called_by_its_name(self) -> None:
        packed = bytearray((self.folder / "images-idx3-ubyte.gz").read_bytes())
        packed[-6] ^= 0x55  # In the checksum at the end.
        (self.folder / "damaged-idx3-ubyte.gz").write_bytes(packed)
        error = self.client.error("append", "there", "damaged-idx3-ubyte.gz", "--labels", "labels-idx1-ubyte.gz")
        self.assertRegex(error, "^error: DATA_LOSS: damaged-idx3-ubyte.gz: damaged gzip data: incorrect data check")

    def test_a_refused_row_is_found_by_where_its_batch_begins(self) -> None:
        count = 140_000
        self.client.message("create", "far", "--layers", "1,1", "--task", "binary")
        for name, bad in (("targets.npy", None), ("inputs.npy", 131_075)):
            numbers = array.array("d", [0]) * count
            if bad is not None:
                numbers[bad] = 1e39  # Finite, but not in FLOAT32.
            pattern_files.write_npy(self.folder / name, "<f8", (count, 1), numbers.tobytes())
        error = self.client.error("append", "far", "inputs.npy", "--labels", "targets.npy")
        self.assertRegex(error, r"^error: INVALID_ARGUMENT: .*row 3")
        self.assertIn("(rows are counted from 0 in the batch that begins at pattern 131072)", error)
        self.assertNotIn("repeat the command", error)

    def test_two_first_appends_with_other_class_names_leave_one_naming(self) -> None:
        self.client.message("create", "raced", "--layers", "1,2", "--task", "multiway")
        for name in ("cat", "dog"):
            (self.folder / f"{name}.csv").write_text("".join(f"{row},{name}{row % 2}\n" for row in range(1000)))
        racers = [self.client.start("append", "raced", f"{name}.csv") for name in ("cat", "dog")]
        errors = [racer.communicate(timeout=PATIENCE_S)[1] for racer in racers]
        self.assertEqual(sorted(racer.returncode for racer in racers), [0, 1], errors)
        winner = "cat" if racers[0].returncode == 0 else "dog"
        session, pattern_set = self.client.json("describe", "raced")
        self.assertEqual(session["network"]["outputNames"], [f"{winner}0", f"{winner}1"])
        self.assertEqual(pattern_set["patternCount"], "1000")

    def test_of_two_appends_of_the_same_patterns_each_stores_all_or_says_so(self) -> None:
        self.client.message("create", "doubled", "--layers", "1,1", "--task", "regression")
        (self.folder / "doubled.csv").write_text("1,2\n" * 30000)  # One batch.
        for number in range(5):
            append = ("append", "doubled", "doubled.csv", "--set", f"set-{number}")
            writers = [self.client.start(*append) for _ in range(2)]
            errors = [writer.communicate(timeout=PATIENCE_S)[1] for writer in writers]
            stored = self.client.message("evaluate", "doubled", "--set", f"set-{number}")["patternCount"]
            self.assertEqual(int(stored), 30000 * [writer.returncode for writer in writers].count(0), errors)

    def test_a_refused_append_leaves_no_class_names(self) -> None:
        self.client.message("create", "unnamed", "--layers", "12,3", "--task", "multiway")
        append = ("append", "unnamed", "images.csv", "--header", "--targets", "bright")
        self.assertRegex(self.client.error(*append, "--offset", "5"), "^error: OUT_OF_RANGE: --offset 5")
        self.assertRegex(self.client.error(*append, "--set", "Not An Id"), "^error: INVALID_ARGUMENT: ")
        self.assertNotIn("outputNames", self.client.message("describe", "unnamed")["network"])

    def test_one_violation_is_said_once(self) -> None:
        self.assertEqual(len(self.client.error("train", "there", "--epochs", "0").splitlines()), 1)

    def test_an_append_that_stopped_says_how_to_go_on(self) -> None:
        text = "x,y\n" + "1,2\n3,4\n" * 50000  # More than one batch.
        (self.folder / "cut.csv").write_text(text + "1\n")
        (self.folder / "whole.csv").write_text(text)
        self.client.message("create", "line", "--layers", "1,1", "--task", "regression")
        append = ("append", "line", "--header", "--targets", "y", "--set", "cut")
        error = self.client.error(*append, "cut.csv")
        self.assertRegex(error, r"\([1-9]\d* patterns before it are stored; repeat the command with --offset 0 to")
        for _ in range(2):
            message = self.client.message(*append, "whole.csv", "--offset", "0")
            self.assertEqual(message["patternCount"], "100000")

    def test_a_bad_row_is_named_and_nothing_of_its_batch_is_stored(self) -> None:
        header, *rows = (self.folder / "images.csv").read_text().splitlines()
        rows[5] = rows[5].replace(rows[5].split(",")[2], "wrong")
        (self.folder / "bad.csv").write_text("\n".join([header, *rows]) + "\n")
        error = self.client.error("append", "empty", "bad.csv", "--header", "--targets", "bright", "--set", "bad")
        self.assertRegex(error, r'row 7, column "pixel2": "wrong" is not a number')
        self.assert_fails("NOT_FOUND: ", "evaluate", "empty", "--set", "bad")

    def test_parameters_of_another_shape_change_nothing(self) -> None:
        before = self.client.message("parameters", "there")
        pattern_files.write_npy(self.folder / "short.npy", "<f4", (2,), bytes(8))
        self.assert_fails("INVALID_ARGUMENT: ", "parameters", "there", "--set-from", "short.npy")
        (self.folder / "wrong.json").write_text('{"layers": [{"weights": {"rowCount": 1}}]}')
        self.assert_fails("INVALID_ARGUMENT: ", "parameters", "there", "--set-from", "wrong.json")
        self.assertEqual(self.client.message("parameters", "there"), before)

    def test_no_server_is_unavailable(self) -> None:
        # Bound but not listening: connections to it are refused, and nobody else can take it.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nobody = Client(f"127.0.0.1:{taken.getsockname()[1]}")
            for command in (["health"], ["list"], ["train", "there", "--epochs", "1"], ["watch", "there"]):
                with self.subTest(" ".join(command)):
                    self.assertRegex(nobody.error(*command), "^error: UNAVAILABLE: ")


if __name__ == "__main__":
    unittest.main()
