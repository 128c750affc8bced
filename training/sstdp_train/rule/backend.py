"""What the rule asks of a backend: the sums over events of a layer, or of a whole network.

`backends` holds those that there are; `backends.choice.backend_for` chooses one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from .layer_rule import LayerRule
from .normalized import NormalizedBackend

if TYPE_CHECKING:
    from torch import Tensor

    from ..recipes.architecture import Geometry, PooledLayer


class LayerPass(Protocol):
    """One batch through one layer, with what its backward pass needs.

    Members
    -------
    spike_times, excess : float32 [batch, out]
        The first step with ``V > theta``, ``t_max`` if there is none; ``V - theta`` then, at the
        last step for silent neurons.
    spiked : bool [batch, in]
        Which inputs have a spike.
    """

    spike_times: Tensor
    excess: Tensor

    @property
    def spiked(self) -> Tensor: ...

    def sum_over_samples(self, error: Tensor) -> Tensor:
        """``sum over samples of error[j] * [s[i] <= t[j]]`` [in, out], without silent inputs."""
        ...

    def sum_over_neurons(self, error: Tensor, weight: Tensor) -> Tensor:
        """``sum over j of error[j] * w[i, j] * [s[i] <= t[j]]`` [batch, in].

        Silent inputs count as in time for every neuron.
        """
        ...


class LayerBackend(Protocol):
    """The sums over events of one layer.

    For a convolution read [batch, height, width, channels] for [batch, in] and [batch, out] in this
    module, and [kernel height, kernel width, channels in, channels out] for [in, out]; a sum over
    samples runs over positions too. Padding is a place without spikes.
    """

    def fire(self, times: Tensor, weight: Tensor, threshold: Tensor, t_max: int) -> LayerPass:
        """Spike times [batch, in] through weights [in, out] and thresholds [out]."""
        ...


class NetworkPass(Protocol):
    """One batch through all layers, with what its backward pass needs.

    Members
    -------
    spike_times : list of [batch, out]
        Of every layer, see `LayerPass`; the last is float32.
    excess : list of float32
        The last is that of the last layer [batch, out].
    """

    @property
    def spike_times(self) -> list[Tensor]: ...

    @property
    def excess(self) -> list[Tensor]: ...

    def send_back(
        self, error: Tensor, rules: Sequence[LayerRule], reaches: Sequence[Tensor | None],
        pushes: Sequence[Tensor | None],
    ) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
        """Send errors on drive back through all layers by their rules.

        Parameters
        ----------
        error : float32 [batch, out]
            As it arrives at the last layer.
        rules : sequence of LayerRule
        reaches : sequence of (float32 [out] or None)
            Distance from threshold at which the gate closes; None for layers without one.
        pushes : sequence of (float32 [out] or None)
            Homeostasis, per neuron and sample.

        Returns
        -------
        list of float32 [in, out]
            `LayerPass.sum_over_samples` of every layer.
        list of float32 [batch, out]
            The errors that were summed; or [1, out], if they were added up on the way.
        """
        ...


class NetworkBackend(Protocol):
    """All layers in one pass: a shortcut, with the same results as layer by layer."""

    def fire(
        self, times: Tensor, weights: Sequence[Tensor], thresholds: Sequence[Tensor], t_max: int,
        until_decision: bool,
    ) -> NetworkPass:  # fmt: skip
        """Spike times [batch, in] through all layers.

        With ``until_decision`` input spikes after the first spike of the last layer are left out.
        """
        ...


class Backend(Protocol):
    """Who sums over events, for every kind of layer with weights.

    Members
    -------
    name : str
        As ``--backend`` has it.
    """

    name: str

    def dense_layer(self) -> LayerBackend:
        """The sums of a fully connected layer."""
        ...

    def conv_layer(self, geometry: Geometry) -> LayerBackend:
        """The sums of a convolution of this geometry."""
        ...

    def network(self, layers: Sequence[PooledLayer]) -> NetworkBackend | None:
        """The sums of all these layers in one pass; None if there is no such shortcut."""
        ...

    def normalized_network(self, layers: Sequence[PooledLayer]) -> NormalizedBackend:
        """All layers of a normalized network."""
        ...
