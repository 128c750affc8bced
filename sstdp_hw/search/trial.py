"""What a choice is worth: fine-tuned, quantized, and looked at by the reference and the models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any, Protocol

from ..base.errors import UserError
from ..blocks.hardware import AcceleratorParameters, Configuration
from ..data.samples import Samples
from ..models.exploration import Workload, estimate
from ..network.float_network import FloatNetwork
from ..network.network import Network
from ..quantization.quantize import quantize
from ..reference import inference as reference
from .space import Choice

#: Who fine-tunes: training is a package of its own, found as verbs are.
GROUP = "sstdp_hw.search"


class Tuning(Protocol):
    """Fine-tunes one float network, once for each choice.

    Members
    -------
    held_back : Samples
        Training images that it does not train on.
    seen : bool
        Whether the float network was trained on them.
    prunes, recodes : bool
        As of `Space.of`.
    seed : int
        Of every training.
    """

    held_back: Samples
    seen: bool
    prunes: bool
    recodes: bool
    seed: int

    def tuned(self, weight_widths: tuple[int, ...], pruning: float, t_max: int) -> FloatNetwork: ...


def find_tuning(network: FloatNetwork, samples: Samples, dataset: str, epochs: int) -> Tuning:
    """The fine-tuning of the package that trains.

    Parameters
    ----------
    samples : Samples
        Training images, those of ``dataset``.
    epochs : int
        Of one fine-tuning.

    Raises
    ------
    UserError
        If it is not installed, or cannot train this network.
    """
    points = list(entry_points(group=GROUP))
    try:
        if not points:
            raise ModuleNotFoundError(name="sstdp_train")
        made: Tuning = points[0].load()(network, samples, dataset, epochs)
    except ModuleNotFoundError as error:
        raise UserError(
            f"--search fine-tunes and needs the Python package {error.name}; pip install "
            "'sstdp-hw[training,search]' brings it"
        ) from None
    return made


@dataclass(frozen=True)
class Hardware:
    """What all trials have alike in hardware.

    Parameters
    ----------
    configuration : Configuration
        Its lanes and pixels per beat are chosen.
    clock_mhz : float
        That images per second are counted with.
    images : int
        The first held-back images, whose cycles and energy are counted.
    """

    configuration: Configuration
    clock_mhz: float
    images: int


@dataclass(frozen=True)
class Outcome:
    """A choice as it was carried out, and its objectives.

    Parameters
    ----------
    network : Network
        In integers.
    row : dict
        JSON: ``weight_widths``, ``pruning``, ``t_max``, ``lanes`` (those that fit),
        ``pixels_per_beat``, ``accuracy`` (of the held-back images, rule 6), ``images_per_second``,
        ``lut``, ``energy_picojoules`` (the high end of the estimate), and what they follow from:
        ``cycles_per_image``, ``ff``, ``bram``, ``energy_low_picojoules``.
    """

    network: Network
    row: dict[str, Any]


def carry_out(choice: Choice, tuning: Tuning, hardware: Hardware) -> Outcome:
    """Fine-tune, quantize, and measure.

    Raises
    ------
    UserError
        If training diverges, or no hardware can be made of it.
    """
    network, _ = quantize(tuning.tuned(choice.weight_widths, choice.pruning, choice.t_max))
    inference = reference.run(network, tuning.held_back.images)
    free = replace(hardware.configuration, lanes=None, pixels_per_beat=choice.pixels_per_beat)
    most = [layer.most_lanes for layer in AcceleratorParameters(network, free).layers]
    lanes = tuple(min(pair) for pair in zip(choice.lanes, most, strict=True))
    counted = inference.only(slice(hardware.images))
    (point,) = estimate(network, Workload(counted, ""), [replace(free, lanes=lanes)])
    assert point.energy is not None, "estimated with the point"
    row = {
        "weight_widths": list(choice.weight_widths),
        "pruning": choice.pruning,
        "t_max": choice.t_max,
        "lanes": list(lanes),
        "pixels_per_beat": choice.pixels_per_beat,
        "accuracy": round(float(inference.accuracy(tuning.held_back.labels)), 6),
        "images_per_second": round(hardware.clock_mhz * 1e6 / point.cycles, 1),
        "lut": point.area.lut,
        "energy_picojoules": round(point.energy.high, 1),
        "cycles_per_image": round(point.cycles, 2),
        "ff": point.area.ff,
        "bram": point.area.bram,
        "energy_low_picojoules": round(point.energy.low, 1),
    }
    return Outcome(network, row)
