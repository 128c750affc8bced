"""The energy estimate: what is counted, beside plain loops; prices; the ends of the range."""

import json

import numpy as np
import pytest
from hw.random_networks import conv_network, dense_network, random_images
from hw.test_cost import synapses_per_input
from support.networks import random_case, random_dense, with_spikes

from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.models.energy import count_operations, energy_estimate, prices
from sstdp_hw.models.energy.estimate import Range
from sstdp_hw.network.layers import Dense, Flatten
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_hw.reference.additions import additions
from sstdp_hw.report.energy import comparison, energy_section


def accesses(operations, what, block):
    [found] = [one for one in operations.accesses if (one.what, one.block) == (what, block)]
    return found


def test_prices_are_those_of_the_table():
    assert [prices.addition(bits) for bits in (0, 8, 32, 64)] == [0, 0.03, 0.1, 0.2]
    assert [prices.access(8 * 1024 * kb) for kb in (8, 32, 1024)] == pytest.approx([10, 20, 100])
    assert prices.access(1) == prices.access(100) == 10
    together = prices.MULTIPLY_FLOAT32 + prices.ADD_FLOAT32
    assert together == pytest.approx(prices.PAPER_MULTIPLY_ACCUMULATE)
    sizes = [prices.access(2.0**power) for power in range(40)]
    assert sizes == sorted(sizes) and sizes[-1] > 100


def test_a_network_by_hand():
    """Four pixels, three neurons on two lanes: two groups; the fourth pixel is dark."""
    weight = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [-1, 0, 0, 0]], np.int8)
    layer = Dense(weight, np.array([2, 5, 5], np.int32), 2)
    encoder = np.full(256, 2, np.uint8)
    encoder[255], encoder[128] = 0, 1
    network = Network("hand", 2, (1, 2, 2), ("a", "b", "c"), encoder, (Flatten(), layer))
    images = np.array([[[[255, 255], [255, 0]]], [[[128, 128], [0, 0]]]], np.uint8)
    parameters = AcceleratorParameters(network, Configuration((2,)))
    [block] = parameters.layers
    operations = count_operations(parameters, reference.run(network, images))
    [added] = operations.additions  # 3 and 2 spikes
    assert (added.needed, added.done, added.bits) == (7.5, 10, block.membrane_width)
    weights = accesses(operations, "weights", "layers.1")
    assert (weights.reads, weights.writes, weights.word_bits, weights.memory_bits) == (5, 0, 4, 32)
    potentials = accesses(operations, "potentials", "layers.1")
    assert (potentials.reads, potentials.writes, potentials.registers) == (5, 5, False)
    assert accesses(operations, "table of spike times", "input").reads == 4
    assert accesses(operations, "links of lists", "input").count == 2 * 2.5
    estimate = energy_estimate(parameters, reference.run(network, images))
    by_name = {(what, block): energy for what, block, energy in estimate.parts}
    assert by_name["weights", "layers.1"].low == pytest.approx(5 * 4 / 64 * 10)
    assert by_name["weights", "layers.1"].high == pytest.approx(5 * 10)
    assert by_name["additions", "layers.1"].high == pytest.approx(10 * 0.1)
    assert estimate.paper_spiking == pytest.approx(7.5 * 0.9)
    assert estimate.paper_conventional == pytest.approx(12 * 4.6)
    alone = count_operations(
        AcceleratorParameters(network, Configuration((3,))), reference.run(network, images)
    )
    assert accesses(alone, "potentials", "layers.1").registers


def test_one_memory_of_all_words_is_the_high_end():
    """80 KB of weights make every other word as dear as theirs, whose own end is theirs alone."""
    rng = np.random.default_rng(0)
    layer = random_dense(rng, 200, 400, 8)
    network = Network(
        "large", 4, (1, 20, 20), tuple(map(str, range(200))), np.zeros(256, np.uint8),
        (Flatten(), layer),
    )  # fmt: skip
    parameters = AcceleratorParameters(network, Configuration((8,)))
    inference = reference.run(network, np.zeros((1, 1, 20, 20), np.uint8))
    estimate = energy_estimate(parameters, inference)
    by_name = {(what, block): energy for what, block, energy in estimate.parts}
    queue = accesses(estimate.operations, "queue of events", "input")
    whole = prices.access(estimate.operations.memory_bits)
    assert 30 < whole < 40 and queue.count == 800
    assert by_name["queue of events", "input"].high == pytest.approx(800 * whole)
    assert by_name["queue of events", "input"].low == pytest.approx(800 * queue.word_bits / 6.4)
    assert by_name["weights", "layers.1"].low == pytest.approx(400 * 25 * prices.access(8 * 80_000))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("architecture", ["streaming", "sequential"])
