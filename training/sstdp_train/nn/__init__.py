"""Spike-once IF layers as ordinary torch modules, for a training loop of your own.

    model = nn.Sequential(
        TTFSEncoder(t_max=8, cutoff=32), Flatten(), IFLinear(784, 400), IFOutput(400, 10)
    )

Between the modules travel `Spikes`: times, and the margins that pooling and losses look at. What
they compute is what recipes compute, by the same rule and on the same backends. `to_network` makes
the network file's object; docs/interchange.md has a whole script.
"""

from torch.nn import Flatten

from .encoding import SpikeInput, TTFSEncoder
from .export import quantize_aware, to_float_network, to_network
from .layers import FirstSpikePool2d, IFConv2d, IFLinear, IFOutput, UntilDecision, initialize
from .losses import DecisionLoss, FirstSpikeLoss, RelativeTargetLoss, decide
from .spikes import Spikes

__all__ = [
    "DecisionLoss",
    "FirstSpikeLoss",
    "FirstSpikePool2d",
    "Flatten",
    "IFConv2d",
    "IFLinear",
    "IFOutput",
    "RelativeTargetLoss",
    "SpikeInput",
    "Spikes",
    "TTFSEncoder",
    "UntilDecision",
    "decide",
    "initialize",
    "quantize_aware",
    "to_float_network",
    "to_network",
]
