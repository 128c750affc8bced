"""Sizes of the registers and queues between a bus and an accelerator."""

from __future__ import annotations

from dataclasses import dataclass

from ..network.chain import PIXELS
from .hardware import AcceleratorParameters
from .weight_store import ExternalStore

#: Bits of a word on the bus, and bytes.
WORD_WIDTH, WORD_BYTES = 32, 4

#: Answers that wait for the driver; 16 fill the smallest LUT RAM of the common FPGAs.
ANSWER_DEPTH = 16

#: Packets that can have begun and not been answered before the front holds the next one back: more
#: than a chain holds of any sample of some size.
BEGUN_DEPTH = 32

#: Words of the input queue at least and at most: a block RAM or two.
SMALLEST_QUEUE, LARGEST_QUEUE = 16, 1024

#: Bits of the counter of clock cycles.
CYCLES_WIDTH = 32


@dataclass(frozen=True, eq=False)
class BusFrontParameters:
    """An accelerator behind a bus.

    Parameters
    ----------
    accelerator : AcceleratorParameters
    """

    accelerator: AcceleratorParameters

    @property
    def bus(self) -> str:
        """One of `sstdp_hw.blocks.hardware.BUSES`."""
        return self.accelerator.configuration.bus

    @property
    def top(self) -> str:
        """The top module."""
        return f"{self.accelerator.top}_{self.bus.replace('-', '_')}"

    @property
    def events(self) -> bool:
        """Whether a word is an event; else it is four pixels."""
        return self.accelerator.network.input_kind != PIXELS

    @property
    def memory(self) -> ExternalStore | None:
        """Where the weights stand outside of the chip; None if they stand on it."""
        store = self.accelerator.store
        return store if isinstance(store, ExternalStore) else None

    @property
    def memory_width(self) -> int:
        """Bits of a beat from there; 0 without."""
        return self.memory.bus.data_width if self.memory else 0

    @property
    def sample_words(self) -> int:
        """Words of one sample; of events at most, if none is repeated."""
        if self.events:
            return self.accelerator.beats
        return -(-self.accelerator.pixels // WORD_BYTES)

    @property
    def input_depth(self) -> int:
        """Words of the input queue: two samples, so that one can be written while another is read,
        if that is not too many."""
        wanted = 1 << (2 * self.sample_words - 1).bit_length()
        return min(max(wanted, SMALLEST_QUEUE), LARGEST_QUEUE)

    @property
    def room(self) -> int:
        """Free words from which on the driver is told that there is room."""
        return min(self.sample_words, self.input_depth // 2)
