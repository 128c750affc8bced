"""Where the weights and thresholds of an accelerator stand, and what its generation knows of them.

`STORES` names the kinds; the gateware has a table of memories with the same keys
(`sstdp_rtl.gateware.parts.weight_memory`). Everything in the hardware that depends on the values of
weights and thresholds, and not only on their shape and width, asks the store here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from ..base.errors import UserError
from ..network.layers import Array, WeightedLayer
from ..network.network import Network
from ..reference.firing import potential_bounds
from .axi_read import AxiReadParameters
from .pipeline import LUT_RAM_DEPTH, rom_latency


@dataclass(frozen=True)
class WeightStore:
    """Constants of the bitstream: values are known when the hardware is made.

    So membranes are as narrow as these weights allow, thresholds out of reach move to its border,
    a comparison that nothing can pass is left out, and inputs without a weight are dropped.

    Parameters
    ----------
    kind : str
    """

    kind: str = "rom"

    #: Whether values come at run time, so that the hardware must be ready for any.
    loaded: ClassVar[bool] = False

    #: Whether weights stand outside of the chip, and are fetched for every image.
    external: ClassVar[bool] = False

    def style(self, name: str) -> str:
        """What the weights of the layer ``name`` stand in, see `pipeline.rom_latency`."""
        return "block"

    def latency(self, name: str, rows: int) -> int:
        """Cycles from the address of a weight word of the layer ``name`` to the word."""
        return rom_latency(rows, self.style(name))

    def initial_latency(self, groups: int) -> int:
        """Cycles from the number of a group to its initial potentials."""
        return rom_latency(groups, "logic")

    def potential_bounds(self, layer: WeightedLayer) -> tuple[Array, Array]:
        """Lowest and highest potential each neuron can reach: int64 arrays."""
        return potential_bounds(layer.weight)

    def live_inputs(self, network: Network) -> Array:
        """Inputs of the network that a neuron may have a weight for: bool [inputs]."""
        return network.live_inputs

    def with_membranes(self, widths: Mapping[str, int]) -> WeightStore:
        """The store for potentials of given widths, by the name of their layer.

        Raises
        ------
        UserError
            If the widths are not free.
        """
        if widths:
            raise UserError(
                f"Membrane width must be given with weights that are loaded, not {self.kind}: it "
                "follows from the weights, and is the narrowest that cannot overflow"
            )
        return self

    def with_spram(self, names: frozenset[str]) -> WeightStore:
        """The store with the weights of such layers in single-port RAM.

        Raises
        ------
        UserError
            If they cannot be there.
        """
        raise UserError(
            f"SPRAM must be used with weights that are loaded, not {self.kind}: it cannot be "
            "preloaded; add --weights loadable"
        )

    def membrane_width(self, name: str, needed: int) -> int:
        """Bits of a potential of the layer ``name``, of which its weights need ``needed``."""
        return needed


@dataclass(frozen=True)
class LoadableStore(WeightStore):
    """Memories that are written at run time: shape and widths are known, values are not.

    So every input is live, a negative threshold may come at any time, and potentials keep the width
    they were given. Whoever makes an image of the memories checks that it is enough for its values;
    so overflow stays impossible.

    Parameters
    ----------
    membranes : mapping of str to int
        Width of the potentials by the layer's name; as wide as the weights at hand need, if none is
        given.
    spram : set of str
        Names of the layers whose weights stand in single-port RAM.
    """

    kind: str = "loadable"
    membranes: Mapping[str, int] = field(default_factory=dict)
    spram: frozenset[str] = frozenset()

    loaded: ClassVar[bool] = True

    def initial_latency(self, groups: int) -> int:
        """Deep memories are block RAM, with its own register and one near what reads it."""
        return rom_latency(1, "logic" if groups <= LUT_RAM_DEPTH else "block")

    def live_inputs(self, network: Network) -> Array:
        """All of them."""
        return np.ones(network.inputs, bool)

    def style(self, name: str) -> str:
        return "spram" if name in self.spram else "block"

    def with_membranes(self, widths: Mapping[str, int]) -> LoadableStore:
        return replace(self, membranes=dict(widths))

    def with_spram(self, names: frozenset[str]) -> LoadableStore:
        return replace(self, spram=names)

    def membrane_width(self, name: str, needed: int) -> int:
        """The width that was given.

        Raises
        ------
        UserError
            If a potential could overflow.
        """
        given = self.membranes.get(name, needed)
        if needed > given:
            raise UserError(
                f"Potentials of {name} must fit {given} bits, and those of this network need "
                f"{needed}; quantize to fewer bits, or generate with --membrane-width {needed}"
            )
        return given


@dataclass(frozen=True)
class ExternalStore(WeightStore):
    """Weights in a memory outside of the chip, thresholds constants of the bitstream. Their values
    are known when the hardware is made, as with constants.

    Parameters
    ----------
    bus : AxiReadParameters
    buffer_bits : int
        Of the buffer for two tiles; 0 for the smallest.
    base : int
        Address of the first tile.
    base_port : bool
        Whether that address comes by a port.
    potential_bits : int
        Of the potentials of a tile at most; 0 for no limit.
    batch : int
        Images at most that share one fetch of every tile.
    """

    kind: str = "external"
    bus: AxiReadParameters = field(default_factory=AxiReadParameters)
    buffer_bits: int = 0
    base: int = 0
    base_port: bool = False
    potential_bits: int = 0
    batch: int = 1

    external: ClassVar[bool] = True


ROM = WeightStore()
LOADABLE = LoadableStore()
EXTERNAL = ExternalStore()

#: By the name that `Configuration.weights` gives.
STORES: dict[str, WeightStore] = {store.kind: store for store in (ROM, LOADABLE, EXTERNAL)}
