"""What fully connected layers and convolutions have in common as hardware."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np

from ..base.errors import UserError
from ..network.layers import Array, WeightedLayer
from .pipeline import LARGEST_WORD, PIECE, spram_count
from .weight_store import WeightStore
from .widths import pack_rows, signed_width


class LaneParameters:
    """Neurons that share ``lanes`` adders, group after group; in a convolution, output channels.

    Base of the parameters of a layer. The hardware keeps ``V - theta - 1`` instead of ``V``: it
    starts at ``initial``, int64, and the neuron fires when the number is not negative.
    """

    name: str
    layer: WeightedLayer
    lanes: int
    store: WeightStore

    #: What the lanes span, for messages.
    SPANNED: ClassVar[str]

    @cached_property
    def initial(self) -> Array:
        raise NotImplementedError

    @property
    def weight_depth(self) -> int:
        """Rows of the weight memory."""
        raise NotImplementedError

    def check_lanes(self) -> None:
        """Refuse lanes that are out of range."""
        if not 1 <= self.lanes <= self.spanned:
            raise UserError(
                f"Lanes of {self.name} must be between 1 and its {self.spanned} {self.SPANNED}, "
                f"not {self.lanes}"
            )
        if self.lanes > self.most_lanes:
            raise UserError(
                f"Lanes of {self.name} must be at most {self.most_lanes:,}, not {self.lanes:,}: "
                f"each takes {self.lane_bits} bits of a word, and a word has at most "
                f"{LARGEST_WORD:,}; give the layer fewer lanes"
            )

    @property
    def lane_bits(self) -> int:
        """Bits of a lane in the widest of the layer's memories."""
        return max(self.weight_width, self.membrane_width)

    @property
    def most_lanes(self) -> int:
        """Lanes whose words are not too wide."""
        return min(self.spanned, LARGEST_WORD // self.lane_bits)

    @property
    def spanned(self) -> int:
        """Neurons that the lanes serve; output channels of a convolution."""
        return len(self.layer.weight)

    @property
    def groups(self) -> int:
        """Groups of ``lanes``, each a word of weights that an event fetches, a cycle each."""
        return -(-self.spanned // self.lanes)

    @property
    def weight_bits(self) -> int:
        """Bits of the weight memory."""
        return self.weight_depth * self.lanes * self.weight_width

    @property
    def padding(self) -> int:
        """Lanes of the last group that have nobody to serve."""
        return self.groups * self.lanes - self.spanned

    @property
    def piece(self) -> int:
        """Lanes that the serializer behind the layer looks at together."""
        return min(self.lanes, PIECE)

    @property
    def weight_width(self) -> int:
        return self.layer.weight_width

    @cached_property
    def weight_latency(self) -> int:
        """Cycles from the address of a weight word to the word."""
        return self.store.latency(self.name, self.weight_depth)

    def within_reach(self) -> Array:
        """Thresholds, those beyond the reach of the potential moved to its border, which changes no
        spike and keeps numbers narrow: int64."""
        low, high = self.store.potential_bounds(self.layer)
        return np.clip(self.layer.threshold.astype(np.int64), low - 1, high)

    @cached_property
    def membrane_width(self) -> int:
        """Bits of a stored potential."""
        return self.own_membrane_width

    @property
    def own_membrane_width(self) -> int:
        """Signed width that the layer's potentials need. Overflow is impossible: a neuron meets
        each weight at most once, for each input fires at most once, so every partial sum lies
        between the sum of the negative and that of the positive weights.
        """
        low, high = self.store.potential_bounds(self.layer)
        needed = signed_width(int((low + self.initial).min()), int((high + self.initial).max()))
        return self.store.membrane_width(self.name, needed)

    @property
    def spontaneous(self) -> bool:
        """Whether a neuron fires without any input (negative threshold), so that step 0 must be
        compared even if nothing arrives in it."""
        return bool((self.initial >= 0).any())

    @property
    def may_be_spontaneous(self) -> bool:
        """Whether the hardware has what it takes for that."""
        return self.store.loaded or self.spontaneous

    @property
    def weight_style(self) -> str:
        """What the weights stand in."""
        return self.store.style(self.name)

    @property
    def weight_spram(self) -> int:
        """Single-port RAMs that the weights would take."""
        return spram_count(self.lanes * self.weight_width, self.weight_depth)

    @property
    def initial_latency(self) -> int:
        """Cycles from the number of a group to its initial potentials."""
        return self.store.initial_latency(self.groups)

    def initial_place(self, neuron: int) -> tuple[int, int]:
        """Row and lane of an initial potential; ``neuron`` is the channel of a convolution."""
        return divmod(neuron, self.lanes)

    @property
    def initial_shared(self) -> bool:
        """Whether all groups share a row, because all rows are equal."""
        return not self.store.loaded and len(set(self.initial_rows())) == 1

    def packed_weights(self, words: Array) -> list[int]:
        """Words [..., lanes] of weights as memory rows, lane 0 in the lowest bits.

        At width 1 a bit of 1 stands for -1 and 0 for +1; otherwise two's complement.
        """
        bits = (words < 0).astype(np.int64) if self.weight_width == 1 else words
        return pack_rows(bits.reshape(-1, self.lanes), self.weight_width)

    def initial_rows(self) -> list[int]:
        """`initial` as memory rows of ``lanes`` numbers of `membrane_width` bits, one row a group.

        Lanes without a neuron repeat the last one, so that equal thresholds give equal rows.
        """
        padded = np.full(self.groups * self.lanes, self.initial[-1], np.int64)
        padded[: self.spanned] = self.initial
        return pack_rows(padded.reshape(self.groups, self.lanes), self.membrane_width)
