"""One image's life: from its picture through the spikes of all layers to the decision."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...data.samples import Samples
from ...network.chain import PIXELS
from ...network.network import Network
from ...reference.inference import Inference
from . import pictures
from .evidence import Evidence
from .parts import Choice, Fact, Facts, Option, PageSection, Part, Picture, Pictures, Text
from .potentials import potentials
from .raster import ONE, feature_maps, rasters
from .timeline import timeline

INTRO = (
    "Light pixels fire early, every neuron at most once. A neuron fires in the step in which the "
    "weights of the spikes so far exceed its threshold; the first output spike is the answer. What "
    "would come after it is not computed."
)


def life(evidence: Evidence) -> PageSection | None:
    """The section; None without test images."""
    network, samples, inference = evidence.network, evidence.samples, evidence.inference
    if not (network and samples and inference and len(samples)):
        return None
    options = [
        Option(f"{name} (no. {image})", tuple(_parts(evidence, network, samples, inference, image)))
        for name, image in chosen(samples, inference).items()
    ]
    return PageSection("life", "One image's life", [Choice("Image", options)], INTRO)


def chosen(samples: Samples, inference: Inference) -> dict[str, int]:
    """Images worth a look, by what they show, as far as there are some: one that is right and
    decided at the usual time, one that is wrong, one that is silent, the latest decision."""
    right = (inference.classes == samples.labels) & ~inference.silent
    times = inference.decision_times.astype(np.int64)
    usual = np.median(times[right]) if right.any() else 0
    candidates = {
        "right": np.flatnonzero(right & (np.abs(times - usual) < 1)),
        "wrong": np.flatnonzero(~right & ~inference.silent),
        "silent": np.flatnonzero(inference.silent),
        "latest decision": np.flatnonzero(
            ~inference.silent & (times == times[~inference.silent].max(initial=-1))
        ),
    }
    found: dict[str, int] = {}
    for name, images in candidates.items():
        new = [int(image) for image in images if int(image) not in found.values()]
        if new:
            found[name] = new[0]
    return found


def _parts(
    evidence: Evidence, network: Network, samples: Samples, inference: Inference, image: int
) -> Iterator[Part]:
    answer, label = int(inference.classes[image]), int(samples.labels[image])
    step, silent = int(inference.decision_times[image]), bool(inference.silent[image])
    names = network.class_names
    last = step - silent
    times = [found[image] for found in inference.spike_times]
    until = sum(int((found <= last).sum()) for found in times)
    whole = sum(int((found < network.t_max).sum()) for found in times)
    yield Facts(
        [
            Fact("label", names[label]),
            Fact("answer", names[answer], "right" if answer == label else "wrong"),
            Fact("decided in step", "silent" if silent else str(step),
                 f"of 0 to {network.t_max - 1}"),
            Fact("spikes needed", f"{until:,}", f"of {whole:,}"),
        ]
    )  # fmt: skip
    yield Pictures(
        [*_shown(network, samples, image), feature_maps("its spikes", times[0], network.t_max)]
    )
    yield Text(
        f"Colours tell the step of a spike, from yellow (0) to violet ({network.t_max - 1}); who "
        "is silent has none. The dashed line is the decision."
    )
    yield from rasters(network, times, last, not silent)
    yield potentials(network, times[-2].reshape(-1), answer, label, step)
    if evidence.hardware and evidence.hardware.parameters.sequential is None:
        yield timeline(evidence.hardware.parameters, inference, image)


def _shown(network: Network, samples: Samples, image: int) -> list[Picture]:
    """The picture, where the input is one."""
    if network.input_kind != PIXELS:
        return []
    pixels = pictures.of_pixels(samples.images[image])
    return [
        Picture(
            "the image", pictures.uri(pixels), ONE,
            f"test image {image} of {samples.name}", f"test image {image} of {samples.name}",
        )
    ]  # fmt: skip
