"""Keeps files readable: no source file above 300 lines, no line above 120 columns, nothing unfinished."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_LINES = 300
MOST_COLUMNS = 120
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bDISABLED_|GTEST_SKIP|sleep_for|NOLINT")
FOLDERS = ("core", "server", "client", "proto", "tests", "bench", "examples", "scripts")
SUFFIXES = (".h", ".cc", ".proto", ".py", ".sh")


def problems_of(path: pathlib.Path) -> list[str]:
    lines = path.read_text().splitlines()
    name = path.relative_to(ROOT)
    found = [f"{name}: {len(lines)} lines, more than {MOST_LINES}"] if len(lines) > MOST_LINES else []
    for number, line in enumerate(lines, start=1):
        if len(line) > MOST_COLUMNS:
            found.append(f"{name}:{number}: {len(line)} columns, more than {MOST_COLUMNS}")
        if UNFINISHED.search(line) and path != pathlib.Path(__file__).resolve():
            found.append(f"{name}:{number}: a mark of something unfinished: {line.strip()}")
    return found


if __name__ == "__main__":
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES]
    assert len(paths) > 50, "the sources were not found"
    problems = [problem for path in paths for problem in problems_of(path)]
    print("\n".join(problems) or f"{len(paths)} files are within bounds")
    sys.exit(1 if problems else 0)
