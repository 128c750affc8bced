"""Weights that come at run time, in Amaranth's simulator: answers and spikes equal the reference,
loading again mixes no two networks, and what is not whole and right is refused."""

import random
from dataclasses import replace

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.loading import for_all, loads_of, sibling
from support.networks import random_case, small_network, spiking_case, wide_case
from support.simulation import Load, expected_spikes, expected_words, run

from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.contract.answer import LOAD
from sstdp_hw.contract.fields import unpack
from sstdp_hw.contract.memory_image import (
    REFUSALS,
    STATUS,
    loading_cycles,
    memory_image,
    with_crc,
)
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.verilog import emit


def loadable(configuration):
    return replace(configuration, weights="loadable")


def answers(network, images):
    return expected_words(reference.run(network, images))


def of_first_load(words):
    return [word | 1 << LOAD.offset for word in words]


@pytest.mark.parametrize("seed, stalls", [(0, 0.0), (12, 0.4), (21, 0.4)])
def test_random_networks(seed, stalls):
    case = random_case(seed, early_exit=True, planes=1 + seed % 2)
    seen = run(case.network, loadable(case.configuration), case.images, stalls=stalls, seed=seed)
    assert seen.words == of_first_load(answers(case.network, case.images))


@pytest.mark.parametrize("seed", [5])
def test_random_conv_networks(seed):
    case = random_conv_case(seed, early_exit=True)
    seen = run(case.network, loadable(case.configuration), case.images, stalls=0.2, seed=seed)
    assert seen.words == of_first_load(answers(case.network, case.images))


@pytest.mark.parametrize("make, seed", [
    (random_case, 3), (random_conv_case, 0), (spiking_case, 5)
])  # fmt: skip
def test_every_spike(make, seed):
    case = make(seed, early_exit=False)
    seen = run(case.network, loadable(case.configuration), case.images)
    inference = reference.run(case.network, case.images)
    assert seen.words == of_first_load(expected_words(inference))
    for image in range(len(case.images)):
        expected = expected_spikes(case.network, inference, image, np.True_)
        assert {spike for spike in seen.spikes if spike[1] == image % 8} == expected


def test_a_layer_of_several_slices():
    case = wide_case(103, early_exit=True)
    seen = run(case.network, loadable(case.configuration), case.images[:4])
    assert seen.words == of_first_load(answers(case.network, case.images[:4]))


def test_weights_in_single_port_ram():
    network = small_network()
    images = np.random.default_rng(3).integers(0, 256, (4, 1, 8, 8), np.uint8)
    parameters = AcceleratorParameters(network, Configuration((4, 7), weights="loadable", spram=3))
    assert [layer.weight_style for layer in parameters.layers] == ["spram", "spram"]
    assert "(* spram = 1, no_rw_check = 1 *)" in emit(parameters)
    seen = run(network, parameters.configuration, images, stalls=0.2)
    assert seen.words == of_first_load(answers(network, images))


@pytest.mark.parametrize("make, seed, stalls", [
    (random_case, 12, 0.3), (random_case, 0, 0.0), (random_conv_case, 3, 0.3),
    (spiking_case, 12, 0.3), (spiking_case, 0, 0.0),
])  # fmt: skip
def test_loads_in_a_running_stream_mix_no_two_networks(make, seed, stalls):
    """Networks of one shape in turn, the samples not waiting for them; between them images of the
    memories that are wrong, each followed by a right one."""
    case = make(seed, early_exit=bool(seed % 2), images=12)
    networks = [case.network, sibling(case.network, seed + 1), sibling(case.network, seed + 2)]
    all_of_them = for_all(case.configuration, networks)
    rng = random.Random(seed)
    loads, right = [], []
    for place in (0, 2, 3, 5, 8):
        which = rng.randrange(3)
        words = memory_image(all_of_them[which])
        if place == 5:
            broken = words.copy()
            broken[rng.randrange(3, len(words))] ^= 1 << rng.randrange(31)
            loads.append(Load(broken, place, waits=False))
        loads.append(Load(words, place, waits=False))
        right.append(which)
    configuration = all_of_them[0].configuration
    seen = run(case.network, configuration, case.images, loads=loads, stalls=stalls, seed=seed)
    each = [answers(network, case.images) for network in networks]
    found = loads_of(seen.words, [each[which] for which in right])
    assert len(seen.words) == len(case.images) and max(found) > 1
    refused = [unpack(STATUS, status)["refused"] for *_, status in seen.loads]
    assert refused == [0, 0, 0, REFUSALS.index("crc"), 0, 0]


def wrong_images(words, seed):
    """(what is wrong, words)."""
    rng = np.random.default_rng(seed)

    def changed(place):
        found = words[:-1].copy()
        found[place] ^= np.uint32(1 << int(rng.integers(32)))
        return with_crc(found)

    flipped = words.copy()
    flipped[int(rng.integers(3, len(words)))] ^= np.uint32(1)
    yield "format", changed(0)
    yield "shape", changed(1)
    yield "shape", changed(2)
    yield "crc", flipped
    yield "length", with_crc(words[:-2])
    for length in (1, 2, 3, int(rng.integers(4, len(words))), len(words) - 1):
        yield "length", words[:length]
    yield "length", np.append(words, words[:3])
    yield "length", np.append(words, words)


def test_wrong_images_are_refused_and_nothing_is_answered_before_a_right_one():
    network = small_network()
    parameters = AcceleratorParameters(network, Configuration((7, 7), weights="loadable"))
    images = np.random.default_rng(1).integers(0, 256, (3, 1, 8, 8), np.uint8)
    words = memory_image(parameters)
    wrong = list(wrong_images(words, 5))
    loads = [Load(found, waits=False) for _, found in wrong]
    loads += [Load(words, waits=False), Load(wrong[3][1], 2, waits=False)]
    loads += [Load(words, 2, waits=False)]
    seen = run(network, parameters.configuration, images, loads=loads)
    status = [unpack(STATUS, status) for *_, status in seen.loads]
    reasons = [*(reason for reason, _ in wrong), "none", "crc", "none"]
    assert [REFUSALS[found["refused"]] for found in status] == reasons
    assert [found["loaded"] for found in status] == [int(reason == "none") for reason in reasons]
    assert [found["ended"] for found in status] == list(range(1, len(reasons) + 1))
    found = loads_of(seen.words, [answers(network, images)] * 2)
    assert len(found) == 3


def test_the_verilog_depends_on_the_shape_alone():
    for make, seed in ((random_case, 12), (random_conv_case, 3), (spiking_case, 3)):
        case = make(seed, early_exit=True)
        networks = [case.network, sibling(case.network, 1)]
        texts = {emit(parameters) for parameters in for_all(case.configuration, networks)}
        assert len(texts) == 1


@pytest.mark.parametrize("lanes", [(20, 7)])
def test_loading_takes_as_many_cycles_as_the_model_says(lanes):
    """Offered to an idle chain: a word a cycle, and some."""
    network = small_network()
    parameters = AcceleratorParameters(network, Configuration(lanes, weights="loadable"))
    images = np.random.default_rng(2).integers(0, 256, (2, 1, 8, 8), np.uint8)
    seen = run(network, parameters.configuration, images)
    offered, ended, _ = seen.loads[0]
    assert ended - offered == loading_cycles(parameters)
