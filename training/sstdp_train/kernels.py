"""What a kernel does, and which one a training runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sstdp_hw.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

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


class Kernel(Protocol):
    """The sums over events of a fully connected layer."""

    name: str

    def fire(self, times: Tensor, weight: Tensor, threshold: Tensor, t_max: int) -> Pass:
        """Spike times [batch, in] through weights [in, out] and thresholds [out]."""
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
            from .kernel_native import KERNEL

            return KERNEL
        except ImportError:
            if name == "native":
                raise UserError(
                    "Kernel native must have numba installed, and it is not; pip install numba, "
                    "or use --kernel torch"
                ) from None
    from .kernel_torch import KERNEL as IN_TORCH

    return IN_TORCH
