"""Random networks, configurations and traffic that shrink: the gateware against the reference.

What fails is made as small as possible and saved as a network file with its images, in the folder
that the message names. `SSTDP_EXAMPLES=1000 pytest tests/rtl/test_properties.py` tries more. The
whole gateware runs in Amaranth's simulator, which starts at once and so shrinks in seconds.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.networks import Case
from support.simulation import Seen, expected_spikes, expected_words, run

from sstdp_hw.blocks.hardware import PIXELS_PER_BEAT, Configuration
from sstdp_hw.network.layers import Dense, Flatten
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.gateware import decision

EXAMPLES = int(os.environ.get("SSTDP_EXAMPLES", "12"))
SMALLEST = Path("build", "smallest-failure")
# The same examples every time, and no clock: what fails here fails everywhere.
SETTINGS = settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@st.composite
def cases(draw, most=6):
    """Networks of one or two layers and up to ``most`` neurons in each; small numbers first."""
    t_max = draw(st.sampled_from([1, 2, 3, 9]))
    inputs = draw(st.integers(1, most))
    levels = draw(st.lists(st.integers(0, t_max), min_size=4, max_size=4))
    layers, lanes, count = [Flatten()], [], inputs
    for _ in range(draw(st.integers(1, 2))):
        neurons, width = draw(st.integers(1, most)), draw(st.sampled_from([1, 2, 4]))
        numbers = (
            st.sampled_from([1, -1])
            if width == 1
            else st.integers(-(1 << width - 1), (1 << width - 1) - 1)
        )
        weight = draw(st.lists(numbers, min_size=neurons * count, max_size=neurons * count))
        threshold = draw(st.lists(st.integers(-3, 8), min_size=neurons, max_size=neurons))
        layers.append(
            Dense(
                np.array(weight, np.int8).reshape(neurons, count),
                np.array(threshold, np.int32),
                width,
            )
        )
        lanes.append(draw(st.integers(1, neurons)))
        count = neurons
    network = Network(
        "shrunk", t_max, (1, 1, inputs), tuple(map(str, range(count))),
        np.repeat(levels, 64).astype(np.uint8), tuple(layers),
    )  # fmt: skip
    pixels = st.sampled_from([0, 64, 128, 192])
    images = draw(
        st.lists(st.lists(pixels, min_size=inputs, max_size=inputs), min_size=1, max_size=5)
    )
    configuration = Configuration(
        tuple(lanes), draw(st.sampled_from(PIXELS_PER_BEAT)), draw(st.booleans())
    )
    return Case(0, network, configuration, np.array(images, np.uint8).reshape(-1, 1, 1, inputs))


def check(case, stalls, seed, folder=SMALLEST):
    """The answers are the reference's, and without early exit every spike; else save the case."""
    inference = reference.run(case.network, case.images)
    try:
        seen = run(
            case.network, case.configuration, case.images, stalls=stalls, seed=seed, limit=20_000
        )
        assert seen.words == expected_words(inference)
        if not case.configuration.early_exit:
            spikes = [
                expected_spikes(case.network, inference, image) for image in range(len(case.images))
            ]
            assert set(seen.spikes) == set.union(*spikes)
            assert len(seen.spikes) == sum(map(len, spikes)), "a spike came twice"
    except AssertionError as failure:
        path = folder / "network.safetensors"
        case.network.save(path)
        np.savez(
            folder / "images.npz", images=case.images, labels=np.zeros(len(case.images), np.int64)
        )
        lanes = ",".join(map(str, case.configuration.lanes))
        early = "" if case.configuration.early_exit else " --no-early-exit"
        raise AssertionError(
            f"{failure}\nsmallest failing network: {path}\n"
            f"sstdp-hw generate {path} --lanes {lanes} --pixels-per-beat "
            f"{case.configuration.pixels_per_beat}{early} --out {folder}/accelerator\n"
            f"sstdp-hw simulate {folder}/accelerator --dataset {folder}/images.npz"
        ) from failure


@SETTINGS
@given(cases(), st.sampled_from([0.0, 0.4, 0.8]), st.integers(0, 3))
def test_gateware_equals_the_reference(case, stalls, seed):
    check(case, stalls, seed)


def lowest_bit_alone(network, configuration, images, **_):
    """What `run` sees of gateware whose decision compares the lowest bit of the margins alone, as a
    signed number: even before odd."""
    inference = reference.run(network, images)
    last = inference.spike_times[-1].reshape(len(images), -1)
    taking_part = inference.silent[:, None] | (last == inference.decision_times[:, None])
    classes = np.where(taking_part, 2 - (inference.margins & 1), 0).argmax(1)
    numbers = range(len(images))
    return Seen(
        words=expected_words(replace(inference, classes=classes)),
        spikes=sorted(set.union(*(expected_spikes(network, inference, n) for n in numbers))),
    )


def test_a_fault_shrinks_to_a_small_network_file(tmp_path, monkeypatch):
    """What is left has one image and two neurons, and the file alone shows the fault in the
    gateware, too, and nothing without it. The way there is of hundreds of networks, so the fault is
    told by the reference on it."""

    @settings(SETTINGS, max_examples=60)
    @given(cases(most=3))
    def broken(case):
        check(case, 0.0, 0, tmp_path)

    with monkeypatch.context() as patch, pytest.raises(AssertionError, match="smallest failing"):
        patch.setattr(f"{__name__}.run", lowest_bit_alone)
        broken()
    network = Network.load(tmp_path / "network.safetensors")
    with np.load(tmp_path / "images.npz") as file:
        images = file["images"]
    assert len(images) == 1 and len(network.class_names) == 2
    lanes = tuple(1 for _ in network.weighted)
    again = Case(0, network, Configuration(lanes, 1, True), images)
    with monkeypatch.context() as patch, pytest.raises(AssertionError, match="smallest failing"):
        patch.setattr(decision, "signed", lambda width: 1)
        check(again, 0.0, 0, tmp_path)
    check(again, 0.0, 0, tmp_path)
