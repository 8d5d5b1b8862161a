"""Runs the real server and the real command line client, and ends whatever it starts."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
# CTest says which binaries; by hand the tests run on the release build.
BACKPROPD = os.environ.get("BACKPROPD", str(ROOT / "build/release/server/backpropd"))
BACKPROP = os.environ.get("BACKPROP", str(ROOT / "build/release/client/cli/backprop"))
DISK_FAULTS_LIBRARY = os.environ.get("DISK_FAULTS_LIBRARY",
                                     str(ROOT / "build/release/tests/end_to_end/libdisk_faults.so"))

# Far more than anything here takes: a limit for what hangs, not a measure of speed.
PATIENCE_S = 120


def start(command: list[str], **options: Any) -> subprocess.Popen:
    """A process that does not outlive this one, however this one ends."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], text=True, **options)


def read_line(process: subprocess.Popen) -> str:
    """The next line of its output; empty when the output has ended. A process that says nothing for long is killed."""
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        return process.stdout.readline()
    finally:
        watchdog.cancel()
        watchdog.join()


def read_terminal(ours: int) -> str:
    """All that was written to a terminal that nobody has open any more, from its other end, which is closed."""
    with open(ours, "rb", buffering=0) as file:
        shown = b""
        while True:
            try:
                shown += file.read(4096)
            except OSError:
                # What Linux answers at the end.
                return shown.decode()


def refused(*flags: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a server that does not start."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as error:
        process = start([BACKPROPD, *flags], stdout=output, stderr=error)
        try:
            code = process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        error.seek(0)
        return code, output.read(), error.read()


class Server:
    """backpropd on the loopback interface, by default on a free port and with nothing kept. As a context manager it is
    ended by SIGTERM. `disk_faults` is a folder of disk_faults.cc."""

    def __init__(self, *flags: str, listen: str = "127.0.0.1:0", disk_faults: str = ""):
        self._log = tempfile.TemporaryFile("w+")
        store = () if "--data-dir" in flags else ("--ephemeral",)
        environment = dict(os.environ)
        if disk_faults:
            # AddressSanitizer's library would be the first.
            asan_options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
            environment |= {"DISK_FAULTS": disk_faults, "LD_PRELOAD": DISK_FAULTS_LIBRARY, "ASAN_OPTIONS": asan_options}
        self.process = start([BACKPROPD, "--listen", listen, *store, *flags],
                             stdout=subprocess.PIPE, stderr=self._log, env=environment)
        self.ready_line = read_line(self.process).rstrip("\n")
        self.address = self.ready_line.rpartition(" ")[2]
        if not self.ready_line.startswith("backpropd listening on 127.0.0.1:"):
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"not ready: {self.ready_line!r}\n{self.log()}")

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def end(self, sent_signal: signal.Signals = signal.SIGTERM) -> None:
        """Ends it as an operator would; anything but exit code 0 is an error."""
        self.process.send_signal(sent_signal)
        try:
            code = self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        if code != 0:
            raise AssertionError(f"backpropd ended with exit code {code}\n{self.log()}")

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.returncode is None:
                self.end()
        finally:
            self._log.close()


class Client:
    """The command line client, as a user of `server` runs it."""

    def __init__(self, address: str, folder: pathlib.Path | None = None):
        self.address = address
        self._environment = {**os.environ, "BACKPROP_SERVER": address}
        self._folder = folder

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([BACKPROP, *arguments], env=self._environment, cwd=self._folder, timeout=PATIENCE_S,
                              capture_output=True, text=True)

    def text(self, *arguments: str) -> str:
        """The output of a command that succeeds."""
        result = self.run(*arguments)
        if result.returncode != 0:
            raise AssertionError(f"{arguments} ended with exit code {result.returncode}: {result.stderr}")
        return result.stdout

    def json(self, *arguments: str) -> list[dict]:
        """The messages of a command that succeeds: each line is one."""
        return [json.loads(line) for line in self.text("--output", "json", *arguments).splitlines()]

    def message(self, *arguments: str) -> dict:
        """The one message of a command that succeeds."""
        messages = self.json(*arguments)
        if len(messages) != 1:
            raise AssertionError(f"{arguments}: {len(messages)} messages where one was expected")
        return messages[0]

    def error(self, *arguments: str) -> str:
        """What a command that fails writes to standard error; it must write nothing else."""
        result = self.run(*arguments)
        if result.returncode != 1 or result.stdout:
            raise AssertionError(f"{arguments} ended with exit code {result.returncode}: {result.stdout}")
        return result.stderr

    def start(self, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen:
        """A command that goes on: read_line() reads what it says."""
        return start([BACKPROP, *arguments], env=self._environment, cwd=self._folder,
                     stdout=stdout, stderr=subprocess.PIPE)
