"""Efficiency of an accelerator whose weights come from an SDRAM, in simulation.

    python -m benchmarks.sdram DIR --dataset cifar10-jpeg --samples 3 [--mhz 40]

The co-simulation of `sstdp-hw simulate`, every answer compared with the reference, on the board's
controller, pins and a model of the chip in place of a memory of fixed latency. The pause after
power-up is shortened; all other rules of the chip are checked, and one that is broken ends it. The
exit status is 1 if an image mismatches.

Efficiency is the bound over the measured cycles of an image. The bound is the larger of the words
of the layers and of the fetched bytes over the rate that the memory has while bursts follow each
other.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal

from benchmarks.outcome import carried_out
from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.external_memory import MODEL, external_image, told_base
from sstdp_hw.data.datasets import Samples
from sstdp_rtl.boards.sdram.controller import SdramController
from sstdp_rtl.boards.sdram.pins import SdramPins
from sstdp_rtl.boards.sdram.timing import COLUMN_BITS, MOST_MHZ, SDRAM_BYTES, SdramTiming
from sstdp_rtl.gateware.external.reader import axi_members
from sstdp_rtl.synthesis.simulated import SDRAM_FILE, Pins, sdram_on, verilog_of
from sstdp_sim.comparison import cosimulation
from sstdp_sim.simulation.memory_harness import MEMORY_FILE, External
from sstdp_sim.verbs.samples import samples_of

#: A slower chip does little else than refresh its rows.
LEAST_MHZ = 5.0

TIMING = replace(SdramTiming(), power_up=2_000.0)
#: Ports of the harness' memory that make no difference to an SDRAM.
UNUSED = {"begin_n": 1, "latency": 32, "stalls": 8, "faults": 8, "seed": 32}


class SdramMemory(Elaboratable):
    """The SDRAM of a board, with the ports of the harness' memory."""

    def __init__(self, parameters: AcceleratorParameters, mhz: float, pins: Pins) -> None:
        plan = parameters.tiled.plan
        self.bus, self.mhz, self.pins = plan.bus, mhz, pins
        self.kept_bits = ((plan.base + plan.size) // 2 - 1).bit_length()
        self.domain = ClockDomain("sync", reset_less=True)  # the chip outlives a reset of the bus
        self.rst_n = Signal()
        self.unused = [Signal(width, name=name) for name, width in UNUSED.items()]
        self.channels = {
            name: Signal(member.shape, name=name) for name, member in axi_members(self.bus).items()
        }

    @property
    def ports(self) -> list[Signal]:
        return [self.domain.clk, self.rst_n, *self.unused, *self.channels.values()]

    def elaborate(self, platform: Pins) -> Module:
        m = Module()
        m.domains += self.domain
        m.submodules.controller = controller = SdramController(TIMING.cycles(self.mhz), self.bus)
        m.submodules.pins = pins = SdramPins(self.pins.request("sdram", dir="-"))
        m.submodules.sdram = sdram_on(self.pins, self.mhz, TIMING, MEMORY_FILE, self.kept_bits)
        m.d.comb += [
            pins.chip.eq(controller.chip),
            controller.word.eq(pins.word),
            controller.clear.eq(~self.rst_n),
        ]
        for name, member in axi_members(self.bus).items():
            outside, inside = self.channels[name], getattr(controller, name)
            from_master = member.flow.name == "Out"
            m.d.comb += inside.eq(outside) if from_master else outside.eq(inside)
        return m


def external(directory: GeneratedDirectory, mhz: float) -> External:
    """What the harness takes for the external memory.

    Raises
    ------
    UserError
        If weights are not outside, end behind the chip, or it has no such clock.
    """
    if not directory.external:
        raise UserError(
            f"{directory.path}: weights must be external to stand in an SDRAM, and are on the "
            "chip; generate with --weights external"
        )
    if not LEAST_MHZ <= mhz <= MOST_MHZ:
        raise UserError(f"--mhz must be between {LEAST_MHZ:g} and {MOST_MHZ:g}, not {mhz:g}")
    parameters = directory.parameters
    end = parameters.tiled.plan.base + parameters.tiled.plan.size
    if end > SDRAM_BYTES:
        raise UserError(
            f"{directory.path}: weights in the SDRAM must end below {SDRAM_BYTES:#x}, not at "
            f"{end:#x}; generate with another --base-address"
        )
    pins = Pins()
    memory = SdramMemory(parameters, mhz, pins)
    verilog = verilog_of(memory, MODEL, memory.ports, pins) + SDRAM_FILE.read_text()
    image, plan = external_image(parameters), parameters.tiled.plan
    words = (image[at] | image[at + 1] << 8 for at in range(0, len(image), 2))
    contents = "\n".join([f"@{plan.base // 2:x}", *(f"{word:04x}" for word in words), ""])
    return External(plan.bus.data_width, verilog, contents, told_base(parameters))


def words_a_cycle(mhz: float, burst: int) -> float:
    """16-bit words a cycle while bursts of so many words follow each other: all but what refreshes,
    other rows, and a cycle between two bursts take."""
    cycles = TIMING.cycles(mhz)
    refresh = 1 + cycles.t_rp + cycles.t_rfc + cycles.t_rcd
    row = 1 << COLUMN_BITS
    lost = cycles.t_rp + cycles.t_rcd + row / burst
    return (1 - refresh / cycles.refresh) * row / (row + lost)


def measured(directory: GeneratedDirectory, samples: Samples, mhz: float) -> dict[str, Any]:
    """What `main` prints."""
    memory = external(directory, mhz)
    with mock.patch.object(External, "of", lambda *_: memory):
        result = cosimulation.cosimulate(directory, samples.images, samples.labels).result
    cycles, words = result["cycles_per_image"]["mean"], result["cycle_bound_per_image"]
    tiled = directory.parameters.tiled
    rate = 2 * words_a_cycle(mhz, tiled.plan.burst_bytes // 2)
    fetching = tiled.image_bytes / rate
    return {
        "images": result["images"],
        "mismatches": result["mismatches"],
        "first_mismatch": result["first_mismatch"],
        "protocol_findings": result["protocol_findings"],
        "cycles_per_image": cycles,
        "words_of_the_layers": words,
        "cycles_of_fetching": round(fetching, 1),
        "megabytes_a_second": round(rate * mhz, 2),
        "efficiency": round(max(words, fetching) / cycles, 4),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sdram", description=__doc__.splitlines()[0]
    )
    parser.add_argument("directory")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--samples", default="3")
    parser.add_argument("--mhz", type=float, default=40.0)
    options = parser.parse_args(arguments)
    return carried_out("benchmarks.sdram", lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    directory = GeneratedDirectory.load(options.directory)
    samples = samples_of(options.dataset, options.samples)
    found = measured(directory, samples, options.mhz)
    print(json.dumps(found, indent=2))
    return int(found["mismatches"] > 0 or bool(found["protocol_findings"]))


if __name__ == "__main__":
    sys.exit(main())
