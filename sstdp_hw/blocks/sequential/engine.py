"""The engine of the sequential architecture: what all layers share, derived once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from ...base.errors import UserError
from ..map_parameters import MapParameters
from ..pipeline import LUT_RAM_DEPTH, rom_latency, spram_count
from ..weight_store import WeightStore
from ..widths import index_width
from .layer import SequentialLayer, Widths

#: Name of the engine where a store asks whose weights they are.
ENGINE = "engine"

#: Rows of a bank of the engine's weights. It holds those of all layers, so that its memory is deep
#: and narrow: a bank is as deep as the narrowest shape of the common block RAMs.
BANK_ROWS = 16_384

#: Stages of the engine behind its weight memory: the adders, who is above threshold, who fires.
ENGINE_STAGES = 2

#: Cycles after the issue of a word in which it cannot be issued again: from the cycle in which its
#: potentials are fetched to the one in which they are written.
HAZARD = 3

#: Cycles from one comparison of a candidate to the next.
COMPARE_INTERVAL = 2


def widths_of(layers: list[SequentialLayer]) -> Widths:
    """Of layers that do not have them yet."""
    alike = all(layer.layer.weight_width == 1 for layer in layers)
    weight = max(layer.layer.weight_width for layer in layers)
    if not alike:  # a bit alone stands for -1 and +1, beside others they are numbers
        weight = max(weight, 2)
    membrane = max(
        layer.own_membrane_width for layer in layers
    )  # of those that need fewer bits no sum is out of range
    channel = index_width(max(layer.groups * layer.lanes for layer in layers))
    y, x = ((max(layer.shape[axis] for layer in layers) - 1).bit_length() for axis in (1, 2))
    return Widths(weight, membrane, channel, x, y)


@dataclass(frozen=True, eq=False)
class EngineParameters:
    """One set of lanes that computes all layers of a network, one after the other.

    Parameters
    ----------
    layers : tuple of SequentialLayer
    t_max : int
    """

    layers: tuple[SequentialLayer, ...]
    t_max: int

    @classmethod
    def of(cls, layers: list[SequentialLayer], t_max: int) -> EngineParameters:
        """The engine for layers that stand alone so far.

        Raises
        ------
        UserError
            If no layer has as many channels as there are lanes.
        """
        lanes, most = layers[0].lanes, max(layer.spanned for layer in layers)
        if not 1 <= lanes <= most:
            raise UserError(
                f"Lanes must be between 1 and the {most} neurons or channels of the widest layer, "
                f"not {lanes}"
            )
        widths = widths_of(layers)
        groups = index_width(max(layer.groups for layer in layers))
        found, base = [], 0
        for number, layer in enumerate(layers):
            found.append(
                replace(layer, widths=widths, weight_base=base, initial_base=number << groups)
            )
            base += layer.weight_depth
        widest = found[0].most_lanes
        if lanes > widest:
            raise UserError(
                f"Lanes must be at most {widest:,}, not {lanes:,}: each takes "
                f"{found[0].lane_bits} bits of a word"
            )
        return cls(tuple(found), t_max)

    @property
    def lanes(self) -> int:
        return self.layers[0].lanes

    @property
    def tiled(self) -> bool:
        """Whether weights come from an external memory, tile by tile."""
        return False

    @property
    def batch(self) -> int:
        """Images at most that a pass is run for, one after the other, before the next pass."""
        return 1

    @property
    def waits(self) -> bool:
        """Whether the engine must wait for weights before it begins."""
        return self.store.loaded or self.tiled

    @property
    def passes(self) -> tuple[SequentialLayer, ...]:
        """What the engine runs through all steps, one after the other: layers, or tiles of them."""
        return self.layers

    @property
    def pass_layers(self) -> tuple[int, ...]:
        """Number of the layer of every pass."""
        return tuple(range(len(self.layers)))

    @property
    def store(self) -> WeightStore:
        """Where the weights stand."""
        return self.layers[0].store

    @property
    def widths(self) -> Widths:
        found = self.layers[0].widths
        assert found, "made by `of`"
        return found

    @property
    def entry(self) -> MapParameters | None:
        """How the first layer's events are numbered, if it is a convolution."""
        return self.layers[0].entry

    @property
    def output(self) -> SequentialLayer:
        return self.layers[-1]

    @property
    def maps(self) -> bool:
        """Whether any layer has positions; else an event is a row of weights, a word a group."""
        return any(layer.kind == "conv2d" or layer.arriving[1:] != (1, 1) for layer in self.layers)

    @property
    def pooled(self) -> bool:
        """Whether a layer has a pooling layer behind it."""
        return any(layer.pools for layer in self.layers)

    def most(self, count: Callable[[SequentialLayer], int]) -> int:
        """The largest ``count`` of a layer."""
        return max(map(count, self.layers))

    @property
    def words(self) -> int:
        """Words of the memory of potentials. Without positions a word has the number of its group,
        also that of a tile."""
        return max(layer.words for layer in (self.passes if self.maps else self.layers))

    @property
    def address_width(self) -> int:
        return index_width(self.words)

    @property
    def group_width(self) -> int:
        """Bits of the number of a group."""
        return index_width(self.most(lambda layer: layer.groups))

    @property
    def y_width(self) -> int:
        """Bits of y of an output; 0 if it has no positions."""
        return self.widths.y

    @property
    def x_width(self) -> int:
        return self.widths.x

    @property
    def in_widths(self) -> tuple[int, int]:
        """Bits of y and x of an input, by which tables are addressed."""
        y, x = (
            index_width(self.most(lambda layer, axis=axis: layer.arriving[axis]))  # type: ignore[misc]
            for axis in (1, 2)
        )
        return y, x

    @property
    def layer_width(self) -> int:
        """Bits of the number of a pass."""
        return index_width(len(self.passes))

    # ---- Memories.

    @cached_property
    def weight_rows(self) -> list[int]:
        """Contents of the weight memory, layer by layer."""
        return self._varied([row for layer in self.layers for row in layer.weight_rows()])

    @cached_property
    def initial_rows(self) -> list[int]:
        """Contents of the memory of initial potentials: a layer's rows begin at a power of two, so
        that layer and group stand side by side in an address."""
        rows = [0] * (self.output.initial_base + self.output.groups)
        for layer in self.layers:
            rows[layer.initial_base : layer.initial_base + layer.groups] = layer.initial_rows()
        return self._varied(rows)

    def _varied(self, rows: list[int]) -> list[int]:
        """Rows of a constant memory, and one behind them that differs from the last. Equal rows
        become a constant (`Rom`), and a constant could not be corrupted in one layer alone to see
        whether that shows."""
        return rows if self.store.loaded else [*rows, rows[-1] ^ 1]

    @property
    def weight_depth(self) -> int:
        """Rows of the weight memory; the last one of constants is nobody's."""
        return sum(layer.weight_depth for layer in self.layers) + (not self.store.loaded)

    @property
    def initial_depth(self) -> int:
        """Rows of the memory of initial potentials; the last one of constants is nobody's."""
        return self.output.initial_base + self.output.groups + (not self.store.loaded)

    @property
    def weight_style(self) -> str:
        """What the weights stand in."""
        return self.store.style(ENGINE)

    @property
    def weight_latency(self) -> int:
        """Cycles from the address of a weight word to the word."""
        return rom_latency(self.weight_depth, self.weight_style, BANK_ROWS)

    @property
    def weight_spram(self) -> int:
        """Single-port RAMs that the weights would take."""
        return spram_count(self.lanes * self.widths.weight, self.weight_depth)

    @property
    def initial_style(self) -> str:
        return "logic" if self.initial_depth <= LUT_RAM_DEPTH else "block"

    @property
    def initial_latency(self) -> int:
        """Cycles from the number of a group to its initial potentials, which stand in one bank."""
        return rom_latency(1, self.initial_style)

    @property
    def marks(self) -> int:
        """Words of marks, one bit a lane for a pooled cell that has fired."""
        return max(layer.sent_words if layer.pools else 1 for layer in self.passes)

    @property
    def list_items(self) -> tuple[int, int]:
        """Places in each of the two lists, which layers write in turn: a group with a neuron that
        fires each, and a marker a step. In one step a group at a pooled position can be listed once
        for every position of its window, as other neurons pass there."""
        items = [
            min(layer.channels * layer.sends[1] * layer.sends[2], layer.words * self.t_max)
            for layer in self.layers[:-1]
        ]
        first, second = (max(items[which::2], default=0) + self.t_max for which in (0, 1))
        return first, second + 1

    @property
    def pointer_width(self) -> int:
        """Bits of a place in the lists."""
        return index_width(sum(self.list_items))

    @property
    def memory_bits(self) -> int:
        """Bits of weights, potentials, candidates, marks and both lists."""
        words = self.weight_depth * self.lanes * self.widths.weight
        word = self.lanes * (self.widths.membrane + 1) + 1
        candidate = self.address_width + self.place_width
        potentials = self.words * (word + candidate) + self.marks * self.lanes
        return words + potentials + sum(self.list_items) * self.item_width

    @property
    def place_width(self) -> int:
        """Bits of y, x and group."""
        return self.y_width + self.x_width + self.group_width

    @property
    def item_width(self) -> int:
        """Bits of an item of a list."""
        return 1 + max(self.place_width + self.lanes, index_width(self.t_max))

    # ---- Cycles.

    @property
    def latency(self) -> int:
        """Cycles from the issue of a word to the one in which it is known who fires."""
        return self.weight_latency + ENGINE_STAGES

    @staticmethod
    def table_style(rows: int) -> str:
        """What a table of coordinates with so many rows is made of."""
        return "logic" if rows <= 2 * LUT_RAM_DEPTH else "block"

    def reach_fields(self, axis: int) -> dict[str, list[list[int]]]:
        """What the table of rows (0) or columns (1) holds of every pass: what an input reaches."""
        fields: dict[str, list[list[int]]] = {
            key: [] for key in ("reached", "first", "last", "address", "weight")
        }
        for layer in self.passes:
            first, count, place = layer.axis(axis)
            address = layer.groups * (1 if axis else layer.shape[2])
            weight = layer.arriving[0] * (1 if axis else layer.kernel[1])
            base = 0 if axis else layer.weight_base
            fields["reached"].append([int(found > 0) for found in count])
            reached = list(zip(first, count, strict=True))
            fields["first"].append([start if found else 0 for start, found in reached])
            fields["last"].append([start + found - 1 if found else 0 for start, found in reached])
            fields["address"].append([start * address if found else 0 for start, found in reached])
            fields["weight"].append([base + number * weight for number in place])
        return fields

    def pooled_fields(self, axis: int) -> dict[str, list[list[int]]]:
        """What the table of rows (0) or columns (1) of outputs holds: their pooled ones."""
        fields: dict[str, list[list[int]]] = {"inside": [], "place": [], "address": []}
        for layer in self.passes:
            window, _ = layer.window(axis)
            pitch = layer.groups * (1 if axis else layer.sends[2])
            if not layer.pools:
                pitch = 0  # no marks
            fields["inside"].append([int(cell >= 0) for cell in window])
            fields["place"].append([max(cell, 0) for cell in window])
            fields["address"].append([max(cell, 0) * pitch for cell in window])
        return fields

    @property
    def table_latency(self) -> int:
        """Cycles from the coordinates of an event to what they stand for; a table is one bank."""
        if not self.maps:
            return 0
        y, x = (self.table_style(len(self.passes) << width) for width in self.in_widths)
        return max(rom_latency(1, y), rom_latency(1, x))

    def locate_cycles(self, layer: int) -> int:
        """Cycles from an event of a layer to the first one in which its walk may be taken over."""
        entry = self.entry if layer == 0 else None
        return self.table_latency + (entry.places_latency if entry else 0)
