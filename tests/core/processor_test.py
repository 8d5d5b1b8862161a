#!/usr/bin/env python3
"""The core's build for any x86-64 and its build for AVX2 and FMA: the loader takes the right one, and they agree."""
import pathlib
import subprocess
import sys

LOADER = "/lib64/ld-linux-x86-64.so.2"
# 1,500 steps of float32, in which fused and separate roundings drift apart.
TOLERANCE = 1e-4


def run(probe, mask):
    lines = subprocess.run([LOADER, "--glibc-hwcaps-mask", mask, probe], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    return pathlib.Path(lines[0]), [float(line) for line in lines[1:]]


def main(probe):
    baseline, expected = run(probe, "none")
    assert baseline.parent.name != "x86-64-v3", f"without hardware capabilities the loader took {baseline}"
    # No instruction of the baseline build is one that an old processor lacks: none has a 256-bit register.
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", baseline], check=True, capture_output=True,
                          text=True).stdout
    assert len(code) > 100_000, "objdump printed no code"
    assert "%ymm" not in code, f"{baseline} needs AVX"
    flags = set(next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split())
    if not {"avx2", "fma", "bmi2", "f16c", "movbe", "abm"} <= flags:
        print("this processor has no AVX2: the baseline build is the one that runs")
        return
    fast, values = run(probe, "x86-64-v3")
    assert fast.parent.name == "x86-64-v3", f"the loader took {fast}"
    assert len(values) == len(expected) > 5000, (len(values), len(expected))
    assert values != expected, "both builds have the same bits: is one of them not what it says?"
    worst = max(abs(a - b) for a, b in zip(values, expected))
    assert worst < TOLERANCE, f"the builds differ by {worst}"


if __name__ == "__main__":
    main(sys.argv[1])
