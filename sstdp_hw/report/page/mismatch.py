"""What is first on a page if hardware and reference differ: where, and both rasters."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...reference.inference import sent_places, sent_spikes
from ..run_report import pick
from . import pictures
from .evidence import Evidence
from .parts import Fact, Facts, PageSection, Part, Picture, Pictures, Text
from .raster import ONE, compared


def mismatch(evidence: Evidence) -> PageSection | None:
    """The section; None if nothing differs."""
    results = evidence.report.results or {}
    findings = [str(text) for text in results.get("protocol_findings") or ()]
    if not results.get("mismatches") and not findings:
        return None
    parts: list[Part] = [Text(f"{text}.", "bad") for text in findings]
    if results.get("mutation"):
        parts.append(Text(
            f"The hardware was corrupted on purpose: {pick(results, 'mutation', 'text')}.", "bad"
        ))  # fmt: skip
    first = results.get("first_divergence")
    if isinstance(first, dict):
        names = ("image", "layer", "step", "neuron", "expected", "got")
        parts.append(Facts([Fact(name, str(first.get(name))) for name in names]))
        parts += _rasters(evidence, first)
    wrong, images = results.get("mismatches"), results.get("images")
    title = f"{wrong} of {images} images mismatch" if wrong else "Found beside the answers"
    told = "The first layer, in it the first step, in it the first neuron that differ."
    return PageSection(
        "mismatch", title, parts, told if isinstance(first, dict) else "", "bad"
    )  # fmt: skip


def _rasters(evidence: Evidence, first: dict[str, Any]) -> list[Part]:
    """Spikes of hardware and reference over each other, up to the step of the difference."""
    network, inference, samples = evidence.network, evidence.inference, evidence.samples
    image, spikes = first.get("image"), pick(evidence.report.results, "first_divergence_spikes")
    if not (network and inference and samples and isinstance(image, int)):
        return []
    if not 0 <= image < len(samples):
        return [Text(f"Image {image} is not among those read: take more with --samples.")]
    made: list[Part] = []
    if samples.images.shape[1] in (1, 3):
        made.append(Pictures([Picture(
            "the image", pictures.uri(pictures.of_pixels(samples.images[image])), ONE,
            f"test image {image}", f"label {network.class_names[int(samples.labels[image])]}",
        )]))  # fmt: skip
    live = evidence.hardware.parameters.live_inputs if evidence.hardware else None
    last = int(inference.last_steps()[image])
    if not isinstance(spikes, dict):
        return [*made, Text("The hardware's spikes are not in the results: simulate again.")]
    alone = inference.only(slice(image, image + 1))
    for name, place in sent_places(network).items():
        wanted = sent_spikes(network, alone, place, live)[0]
        got = [{"step": int(step), "neuron": int(neuron)} for step, neuron in spikes.get(name, ())]
        made.append(compared(name, wanted, got, network.t_max, last))
        if np.any(name == first.get("layer")):
            break  # what follows differs because of it
    return made