def test_counts_beside_plain_loops(seed, architecture):
    rng = np.random.default_rng(seed)
    network = (conv_network if seed % 2 else dense_network)(rng)
    exits = seed % 4 < 2
    configuration = Configuration(
        (1,) if architecture == "sequential" else None, 2, exits, architecture=architecture
    )
    parameters = AcceleratorParameters(network, configuration)
    inference = reference.run(network, random_images(rng, network, 5))
    operations = count_operations(parameters, inference)
    walked = needed = 0
    for number, (index, layer) in enumerate(network.weighted):
        shape = network.shapes[index]
        reached = synapses_per_input(layer, shape, network.shapes[index + 1])
        block = parameters.layers[number]
        found = operations.additions[number]
        own = words = 0
        for image in range(5):
            last = network.t_max - 1
            stops = architecture == "streaming" or number == len(network.weighted) - 1
            if exits and stops and not inference.silent[image]:
                last = int(inference.decision_times[image])
            arrived = inference.spike_times[index][image].reshape(shape) <= last
            if network.takes_pixels(index):
                arrived &= network.live_inputs.reshape(shape)
            own += int(reached[arrived].sum())
            words += int((reached[arrived] // layer.outputs).sum()) * block.groups
        assert found.needed == pytest.approx(own / 5)
        assert found.done == pytest.approx(words / 5 * block.lanes) and found.done >= found.needed
        walked, needed = walked + words / 5, needed + found.needed
        if architecture == "streaming":
            assert accesses(operations, "weights", block.name).reads == pytest.approx(words / 5)
    if architecture == "sequential":
        assert accesses(operations, "weights", "engine").reads == pytest.approx(walked)
    else:
        whole = additions(network, inference, up_to_decision=exits).mean()
        assert needed == pytest.approx(whole)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["rom", "loadable", "spikes", "sequential"])
def test_the_low_end_is_below_the_high_one_in_every_part(seed, kind):
    case = random_case(seed, early_exit=True, images=4)
    configuration = case.configuration
    if kind == "spikes":
        case = with_spikes(case)
        configuration = case.configuration
    elif kind == "loadable":
        configuration = Configuration(configuration.lanes, weights="loadable")
    elif kind == "sequential":
        configuration = Configuration((1,), architecture="sequential")
    parameters = AcceleratorParameters(case.network, configuration)
    estimate = energy_estimate(parameters, reference.run(case.network, case.images))
    for what, block, energy in estimate.parts:
        assert 0 <= energy.low <= energy.high * (1 + 1e-9), (what, block)
    assert estimate.total.low <= estimate.total.high
    for energy in (estimate.int8, estimate.float32):
        assert 0 < energy.low <= energy.high
    assert estimate.int8.low < estimate.float32.low and estimate.int8.high < estimate.float32.high
    found = estimate.to_json()
    assert json.loads(json.dumps(found)) == found
    summed = sum(part["picojoules"]["high"] for part in found["parts"])
    assert summed == pytest.approx(found["picojoules"]["high"], abs=len(found["parts"]))
    assert len(comparison(found)) == 5
    text = energy_section(found).as_markdown()
    assert "an estimate" in text and "Not measured" in text and "static power" in text


@pytest.mark.parametrize(
    "low, high, text",
    [
        (0, 0.5, "0 to 0.50 pJ"), (3.14159, 31.4159, "3.1 to 31 pJ"), (60, 1234, "0.060 to 1.2 nJ"),
        (2.2e5, 8.4e5, "220 to 840 nJ"), (5e9, 5e12, "5.0 to 5,000 mJ"), (900, 900, "900 pJ"),
    ],
)  # fmt: skip
def test_figures_have_two_digits(low, high, text):
    assert str(Range(low, high)) == text
