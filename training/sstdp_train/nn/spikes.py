"""What travels between the modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from sstdp_hw.base.errors import UserError


class Spikes(NamedTuple):
    """Spike times of a batch, and how far the neurons were above their thresholds.

    A tuple, so that whatever walks through nested tensors (``.to`` of a helper, DataParallel) takes
    it; `torch.nn.Flatten` flattens it.

    Members
    -------
    times : [N, C, H, W] or [N, F], uint8 or float32
        ``t_max`` for silent. A layer's carry gradients.
    margin : float32 like ``times``, or None
        ``V - theta`` at the spike, of silent neurons at the last step. It breaks ties, in a
        decision and in pooling. None for an encoded input, which has no neurons.
    t_max : int
        Time steps of an inference.
    """

    times: Tensor
    margin: Tensor | None
    t_max: int

    def each(self, change: Callable[[Tensor], Tensor]) -> Spikes:
        """The same change of shape for both."""
        margin = None if self.margin is None else change(self.margin)
        return Spikes(change(self.times), margin, self.t_max)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Spikes:
        """As of a tensor; this is what `torch.nn.Flatten` calls."""
        return self.each(lambda tensor: tensor.flatten(start_dim, end_dim))


def arriving(
    subject: str, spikes: object, dims: int | None = None, width: int | None = None, axis: str = ""
) -> Spikes:
    """``spikes``, if they are some and fit a module.

    Raises
    ------
    UserError
        Names the module, the rule, what came, and what helps.
    """
    if not isinstance(spikes, Spikes):
        raise UserError(
            f"{subject}: input must be Spikes, not {type(spikes).__name__}; begin the model with "
            "TTFSEncoder (pixels) or SpikeInput (spike times)"
        )
    shape = list(spikes.times.shape)
    if dims is not None and len(shape) != dims:
        hint = "; put Flatten() before it" if (dims, len(shape)) == (2, 4) else ""
        wanted = "[N, C, H, W]" if dims == 4 else "[N, F]"
        raise UserError(f"{subject}: spike times must be {wanted}, not {shape}{hint}")
    if width is not None and shape[1] != width:
        raise UserError(f"{subject}: spike times must have {width} {axis}, not {shape[1]}")
    return spikes
