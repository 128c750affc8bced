"""Where the weights and thresholds of an accelerator stand, and what its generation knows of them.

`STORES` names the kinds; the gateware has a table of memories with the same keys
(`sstdp_rtl.gateware.parts.weight_memory`). Everything in the hardware that depends on the values of
weights and thresholds, and not only on their shape and width, asks the store here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..network.layers import Array, WeightedLayer
from ..network.network import Network
from ..reference.firing import potential_bounds
from .pipeline import rom_latency


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

    def latency(self, rows: int) -> int:
        """Cycles from the address of a weight word to the word."""
        return rom_latency(rows, "block")

    def potential_bounds(self, layer: WeightedLayer) -> tuple[Array, Array]:
        """Lowest and highest potential each neuron can reach: int64 arrays."""
        return potential_bounds(layer.weight)

    def live_inputs(self, network: Network) -> Array:
        """Inputs of the network that a neuron may have a weight for: bool [inputs]."""
        return network.live_inputs

    def may_fire_unasked(self, initial: Array) -> bool:
        """Whether a neuron whose potential starts at ``initial`` may fire without any input."""
        return bool((initial >= 0).any())


ROM = WeightStore()

#: By the name that `Configuration.weights` gives.
STORES: dict[str, WeightStore] = {ROM.kind: ROM}
