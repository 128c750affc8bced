"""The Verilog around the accelerator in simulation: plays packets from a file, writes down answers.

Python is slow to wake, and slow to hand anything over. The harness therefore reads its packets from
a file and writes answers and spikes to files; Python gives clock, reset and traffic and is woken
once per `WAKE_EVERY` answers and at the end. In between the harness works alone: it plays the
packets beat by beat, with random gaps if asked for, applies random backpressure, counts cycles, and
watches the rules of the output stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sstdp_hw.base.templates import filled
from sstdp_hw.blocks.hardware import TOP
from sstdp_hw.contract.answer import ANSWER_WIDTH

from .loading_harness import loading_places
from .memory_harness import memory_places
from .packets import HEADER_BYTES

HARNESS_TOP = "harness"
PACKETS_FILE, ANSWERS_FILE, SPIKES_FILE = "packets.bin", "answers.txt", "spikes.txt"
WAKE_EVERY = 64
#: Of the clock that the testbench gives.
PERIOD_NS = 10
# In place of an answer: the accelerator was reset; the packets are played once more from the start.
RESET, START = -1, -2
_IN_FLIGHT = 64  # first beats that are kept; a chain holds far fewer images at once

# Verilog-2005, for Verilator and Icarus. `done` is set, and `wake` flipped a last time, when all
# wanted answers and then `quiet_cycles` without one more have passed, or `timeout_cycles` without
# any. Packets are read into a variable of their own first, so that nothing changes at the edge
# itself.
TEMPLATE = Path(__file__).with_name("harness.template.v")

# X while a simulator starts is no spike.
_PROBE = """\
      if ({valid} === 1'b1)
        $fwrite(spikes_file, "{number} %h\\n", {payload});
"""


def harness_verilog(
    max_beats: int,
    beat_bytes: int,
    probes: Sequence[dict[str, Any]] = (),
    top: str = TOP,
    loaded: bool = False,
    memory_width: int = 0,
    memory_base: int | None = None,
) -> str:
    """The harness for packets of up to ``max_beats`` beats of ``beat_bytes`` to the module ``top``,
    whose weights may be ``loaded``, or stand in a memory of ``memory_width`` bits a beat, from
    ``memory_base`` on if a port tells that, watching the manifest's ``probes``."""
    beat_bits = 8 * beat_bytes
    packet_bits = max_beats * beat_bits
    record_bits = packet_bits + 8 * HEADER_BYTES
    watch = []
    for number, probe in enumerate(probes):
        scope = ".".join(["dut", *probe["scope"]])
        valid, payload = (f"{scope}.{probe[name]}" for name in ("valid", "payload"))
        watch.append(_PROBE.format(number=number, valid=valid, payload=payload))
    spikes = bool(probes)
    return filled(
        TEMPLATE, top=top, answer_bits=ANSWER_WIDTH,
        packet_bits=packet_bits, beat_bits=beat_bits, record_bits=record_bits,
        record_bytes=record_bits // 8, in_flight=_IN_FLIGHT, wake_every=WAKE_EVERY,
        packets_file=PACKETS_FILE, answers_file=ANSWERS_FILE, write_spikes="".join(watch),
        reset=RESET, start=START,
        open_spikes=f'    spikes_file = $fopen("{SPIKES_FILE}", "w");\n' if spikes else "",
        flush_spikes="        $fflush(spikes_file);\n" if spikes else "",
        **loading_places(loaded), **memory_places(memory_width, memory_base),
    )  # fmt: skip
