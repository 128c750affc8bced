"""Named configurations, from the smallest to one adder per neuron."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..base.errors import UserError
from ..network.chain import PIXELS
from ..network.network import Network
from .hardware import SEQUENTIAL, STREAMING, Configuration


@dataclass(frozen=True)
class Preset:
    """A configuration for any network.

    Parameters
    ----------
    summary : str
        In words, for a list.
    hidden, output : callable
        Lanes of a hidden layer and of the output layer, by the number of its neurons (of a
        convolution, output channels).
    pixels_per_beat : int
        Where the input is pixels.
    """

    summary: str
    hidden: Callable[[int], int]
    output: Callable[[int], int]
    pixels_per_beat: int = 1


def _at_most(lanes: int) -> Callable[[int], int]:
    return lambda neurons: min(lanes, neurons)


def _all(neurons: int) -> int:
    return neurons


PRESETS = {
    "tiny": Preset("4 lanes a layer, the output layer 1", _at_most(4), _at_most(1)),
    "basic": Preset("16 lanes a layer", _at_most(16), _at_most(16)),
    "full": Preset("a lane for every neuron, 8 pixels a beat", _all, _all, pixels_per_beat=8),
}


def preset(
    name: str, network: Network, *, early_exit: bool = True, architecture: str = STREAMING
) -> Configuration:
    """The configuration called ``name`` for a network.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    if name not in PRESETS:
        *most, last = PRESETS
        raise UserError(f"Preset must be {', '.join(most)} or {last}, not {name!r}")
    found = PRESETS[name]
    *hidden, output = (layer.outputs for _, layer in network.weighted)
    lanes = (*map(found.hidden, hidden), found.output(output))
    pixels_per_beat = found.pixels_per_beat if network.input_kind == PIXELS else 1
    if architecture == SEQUENTIAL:  # one engine, whose lanes the widest layer has use for
        lanes = (found.hidden(max(layer.outputs for _, layer in network.weighted)),)
    return Configuration(lanes, pixels_per_beat, early_exit, architecture=architecture)
