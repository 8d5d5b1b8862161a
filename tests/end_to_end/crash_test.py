#!/usr/bin/python3
"""Kills the real server with SIGKILL at random moments while callers append, train and step, and then checks that
nothing acknowledged was lost, nothing was done twice, and everything ended on the bits of a server left alone.

    crash_test.py [--kills N] [--seed S]      the default, 25 kills, is what CI runs
"""

import argparse
import pathlib
import random
import signal
import tempfile
import threading

import stubs  # First: it makes importable what the loads import.
import crash_loads as loads
from processes import PATIENCE_S, Server

FLAGS = ("--checkpoint-interval", "0.05")


def follow(crashed, whole) -> None:
    """Does the work that `crashed` did on the server of `whole`, which is left alone."""
    whole.create()
    if isinstance(crashed, (loads.Appending, loads.Learning)):
        count = crashed.next_offset("s") // loads.BATCH
        for start in range(0, count, 1000):
            whole.work(limit=min(1000, count - start))
    elif isinstance(crashed, loads.Training):
        while whole.run_count < crashed.run_count:
            whole.work()
    else:
        while len(whole.answers) < len(crashed.answers):
            whole.work()


def check(crashed, whole, kills: int) -> str:
    """What was promised, against what is there."""
    assert crashed.parameters() == whole.parameters(), f"{crashed.name}: other parameters than without crashes"
    if isinstance(crashed, loads.Appending):
        stored = crashed.stored()
        assert stored == whole.stored(), "other patterns than were appended"
        count = sum(part.inputs.row_count for part in stored)
        assert count >= crashed.acknowledged > 0, (count, crashed.acknowledged)
        return f"{count} patterns appended, {crashed.acknowledged} acknowledged"
    if isinstance(crashed, loads.Learning):
        assert crashed.next_offset("s") >= crashed.acknowledged > 0
        return f"{crashed.next_offset('s')} patterns learned on-line, {crashed.acknowledged} acknowledged"
    if isinstance(crashed, loads.Training):
        assert crashed.reports == whole.reports, "other epoch reports than without crashes"
        # Else none of this would say anything of runs that are resumed.
        assert crashed.cut_off >= kills / 10, f"{crashed.cut_off} of {kills} kills were inside a run"
        return f"{crashed.run_count} training runs, {len(crashed.reports)} epochs; {crashed.cut_off} kills inside a run"
    assert crashed.answers == whole.answers and crashed.answers
    return f"{len(crashed.answers)} steps with request ids"


def kill_at_random(server: Server, folder: str, kills: int, draw: random.Random) -> Server:
    """Kills the server so often, and starts it again each time on the same port and folder."""
    port = server.address.rpartition(":")[2]
    for _ in range(kills):
        threading.Event().wait(draw.uniform(0.0, 0.6))  # Not for something to happen: the moment is what is tested.
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(PATIENCE_S)
        server.process.stdout.close()
        server = Server("--data-dir", folder, *FLAGS, listen=f"127.0.0.1:{port}")
    return server


def run(kills: int, seed: int, work: pathlib.Path) -> None:
    kinds = (loads.Appending, loads.Learning, loads.Training, loads.Stepping)
    (work / "crashed").mkdir()
    server = Server("--data-dir", str(work / "crashed"), *FLAGS)
    crashed = [kind(server.address) for kind in kinds]
    for load in crashed:
        load.start()
    server = kill_at_random(server, str(work / "crashed"), kills, random.Random(seed))
    for load in crashed:
        load.stop.set()
    for load in crashed:
        load.join(PATIENCE_S)
        assert not load.is_alive(), f"{load.name} hangs"
        if load.error is not None:
            raise load.error
    with server, Server("--data-dir", str(work / "whole"), *FLAGS) as left_alone:
        for load in crashed:
            whole = type(load)(left_alone.address)
            follow(load, whole)
            print(check(load, whole, kills))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        print(f"{arguments.kills} kills, seed {arguments.seed}")
        run(arguments.kills, arguments.seed, pathlib.Path(work))
    print("nothing lost, nothing done twice, the same bits")


if __name__ == "__main__":
    main()
