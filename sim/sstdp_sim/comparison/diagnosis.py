"""Finds the first divergence between hardware and reference: image, layer, step, neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sstdp_hw.blocks.pipeline import TAG_WIDTH
from sstdp_hw.contract.answer import unpack_answers
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.network.layers import Array
from sstdp_hw.reference.inference import Inference, sent_places, sent_spikes

from ..simulation.memory_harness import External
from ..simulation.packets import Packets
from ..simulation.simulator import Simulation

#: Images played before the one in question; with it they fill the tags that tell images apart.
HISTORY = 7

#: Tags that tell images apart.
TAGS = 1 << TAG_WIDTH


@dataclass(frozen=True)
class Divergence:
    """Where hardware and reference part for the first time in one image.

    Parameters
    ----------
    image : int
        Index in the data set.
    layer : str
        ``input`` or the name of a layer.
    step, neuron : int
    expected, got : str
    """

    image: int
    layer: str
    step: int
    neuron: int
    expected: str
    got: str

    @classmethod
    def of_spike(cls, image: int, layer: str, step: int, neuron: int, wanted: bool) -> Divergence:
        """A spike that is missing (``wanted``) or one too many, as `first_difference` finds it."""
        words = ("a spike", "none") if wanted else ("none", "a spike")
        return cls(image, layer, step, neuron, *words)

    def __str__(self) -> str:
        return (
            f"image {self.image}, {self.layer}, step {self.step}, neuron {self.neuron}: expected "
            f"{self.expected}, got {self.got}"
        )

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def expected_spikes(directory: GeneratedDirectory, inference: Inference, image: int) -> list[Array]:
    """Spike times of ``image`` at every probe, flat."""
    network, live = directory.network, directory.parameters.live_inputs
    places = sent_places(network).values()
    return [sent_spikes(network, inference, place, live)[image] for place in places]


def numbered(spikes: Array) -> Array:
    """Spikes with the number of their image in place of its tag.

    Without early exit every image's end passes every probe, in a streaming layer once for each
    group, one behind the other; the next image with the same tag comes later. Images of a batch
    pass a probe by turns, tile by tile.

    Parameters
    ----------
    spikes : int64 array [K, 4]
        (probe, tag, step, neuron) in order of time, as `spikes.read_spikes` has them.
    """
    found = spikes.copy()
    for probe in np.unique(spikes[:, 0]):
        rows = np.flatnonzero(spikes[:, 0] == probe)
        tags, ends = spikes[rows, 1], spikes[rows, 3] < 0
        closes = ends.copy()
        closes[:-1] &= ~(ends[1:] & (tags[1:] == tags[:-1]))
        for tag in range(TAGS):
            own = tags == tag
            before = np.cumsum(closes[own]) - closes[own]
            found[rows[own], 1] = tag + TAGS * before
    return found


def first_difference(
    names: list[str], expected: list[Array], spikes: Array, last_step: int
) -> tuple[str, int, int, bool] | None:
    """The first layer, in it the first step, in it the first neuron with a spike too many or
    missing.

    Parameters
    ----------
    names : list of str
        One per probe.
    expected : list of uint8 arrays
        Spike times at every probe.
    spikes : int64 array [K, 3]
        (probe, step, neuron) as seen in the hardware.
    last_step : int
        Later steps are not compared.

    Returns
    -------
    layer, step, neuron, whether a spike was expected; None if there is no difference.
    """
    for probe, (name, times) in enumerate(zip(names, expected, strict=True)):
        seen = spikes[(spikes[:, 0] == probe) & (spikes[:, 1] <= last_step) & (spikes[:, 2] >= 0)]
        got = {(int(step), int(neuron)) for _, step, neuron in seen}
        neurons = np.flatnonzero(times <= last_step)
        wanted = {(int(times[neuron]), int(neuron)) for neuron in neurons}
        if got != wanted or len(seen) != len(got):
            step, neuron = min(got ^ wanted, default=(-1, -1))
            return name, step, neuron, (step, neuron) in wanted
    return None


def diagnose(
    directory: GeneratedDirectory,
    verilog: str,
    simulator: str,
    images: Array,
    inference: Inference,
    image: int,
    timeout_cycles: int,
    memories: Array | None = None,
    external: External | None = None,
) -> tuple[Divergence, Array]:
    """Run one image again with every layer watched, after up to `HISTORY` images before it.

    Returns
    -------
    Divergence
    spikes : int64 array [K, 3]
        (probe, step, neuron) of the image, as the hardware had them.

    Parameters
    ----------
    verilog : str
        What was simulated, which a mutation may have changed.
    images : uint8 array [N, ...]
    inference : Inference
        Of the same images.
    image : int
        The one that mismatched.
    memories : uint32 array, optional
        The image of the memories, where weights are loaded.
    external : External, optional
        The external memory, where they stand in one.
    """
    probes = directory.manifest["probes"]
    start = max(image - HISTORY, 0)
    parameters = directory.parameters
    packets = Packets.of(parameters, images[start : image + 1])
    with Simulation.of(
        verilog,
        parameters,
        simulator=simulator,
        probes=probes,
        memories=memories,
        external=external,
    ) as simulation:
        answers = simulation.run(packets, timeout_cycles=timeout_cycles)
    t_max = directory.network.t_max
    expected_class, expected_time = (
        int(inference.classes[image]),
        int(inference.decision_times[image]),
    )
    got_class = got_time = -1
    if len(answers.words) == len(packets):
        word = unpack_answers(answers.words[-1])
        got_class, got_time = int(word["class"]), int(word["decision_time"])
    last_step = t_max - 1
    if directory.manifest["configuration"]["early_exit"] and got_time >= 0:
        last_step = min(expected_time, got_time, t_max - 1)
    spikes = answers.spikes[answers.spikes[:, 1] == image - start][:, [0, 2, 3]]
    names = [probe["layer"] for probe in probes]
    found = first_difference(names, expected_spikes(directory, inference, image), spikes, last_step)
    if found:
        return Divergence.of_spike(image, *found), spikes
    if (got_class, got_time) == (expected_class, expected_time):
        same = Divergence(
            image, names[-1], min(expected_time, t_max - 1), expected_class, "the same again",
            f"the right answer when only {image - start} images come before it",
        )  # fmt: skip
        return same, spikes
    decision = Divergence(
        image, f"decision of {names[-1]}", min(expected_time, t_max - 1), expected_class,
        f"class {expected_class} at step {expected_time}",
        "no answer" if got_class < 0 else f"class {got_class} at step {got_time}",
    )  # fmt: skip
    return decision, spikes


def spikes_by_layer(names: list[str], spikes: Array) -> dict[str, list[list[int]]]:
    """Step and neuron of every spike of an image, in order, by the name of its probe."""
    found: dict[str, list[list[int]]] = {}
    for probe, name in enumerate(names):
        rows = spikes[(spikes[:, 0] == probe) & (spikes[:, 2] >= 0)][:, 1:]
        found[name] = sorted(rows.tolist())
    return found
