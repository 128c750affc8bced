"""Pruning of input pixels: which ones a network learns to do without.

Every spike of a pixel costs one addition per neuron of the first layer, whatever the weights are.
So whole rows of the weight matrix are pruned: a pixel all of whose weights are zero needs no
addition, no row of weight memory and no event in the hardware.
"""

from __future__ import annotations

import torch
from torch import Tensor

START, END = 0.1, 0.5  # part of the epochs in which pixels are pruned; the rest heals


def share_kept(target: float, epoch: int, epochs: int) -> float:
    """Share of the input spikes to keep in ``epoch`` (counted from 0), down to ``target``.

    The cubic schedule of Zhu and Gupta 2017 (arXiv:1710.01878): fast while there is much that is
    not needed, slow towards the end.
    """
    progress = min(max((epoch / epochs - START) / (END - START), 0.0), 1.0)
    return target + (1 - target) * (1 - progress) ** 3


def is_over(epoch: int, epochs: int) -> bool:
    """Whether pruning has reached its target before ``epoch`` (counted from 0)."""
    return epoch / epochs >= END


@torch.no_grad()
def survivors(weight: Tensor, kept: Tensor, rates: Tensor, share: float) -> Tensor:
    """The pixels of the largest weights that together make at most ``share`` of the spikes.

    Parameters
    ----------
    weight : [pixels, neurons]
        The longer a row, the more one spike of its pixel says.
    kept : bool [pixels]
        Pixels not pruned yet; what is pruned stays so.
    rates : float [pixels]
        Spikes per image of each pixel.
    share : float
        Of all spikes, pruned pixels' included.

    Returns
    -------
    bool [pixels]
        At least one pixel, whatever the share.
    """
    length = weight.norm(dim=1).masked_fill(~kept, -1.0)
    order = length.argsort(descending=True, stable=True)
    fits = rates[order].cumsum(0) <= share * rates.sum()
    fits[0] = True
    chosen = torch.zeros_like(kept)
    chosen[order[fits]] = True
    return chosen & kept
