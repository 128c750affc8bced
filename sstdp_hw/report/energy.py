"""The energy estimate of a run, as its results or its page have it, in rows for a person."""

from __future__ import annotations

from typing import Any

from ..base.tables import number
from ..models.energy.estimate import Range
from .document import Section

TITLE = "Energy per image, an estimate"
SPIKING = "this accelerator"
#: By the name in the estimate's JSON: what stands beside the accelerator.
CONVENTIONAL = {
    "int8": "no spikes, int8",
    "float32": "no spikes, float32",
}
#: As papers on spiking networks count: operations alone, no memory.
PAPERS = "as SNN papers count"


def energy_range(found: dict[str, Any]) -> Range:
    """Of ``{"low": ..., "high": ...}``, in picojoules."""
    return Range(float(found["low"]), float(found["high"]))


def comparison(found: dict[str, Any]) -> list[tuple[str, Range, str]]:
    """Name, energy and operations of the accelerator, and of the same network without spikes."""
    beside, papers = found["conventional"], found["as_papers_count"]
    work = f"{number(beside['multiply_accumulates'])} multiply-accumulates"
    needed = sum(part["needed"] for part in found["parts"] if part["what"] == "additions")
    additions = f"{number(needed)} additions"

    rows = [(SPIKING, energy_range(found["picojoules"]), additions)]
    rows += [(title, energy_range(beside[name]), work) for name, title in CONVENTIONAL.items()]
    for title, name, count, price in (
        ("spikes", "spiking", additions, "accumulate"),
        ("no spikes", "conventional", work, "multiply_accumulate"),
    ):
        energy = Range(papers[name], papers[name])
        rows.append((f"{PAPERS}, {title}", energy, f"{count} at {papers[price]:g} pJ"))
    return rows


def parts(found: dict[str, Any]) -> list[tuple[str, str, Range, str]]:
    """What, where, its energy, and how often."""
    rows = []
    for part in found["parts"]:
        if part["what"] == "additions":
            count = f"{number(part['needed'])} of {part['bits']} bits"
        else:
            words = number(part["reads"] + part["writes"])
            count = f"{words} words of {number(part['word_bits'])} bits"
        rows.append((part["what"], part["block"], energy_range(part["picojoules"]), count))
    return rows


def explanation(found: dict[str, Any]) -> str:
    """What the range is between, and what it leaves out."""
    ends = found["assumptions"]
    return (
        f"Not measured: {found['estimate'].split(';')[0]}, means of {number(found['images'])} "
        f"images. Low: {ends['low']}. High: {ends['high']}. Left out: {found['leaves_out']}."
    )


def energy_section(found: dict[str, Any]) -> Section:
    """For the terminal and Markdown: the comparison, then where the accelerator's energy goes."""
    rows = [(name, str(range_), how) for name, range_, how in comparison(found)]
    rows += [(f"{what}, {block}", str(range_), how) for what, block, range_, how in parts(found)]
    return Section(TITLE, ("", "estimate", "per image"), rows, explanation(found))


def switching(found: dict[str, Any]) -> tuple[list[tuple[str, str]], str]:
    """Toggles of a net and clock cycle, block by block, of `simulate --activity`; and of what."""
    rates = found["toggles_per_net_and_cycle"]
    rows = [(str(block), f"{100 * rate:.2f} %") for block, rate in rates.items()]
    return rows, (
        f"Mean over the nets of a block, {number(found['nets'])} in all, and "
        f"{number(found['cycles'])} clock cycles, simulated; contents of memories are not counted."
    )


def switching_section(found: dict[str, Any]) -> Section:
    """For the terminal and Markdown."""
    rows, note = switching(found)
    return Section("Switching activity", ("block", "toggles a net and cycle"), rows, note)
