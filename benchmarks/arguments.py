"""Values of command-line options that several benchmarks take."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive number, not {text!r}")
    return int(text)


def seeds(text: str) -> tuple[int, ...]:
    """Different numbers from 0 on, with commas between."""
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise argparse.ArgumentTypeError(f"must be different numbers with commas, not {text!r}")
    return tuple(int(part) for part in parts)
