#!/usr/bin/python3
"""backup, restore, rollback and pin: sessions as files, and their earlier model versions."""

import pathlib
import sqlite3
import tempfile
import unittest

import grpc

import pattern_files
import stubs  # noqa: F401, first: it makes importable what follows.
from backprop.v1 import session_service_pb2
from processes import PATIENCE_S, Client, Server, read_line

# Model versions that are kept, when none is pinned.
KEPT_VERSIONS = 8


class BackupTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        pattern_files.write_all(cls.folder, 300)
        cls.client = Client(cls.enterClassContext(Server("--data-dir", str(cls.folder / "data"))).address, cls.folder)

    def create(self, name: str) -> str:
        """A session with patterns; each test uses names of its own."""
        self.client.message("create", name, "--layers", "12,5,3", "--task", "multiway", "--seed", "1")
        self.client.message("append", name, "images.csv", "--header", "--targets", "bright")
        return name

    def train(self, name: str, epochs: int, *flags: str) -> None:
        self.client.json("train", name, "--epochs", str(epochs), "--optimizer", "adam", *flags)

    def answers(self, name: str) -> list[dict]:
        """All that one can ask of its parameters: bit by bit, for JSON has every digit."""
        return [self.client.message("parameters", name), self.client.message("predict", name, "images.npy"),
                self.client.message("evaluate", name), self.client.message("gradient", name)]

    def names(self) -> list[str]:
        return [session["name"] for session in self.client.json("list")]

    def assert_nothing_restored(self, file: str, start: str) -> None:
        before = self.names(), sorted(path.name for path in (self.folder / "data").iterdir())
        error = self.client.error("restore", file, "never-made")
        self.assertTrue(error.startswith(f"error: {start}: "), error)
        self.assertEqual((self.names(), sorted(path.name for path in (self.folder / "data").iterdir())), before)

    def test_a_restored_session_answers_and_trains_as_the_original(self) -> None:
        self.create("original")
        self.train("original", 3)
        self.client.message("scale", "original")
        text = self.client.text("backup", "original", "original.backup")
        size = (self.folder / "original.backup").stat().st_size
        self.assertEqual(text, f"wrote sessions/original to original.backup, {size} bytes\n")
        restored = self.client.message("restore", "original.backup", "restored")
        self.assertEqual(restored["name"], "sessions/restored")
        self.assertEqual(self.answers("restored"), self.answers("original"))
        for name in ("original", "restored"):
            self.train(name, 3, "--seed", "7")
        self.assertEqual(self.answers("restored"), self.answers("original"))

    def test_a_backup_outlives_the_session_and_goes_to_another_server(self) -> None:
        self.create("moved")
        self.train("moved", 2)
        self.client.text("backup", "moved", "moved.backup")
        answers = self.answers("moved")
        self.client.message("delete", "moved")
        with tempfile.TemporaryDirectory() as data:
            with Server("--data-dir", data) as server:
                Client(server.address, self.folder).message("restore", "moved.backup", "moved")
            with Server("--data-dir", data) as server:
                there = Client(server.address, self.folder)
                self.assertEqual(there.message("parameters", "moved"), answers[0])
                self.assertEqual(there.message("predict", "moved", "images.npy"), answers[1])

    def test_a_backup_of_a_session_that_trains_goes_on_to_the_same_bits(self) -> None:
        self.create("training")
        training = self.client.start("train", "training", "--epochs", "1000000", "--batch-size", "1")
        self.assertRegex(read_line(training), "^epoch 1/")
        self.client.text("backup", "training", "training.backup")
        self.assertEqual(self.client.json("runs", "training")[0]["state"], "STATE_RUNNING")
        self.client.message("cancel", "training")
        training.communicate(timeout=PATIENCE_S)
        restored = self.client.message("restore", "training.backup", "going-on")
        self.assertEqual(restored["activeTrainingRun"], "sessions/going-on/trainingRuns/run-1")
        epochs = self.client.message("cancel", "going-on")["completedEpochCount"]
        # The same work on a session left alone.
        self.create("alone")
        self.client.json("train", "alone", "--epochs", epochs, "--batch-size", "1")
        self.assertEqual(self.answers("going-on"), self.answers("alone"))

    def test_files_that_are_no_backup_make_nothing(self) -> None:
        self.create("whole")
        self.client.text("backup", "whole", "whole.backup")
        whole = (self.folder / "whole.backup").read_bytes()
        damaged = bytearray(whole)
        for at in range(4096, len(whole), 512):
            damaged[at] ^= 0xff
        database = sqlite3.connect(self.folder / "other.sqlite")
        database.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        database.commit()
        database.close()
        for name, content in (("half", whole[:len(whole) // 2]), ("page", whole[:-4096]), ("header", whole[:100]),
                              ("damaged", bytes(damaged)), ("text", b"not a database\n" * 1000),
                              ("other", (self.folder / "other.sqlite").read_bytes())):
            with self.subTest(name):
                (self.folder / f"{name}.bad").write_bytes(content)
                self.assert_nothing_restored(f"{name}.bad", "DATA_LOSS")
        with self.subTest("empty"):
            (self.folder / "empty.bad").write_bytes(b"")
            self.assert_nothing_restored("empty.bad", "DATA_LOSS")
        self.assert_nothing_restored("nothing.backup", "NOT_FOUND")
        self.assertEqual(self.client.message("restore", "whole.backup", "whole-again")["name"], "sessions/whole-again")

    def test_a_file_longer_than_any_session_is_refused_before_all_of_it_came(self) -> None:
        most = (2 * 100 + 64) << 20
        with Server("--data-dir", str(self.folder / "small"), "--memory-limit", "100") as server:
            small = Client(server.address, self.folder)
            for size, start in ((most, "DATA_LOSS"), (most + 1, "RESOURCE_EXHAUSTED: the file is longer than ")):
                with open(self.folder / "long.bad", "wb") as file:
                    file.truncate(size)
                self.assertRegex(small.error("restore", "long.bad", "never-made"), f"^error: {start}")
            self.assertEqual(sorted(path.name for path in (self.folder / "small").glob("*session*")), [])

    def test_a_stream_that_ends_in_a_message_that_is_none_makes_nothing(self) -> None:
        self.create("sound")
        self.client.text("backup", "sound", "sound.backup")
        before = self.names()
        message = session_service_pb2.ImportSessionRequest(
            session_id="torn", data=(self.folder / "sound.backup").read_bytes()).SerializeToString()
        with grpc.insecure_channel(self.client.address) as channel:
            restore = channel.stream_unary("/backprop.v1.SessionService/ImportSession")
            with self.assertRaises(grpc.RpcError) as raised:
                restore(iter([message, b"\xff"]), timeout=PATIENCE_S)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            self.assertEqual(self.names(), before)
            restore(iter([message]), timeout=PATIENCE_S)
        self.assertEqual(self.names(), sorted([*before, "sessions/torn"]))

    def test_a_name_in_use_is_not_restored_over(self) -> None:
        self.create("used")
        self.client.text("backup", "used", "used.backup")
        self.train("used", 1)
        before = self.answers("used")
        self.assertRegex(self.client.error("restore", "used.backup", "used"), "^error: ALREADY_EXISTS: ")
        self.assertEqual(self.answers("used"), before)
        self.assertRegex(self.client.error("restore", "used.backup", "NotAnId"), "^error: INVALID_ARGUMENT: ")

    def test_a_backup_that_fails_leaves_the_file_that_was_there(self) -> None:
        (self.folder / "kept.backup").write_text("older")
        self.assertRegex(self.client.error("backup", "nothing", "kept.backup"), "^error: NOT_FOUND: ")
        self.assertEqual((self.folder / "kept.backup").read_text(), "older")
        self.assertRegex(self.client.error("backup", "nothing", "no/such/folder"), "cannot write no/such/folder")
        self.assertFalse(list(self.folder.glob("*.part")))

    def test_rollback_publishes_an_earlier_version_anew(self) -> None:
        self.create("back")
        self.train("back", 3)
        earlier = self.client.message("predict", "back", "images.npy")
        self.train("back", 2)
        self.assertEqual(self.client.text("rollback", "back", "3"),
                         "rolled sessions/back back to version 3, which is now model version 6\n")
        now = self.client.message("predict", "back", "images.npy")
        self.assertEqual(now, {**earlier, "modelVersion": "6"})
        self.assertRegex(self.client.error("rollback", "back", "99"), "^error: NOT_FOUND: ")
        self.assertRegex(self.client.error("rollback", "back", "9" * 20), "must be a whole number")
        self.assertEqual(self.client.message("predict", "back", "images.npy"), now)

    def test_a_pinned_version_is_kept_until_it_is_unpinned(self) -> None:
        self.create("pinned")
        self.train("pinned", 2)  # The run's best version, which is kept as long as the run, is the second.
        first = self.client.message("parameters", "pinned", "--model-version", "1")
        self.assertEqual(self.client.text("pin", "pinned", "1"), "pinned version 1 of sessions/pinned\n")
        self.train("pinned", 20)
        self.assertEqual(self.client.message("parameters", "pinned", "--model-version", "1"), first)
        self.assertRegex(self.client.error("rollback", "pinned", "3"), "^error: NOT_FOUND: ")
        self.assertEqual(self.client.json("describe", "pinned")[0]["pinnedModelVersions"], ["1"])
        self.assertEqual(self.client.text("pin", "pinned", "1", "--remove"),
                         "unpinned version 1 of sessions/pinned\n")
        self.train("pinned", KEPT_VERSIONS)
        self.assertRegex(self.client.error("parameters", "pinned", "--model-version", "1"), "^error: NOT_FOUND: ")

    def test_only_a_version_that_is_kept_can_be_pinned(self) -> None:
        self.create("unpinnable")
        self.assertRegex(self.client.error("pin", "unpinnable", "5"), "^error: (NOT_FOUND|INVALID_ARGUMENT): ")

    def test_an_ephemeral_server_has_no_files(self) -> None:
        with Server() as server:
            ephemeral = Client(server.address, self.folder)
            ephemeral.message("create", "fleeting", "--layers", "1,1", "--task", "regression")
            (self.folder / "some.backup").write_text("some")
            for command in (("backup", "fleeting", "fleeting.backup"), ("restore", "some.backup", "new")):
                self.assertRegex(ephemeral.error(*command), "^error: FAILED_PRECONDITION: --ephemeral keeps no files")
            self.assertFalse((self.folder / "fleeting.backup").exists())


if __name__ == "__main__":
    unittest.main()
