"""Runs README.md's transcript in a shell and compares: text word by word, numbers to a tolerance, speeds not at all."""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
# Training ends on other last bits on another processor, and RPROP near its end follows them: what is nearly 0 keeps its
# sign and its order of magnitude, unless it is no more than rounding.
TOLERANCE = 0.05
ROUNDING = 1e-6
NEAR_ZERO = 1e-3
NEAR_ZERO_FACTOR = 10
TIMEOUT_S = 120


def transcript(readme: str) -> list[tuple[str, list[str]]]:
    """Commands of the console blocks, each with the lines that it prints."""
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", readme, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            else:
                steps[-1][1].append(line)
    return steps


def agree(expected: str, actual: str) -> bool:
    expected, actual = (re.sub(r"\d+ patterns/s|127.0.0.1:\d+", "*", line) for line in (expected, actual))
    if NUMBER.sub("#", expected) != NUMBER.sub("#", actual):
        return False
    pairs = zip(map(float, NUMBER.findall(expected)), map(float, NUMBER.findall(actual)), strict=True)
    return all(abs(e - a) <= max(TOLERANCE * abs(e), ROUNDING)
               or (0 < abs(e) < NEAR_ZERO and 1 / NEAR_ZERO_FACTOR < a / e < NEAR_ZERO_FACTOR) for e, a in pairs)


def run(steps: list[tuple[str, list[str]]], path: str) -> list[list[str]]:
    """The lines each command printed, in one shell. A background server is waited for by its line, and ended."""
    script = ["set -e", "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT"]
    for number, (command, _) in enumerate(steps):
        if command.endswith(" &"):
            # On a port of its own: the default one may be somebody's.
            script += [f"mkfifo ready{number}", f"{command[:-2]} --listen 127.0.0.1:0 > ready{number} &",
                       f"exec 3< ready{number}", "read -r line <&3", "echo \"$line\"",
                       "export BACKPROP_SERVER=${line##* }"]
        else:
            script.append(command)
        script.append(f"echo '--- end of {number}'")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=folder, env={"PATH": path}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout
    outputs: list[list[str]] = [[]]
    for line in done.stdout.splitlines():
        if line.startswith("--- end of "):
            outputs.append([])
        else:
            outputs[-1].append(line)
    return outputs[:-1]


def main() -> int:
    server, client = (pathlib.Path(argument).resolve().parent for argument in sys.argv[1:3])
    steps = transcript((ROOT / "README.md").read_text())
    assert len(steps) >= 8, "README.md has lost its transcript"
    assert not agree("accuracy 0.5", "accuracy 1.0") and not agree("a 1", "b 1")
    assert agree("d 2e-4", "d 3e-4") and not agree("d 2e-4", "d -2e-4") and not agree("d 2e-9", "d 2e-4")
    failures = 0
    for (command, expected), actual in zip(steps, run(steps, f"{server}:{client}:/usr/bin:/bin"), strict=True):
        if len(expected) == len(actual) and all(map(agree, expected, actual)):
            continue
        failures += 1
        print(f"$ {command}\n  README.md says:\n    " + "\n    ".join(expected) + "\n  it printed:\n    "
              + "\n    ".join(actual))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
