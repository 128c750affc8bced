"""What a kernel does, and which one a training runs on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from sstdp_hw.base.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..recipes.architecture import Geometry, Link
    from ..rule.spike_once import LayerRule

KERNELS = ("auto", "torch", "native")


class Pass(Protocol):
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


class LayerKernel(Protocol):
    """The sums over events of one layer.

    For a convolution read [batch, height, width, channels] for [batch, in] and [batch, out] in this
    module, and [kernel height, kernel width, channels in, channels out] for [in, out]; a sum over
    samples runs over positions too. Padding is a place without spikes.
    """

    name: str

    def fire(self, times: Tensor, weight: Tensor, threshold: Tensor, t_max: int) -> Pass:
        """Spike times [batch, in] through weights [in, out] and thresholds [out]."""
        ...


class Kernel(LayerKernel, Protocol):
    """The sums over events of a fully connected layer, and where those of a convolution are."""

    def conv(self, geometry: Geometry) -> LayerKernel:
        """The same kind of kernel for convolutions of this geometry."""
        ...

    def stack(self, links: Sequence[Link]) -> StackKernel | None:
        """A kernel that takes all these layers in one pass; None if there is none."""
        ...


class StackPass(Protocol):
    """One batch through a stack of layers, with what its backward pass needs.

    Members
    -------
    spike_times : list of [batch, out]
        Of every layer, see `Pass`; the last is float32.
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
            `Pass.sum_over_samples` of every layer.
        list of float32 [batch, out]
            The errors that were summed; or [1, out], if they were added up on the way.
        """
        ...


class StackKernel(Protocol):
    """All layers in one pass: a shortcut, with the same results as layer by layer."""

    def fire_stack(
        self, times: Tensor, weights: Sequence[Tensor], thresholds: Sequence[Tensor], t_max: int,
        until_decision: bool,
    ) -> StackPass:  # fmt: skip
        """Spike times [batch, in] through all layers.

        With ``until_decision`` input spikes after the first spike of the last layer are left out.
        """
        ...


def kernel_for(name: str, device: torch.device) -> Kernel:
    """The kernel called ``name``; ``auto`` is the native one where it can run.

    Raises
    ------
    UserError
        If the native kernel is asked for and numba is not installed, or the device is not the CPU.
    """
    if name not in KERNELS:
        raise UserError(f"Kernel must be {', '.join(KERNELS[:-1])} or {KERNELS[-1]}, not {name!r}")
    if name == "native" and device.type != "cpu":
        raise UserError(f"Kernel native must run on device cpu, not {device}; use --kernel torch")
    if name != "torch" and device.type == "cpu":
        try:
            from .native.dense import KERNEL

            return KERNEL
        except ImportError:
            if name == "native":
                raise UserError(
                    "Kernel native must have numba installed, and it is not; pip install numba, "
                    "or use --kernel torch"
                ) from None
    from .torch.dense import KERNEL as IN_TORCH

    return IN_TORCH
