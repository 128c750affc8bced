"""The same sums on every x86-64 processor: PyTorch's vector instructions are settled here.

PyTorch has its loops compiled for several sets of vector instructions and takes the widest that it
finds. They round sums, exponentials and updates differently, so the same training would end at
other weights on another processor. Every x86-64 processor since about 2015 has AVX2; `LEVEL` asks
for that. Whoever sets the variable PyTorch reads is obeyed, as far as the processor can.

PyTorch looks once, at its first operation: importing this module has to come before. That is seen
to by `rule`, which every layer needs. A program that has used PyTorch before keeps what it had, and
`found` tells what it is.
"""

from __future__ import annotations

import os
import platform

import torch

VARIABLE = "ATEN_CPU_CAPABILITY"
LEVEL = "avx2"
ORDER = ("default", "avx2", "avx512")


def _can(level: str) -> bool:
    """Whether this processor has these instructions; PyTorch itself takes our word for it."""
    return {
        "avx2": torch.cpu._is_avx2_supported, "avx512": torch.cpu._is_avx512_supported,
    }.get(level, lambda: True)()  # fmt: skip


def settle() -> None:
    """Ask for `LEVEL`, or for what the environment names, or for the next lower that there is."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return
    level = os.environ.get(VARIABLE, LEVEL)
    while level in ORDER and not _can(level):
        level = ORDER[ORDER.index(level) - 1]
    os.environ[VARIABLE] = level


def found() -> str:
    """What PyTorch computes with in this process, as it calls it: AVX2, AVX512, DEFAULT, ..."""
    return str(torch.backends.cpu.get_cpu_capability())


settle()
