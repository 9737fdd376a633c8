"""What programs need of the system: versions of glibc, and shared libraries."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

# The glibc of Debian 12, the oldest system that is to run the program.
OLDEST = (2, 36)


def stripped(program: Path) -> bytes:
    """A program without the names of its functions."""
    beside = program.with_suffix(".stripped")
    subprocess.run(["strip", "--strip-all", "-o", str(beside), str(program)], check=True)
    content = beside.read_bytes()
    beside.unlink()
    return content


def glibc(program: Path) -> tuple[int, int]:
    """The version of glibc that a program needs; more than the oldest system has is an error."""
    symbols = subprocess.run(["objdump", "-T", str(program)], check=True, stdout=subprocess.PIPE, text=True).stdout
    needed = max((int(major), int(minor)) for major, minor in re.findall(r"\(?GLIBC_(\d+)\.(\d+)", symbols))
    if needed > OLDEST:
        raise ValueError(f"{program} needs glibc {needed[0]}.{needed[1]}, and Debian 12 has {OLDEST[0]}.{OLDEST[1]}: build it there")
    return needed


def libraries(programs: list[Path]) -> list[Path]:
    """The shared libraries that programs are linked with, and the loader, where this system has them."""
    found: set[Path] = set()
    for program in programs:
        lines = subprocess.run(["ldd", str(program)], check=True, stdout=subprocess.PIPE, text=True).stdout
        found.update(Path(path) for path in re.findall(r"(/\S+) \(0x", lines))
    return sorted(found)
