"""What is known between two nodes of a chain while it is mapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..network.layers import Array, Flatten, Layer, Shape
from .fields import Unmapped
from .graph import Node


@dataclass(frozen=True)
class Reading:
    """What a graph does not tell about itself.

    Parameters
    ----------
    dt : float or None
        Time step of the graph, in the unit of its ``r``; None: as the framework's ``r`` tells.
    at_threshold : bool
        Whether neurons fire at their threshold, too; NIR says above it only.
    bias_once : bool
        Whether a bias acts once, not in every step.
    spike_once : bool
        Whether neurons that may fire again are to be made ones that do not.
    t_max : int or None
        Time steps of an inference, if known: with one, every bias acts once.
    """

    dt: float | None = None
    at_threshold: bool = False
    bias_once: bool = False
    spike_once: bool = False
    t_max: int | None = None


class Blind(Exception):
    """A node cannot be looked at, for one before it is not mapped."""


@dataclass
class Sums:
    """Weighted or plain sums of spikes that wait for their neurons.

    Parameters
    ----------
    node : Node
    shape : Shape
        Of the neurons to come.
    make : callable
        The layer, from weights and thresholds.
    weight : array [out, ...] or None
        None for the sums of a window.
    bias : float64 array [out]
    gain : float64 array of ``shape``
    flat : bool
        Whether a Flatten came behind them.
    """

    node: Node
    shape: Shape
    make: Callable[[Array, Array], Layer]
    weight: Array | None
    bias: Array
    gain: Array
    flat: bool = False


@dataclass(frozen=True, eq=False)
class MappedLayer:
    """A layer and what its neurons were before.

    Parameters
    ----------
    layer : Layer
    reset : float64 array [neurons], or None for a layer without neurons in the graph
        The sum that is left after a spike, in units of the weights.
    border : float64 array [neurons] or None
        The sum above which a neuron fires.
    fires_again : bool
        Whether any neuron may.
    """

    layer: Layer
    reset: Array | None = None
    border: Array | None = None
    fires_again: bool = False


@dataclass
class Mapping:
    """The state between two nodes.

    Parameters
    ----------
    reading : Reading
    dt : float or None
        None if it is not known, which the neurons have been told.
    layers : list of MappedLayer
    input_shape : Shape or None
        As the Input node has it: [N] or [C, H, W].
    shape : Shape or None
        Of the signal here; None behind a node that could not be mapped.
    sums : Sums or None
    gain : array of ``shape`` or None
        What a Scale made of the spikes.
    blind : bool
        Whether a node before could not be mapped, so that not all is known here.
    """

    reading: Reading
    dt: float | None
    layers: list[MappedLayer] = field(default_factory=list)
    input_shape: Shape | None = None
    shape: Shape | None = None
    sums: Sums | None = None
    gain: Array | None = None
    blind: bool = False

    def known(self, otherwise: Shape | None = None) -> Shape:
        """The shape of the signal, or what it must be if it is not known here."""
        found = self.shape or (otherwise if self.blind else None)
        if found is None:
            raise Blind if self.blind else Unmapped("must come behind an Input")
        return found

    def spikes(self, otherwise: Shape | None = None) -> Shape:
        """As `known`, for a node that takes spikes."""
        if self.sums is not None:
            raise Unmapped(
                f"must take spikes, and takes the sums of {self.sums.node.name}; an IF must stand "
                "between"
            )
        return self.known(otherwise)

    def lose(self, shape: Shape | None) -> None:
        """Forget what is not known behind a node that could not be mapped."""
        if self.sums is not None:
            self.layers.append(MappedLayer(Flatten()))  # holds the place; nothing is made of it
        self.shape, self.sums, self.gain, self.blind = shape, None, None, True
