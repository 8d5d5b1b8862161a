#!/usr/bin/python3
"""How backpropd starts and ends: what it says, its exit codes, and that nothing holds it back."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from processes import BACKPROP, BACKPROPD, PATIENCE_S, Client, Server, read_line, refused, start


class ServerProcessTest(unittest.TestCase):
    def test_it_prints_one_line_when_it_is_ready(self) -> None:
        with Server() as server:
            self.assertRegex(server.ready_line, r"^backpropd listening on 127\.0\.0\.1:[1-9]\d*$")
            self.assertEqual(Client(server.address).text("health"), "SERVING\n")
            server.process.send_signal(signal.SIGTERM)
            rest, _ = server.process.communicate(timeout=PATIENCE_S)
            self.assertEqual((rest, server.process.returncode), ("", 0))

    def test_it_says_when_nothing_is_kept(self) -> None:
        with Server() as server:
            self.assertIn("--ephemeral: sessions are kept in memory only and end with this process", server.log())
        with tempfile.TemporaryDirectory() as folder, Server("--data-dir", folder) as server:
            self.assertNotIn("--ephemeral", server.log())

    def test_both_programs_say_their_version(self) -> None:
        for program, name in ((BACKPROPD, "backpropd"), (BACKPROP, "backprop")):
            said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
            self.assertRegex(said, rf"^{name} \d+\.\d+\.\d+\n$")

    def test_both_signals_end_it_with_success(self) -> None:
        for sent_signal in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(sent_signal.name), Server() as server:
                server.end(sent_signal)

    def test_sessions_are_kept_where_the_xdg_specification_says(self) -> None:
        with tempfile.TemporaryDirectory() as home:
            for variables, folder in (({"HOME": home, "XDG_STATE_HOME": f"{home}/state"}, "state/backpropd"),
                                      ({"HOME": home}, ".local/state/backpropd"),
                                      ({"HOME": home, "XDG_STATE_HOME": "relative"}, ".local/state/backpropd")):
                with self.subTest(variables):
                    environment = {name: value for name, value in os.environ.items() if name != "XDG_STATE_HOME"}
                    server = start([BACKPROPD, "--listen", "127.0.0.1:0"], env=environment | variables, cwd="/",
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                    address = read_line(server).rpartition(" ")[2].strip()
                    Client(address).message("create", "kept", "--layers", "2,1", "--task", "binary")
                    server.terminate()
                    server.communicate(timeout=PATIENCE_S)
                    self.assertEqual(server.returncode, 0)
                    kept = pathlib.Path(home, folder, "kept.session")
                    self.assertTrue(kept.exists())
                    kept.unlink()

    def test_without_a_home_directory_it_asks_for_one(self) -> None:
        for variables in ({}, {"HOME": ""}, {"HOME": "relative"}):
            with self.subTest(variables):
                environment = {name: value for name, value in os.environ.items()
                               if name not in ("HOME", "XDG_STATE_HOME")}
                ended = subprocess.run([BACKPROPD, "--listen", "127.0.0.1:0"], env=environment | variables, cwd="/",
                                       capture_output=True, text=True, timeout=PATIENCE_S)
                self.assertEqual((ended.returncode, ended.stdout), (1, ""))
                self.assertIn("--data-dir must be given", ended.stderr)

    def test_a_list_names_what_cannot_be_read(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "damaged.session").write_bytes(b"x" * 50_000)
            with Server("--data-dir", folder) as server:
                client = Client(server.address)
                for name in ("a", "z"):
                    client.message("create", name, "--layers", "2,1", "--task", "binary")
                self.assertRegex(client.text("list"), r"(?m)^a .*\ndamaged +cannot be read\nz ")
                self.assertEqual([session["name"] for session in client.json("list")],
                                 ["sessions/a", "sessions/damaged", "sessions/z"])
                self.assertRegex(client.error("describe", "damaged"), "DATA_LOSS: .*damaged.session is damaged")

    def test_it_may_have_as_many_files_open_as_the_system_allows(self) -> None:
        with Server() as server:
            limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
            soft, hard = re.search(r"Max open files +(\S+) +(\S+)", limits).groups()
            self.assertEqual(soft, hard)

    def test_a_log_that_nobody_reads_does_not_hold_up_its_end(self) -> None:
        ours, theirs = os.pipe()
        process = start([BACKPROPD, "--listen", "127.0.0.1:0", "--ephemeral", "--drain-timeout", "1"],
                        stdout=subprocess.PIPE, stderr=theirs)
        try:
            self.assertIn("listening", read_line(process))
            os.set_blocking(theirs, False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(theirs, b"x")
            os.set_blocking(theirs, True)
            process.terminate()
            self.assertEqual(process.wait(PATIENCE_S), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            os.close(ours)
            os.close(theirs)

    def test_a_data_directory_has_one_server(self) -> None:
        with tempfile.TemporaryDirectory() as folder, Server("--data-dir", folder):
            code, output, error = refused("--listen", "127.0.0.1:0", "--data-dir", folder)
            self.assertEqual((code, output), (1, ""))
            self.assertIn(folder, error)

    def test_a_data_directory_that_cannot_be_is_refused(self) -> None:
        for folder in ("/proc/backpropd", "/dev/null/backpropd"):
            code, output, error = refused("--listen", "127.0.0.1:0", "--data-dir", folder)
            self.assertEqual((code, output), (1, ""))
            self.assertIn(folder, error)

    def test_a_port_in_use_is_refused(self) -> None:
        with Server() as server:
            code, output, error = refused("--listen", server.address, "--ephemeral")
            self.assertEqual((code, output), (1, ""))
            self.assertIn(f"cannot listen on {server.address}", error)
            # What gRPC has to say about it goes to the log as well.
            for line in error.splitlines():
                self.assertRegex(line, r"^\[\d{4}-\d\d-\d\d .*\] \[backpropd\] \[")
            self.assertIn("gRPC: ", error)
            self.assertEqual(Client(server.address).text("health"), "SERVING\n")

    def test_wrong_flags_are_refused(self) -> None:
        for flags in (["--listen"], ["--nonsense"], ["--ephemeral", "--queue-limit", "0"],
                      ["--ephemeral", "--listen", "127.0.0.1"], ["--ephemeral", "--listen", "127.0.0.1:99999"]):
            with self.subTest(" ".join(flags)):
                code, output, error = refused(*flags)
                self.assertNotEqual(code, 0)
                self.assertEqual(output, "")
                self.assertNotEqual(error, "")


if __name__ == "__main__":
    unittest.main()
