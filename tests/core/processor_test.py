#!/usr/bin/env python3
"""The core's builds for any x86-64, for AVX2 and for AVX-512: the loader takes the right one, and they agree."""
import pathlib
import subprocess
import sys

LOADER = "/lib64/ld-linux-x86-64.so.2"
# 1,500 steps of float32, in which fused and separate roundings drift apart.
TOLERANCE = 1e-4


# What the processor must have for the loader to take the build of a level, and registers that lower levels lack.
LEVELS = {
    "x86-64-v3": ({"avx2", "fma", "bmi2", "f16c", "movbe", "abm"}, "%ymm"),
    "x86-64-v4": ({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}, "%zmm"),
}


def run(probe, mask):
    lines = subprocess.run([LOADER, "--glibc-hwcaps-mask", mask, probe], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    return pathlib.Path(lines[0]), [float(line) for line in lines[1:]]


def code_of(library):
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], check=True, capture_output=True,
                          text=True).stdout
    assert len(code) > 100_000, "objdump printed no code"
    return code


def main(probe):
    below, expected = run(probe, "none")
    assert below.parent.name not in LEVELS, f"without hardware capabilities the loader took {below}"
    flags = set(next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split())
    for level, (needed, register) in LEVELS.items():
        # No instruction of a build is one that a processor of its level lacks: none has the wider registers.
        assert register not in code_of(below), f"{below} has instructions of {level}"
        if not needed <= flags:
            print(f"this processor is below {level}: {below} is the build that runs")
            return
        library, values = run(probe, level)
        assert library.parent.name == level, f"the loader took {library}"
        assert register in code_of(library), f"{library} does not use {register}"
        assert len(values) == len(expected) > 5000, (len(values), len(expected))
        assert values != expected, f"{level} has the bits of the lower build: is one of them not what it says?"
        worst = max(abs(a - b) for a, b in zip(values, expected))
        assert worst < TOLERANCE, f"{level} differs by {worst}"
        below = library


if __name__ == "__main__":
    main(sys.argv[1])
