"""What is derived from network and configuration: widths, groups, memory contents."""

import numpy as np
import pytest
from hw.random_networks import dense_network, random_weight
from hypothesis import given, settings
from hypothesis import strategies as st
from support.conv_networks import random_conv_case

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks import hardware
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration, DenseParameters
from sstdp_hw.blocks.widths import index_width, pack_rows, signed_width
from sstdp_hw.network.layers import Conv2d, Dense, Flatten, Pool2d
from sstdp_hw.network.network import Network

seeds = st.integers(0, 2**32 - 1)


def parameters(weight, threshold, width, lanes=1, output=False):
    layer = Dense(np.asarray(weight), np.asarray(threshold, np.int32), width)
    return DenseParameters("layers.1", layer, lanes, output, np.arange(layer.inputs))


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_signed_width_is_the_narrowest(one, other):
    low, high = sorted((one, other))
    width = signed_width(low, high)
    assert -(1 << (width - 1)) <= low <= high < 1 << (width - 1)
    if width > 1:
        assert low < -(1 << (width - 2)) or high >= 1 << (width - 2)


@pytest.mark.parametrize(
    "count, width", [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9)]
)
def test_index_width(count, width):
    assert index_width(count) == width


@settings(max_examples=150, deadline=None)
@given(seeds, st.integers(1, 12), st.booleans())
def test_membrane_never_overflows(seed, width, output):
    """In whatever order and number inputs fire, the stored potential stays within its width."""
    rng = np.random.default_rng(seed)
    weight = random_weight(rng, (int(rng.integers(1, 5)), int(rng.integers(1, 20))), width)
    limit = np.iinfo(np.int32)
    reach = int(np.abs(weight.astype(np.int64)).sum())
    threshold = rng.choice(
        [limit.min, limit.max, -1, 0, 1, *(rng.integers(-reach, reach + 1, 5))], len(weight)
    )
    layer = parameters(weight, threshold, width, output=output)
    low, high = -(1 << (layer.membrane_width - 1)), (1 << (layer.membrane_width - 1)) - 1
    orders = [rng.permutation(weight.shape[1]) for _ in range(5)]
    mean = weight.mean(axis=0)
    orders += [np.argsort(mean), np.argsort(-mean), np.argsort(weight[0]), np.argsort(-weight[0])]
    for order in orders:
        path = layer.initial[:, None] + np.cumsum(weight[:, order].astype(np.int64), axis=1)
        assert layer.initial.min() >= low and layer.initial.max() <= high
        assert path.min() >= low and path.max() <= high


@settings(max_examples=150, deadline=None)
@given(seeds, st.integers(1, 12))
def test_membrane_is_no_wider_than_needed(seed, width):
    """The extremes are reached, so that one bit less would overflow."""
    rng = np.random.default_rng(seed)
    weight = random_weight(rng, (3, 8), width).astype(np.int64)
    layer = parameters(weight, rng.integers(-50, 50, 3), width, output=True)
    lowest = (layer.initial + np.minimum(weight, 0).sum(axis=1)).min()
    highest = (layer.initial + np.maximum(weight, 0).sum(axis=1)).max()
    border = 1 << (layer.membrane_width - 2) if layer.membrane_width > 1 else 0
    assert lowest < -border or highest >= border


@settings(max_examples=150, deadline=None)
@given(seeds, st.integers(1, 8))
def test_moved_thresholds_change_no_spike(seed, width):
    """``initial`` of a hidden layer clips thresholds beyond reach; comparisons stay the same."""
    rng = np.random.default_rng(seed)
    weight = random_weight(rng, (6, 5), width).astype(np.int64)
    threshold = rng.choice([-(2**31), 2**31 - 1, -3, 0, 3, 40, -40, 400, -400], 6)
    layer = parameters(weight, threshold, width)
    for subset in range(32):
        chosen = [(subset >> bit) & 1 for bit in range(5)]
        potential = weight @ chosen
        assert np.array_equal(potential > threshold, potential + layer.initial >= 0)


def test_output_layer_keeps_its_thresholds():
    layer = parameters([[1, 1]], [1000], 2, output=True)
    assert layer.initial.tolist() == [-1001]
    assert layer.membrane_width == 11
    assert parameters([[1, 1]], [1000], 2).initial.tolist() == [-3]


@pytest.mark.parametrize("lanes, groups, padding", [(1, 7, 0), (2, 4, 1), (3, 3, 2), (7, 1, 0)])
def test_groups(lanes, groups, padding):
    layer = parameters(np.ones((7, 3), np.int8), np.zeros(7), 2, lanes)
    assert (layer.groups, layer.padding, layer.weight_depth) == (groups, padding, 3 * groups)
    assert len(layer.weight_rows()) == layer.weight_depth
    assert len(layer.initial_rows()) == groups


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 12), st.integers(1, 9))
def test_weight_rows_layout(seed, width, lanes):
    """Row ``group * inputs + input`` holds neuron ``group * lanes + lane`` at ``lane * width``."""
    rng = np.random.default_rng(seed)
    weight = random_weight(rng, (9, 4), width)
    layer = parameters(weight, np.zeros(9), width, lanes)
    rows = layer.weight_rows()
    for group in range(layer.groups):
        for source in range(4):
            row = rows[group * 4 + source]
            assert row < 1 << (lanes * width)
            for lane in range(lanes):
                field = (row >> (lane * width)) & ((1 << width) - 1)
                neuron = group * lanes + lane
                if neuron >= 9:
                    assert field == 0
                elif width == 1:
                    assert field == (weight[neuron, source] == -1)
                else:
                    assert field == int(weight[neuron, source]) % (1 << width)


def test_initial_rows_repeat_the_last_neuron_in_empty_lanes():
    layer = parameters(np.ones((3, 4), np.int8), [0, 1, 2], 2, lanes=2)
    width = layer.membrane_width
    mask = (1 << width) - 1
    fields = [(row & mask, row >> width) for row in layer.initial_rows()]
    assert fields == [(-1 & mask, -2 & mask), (-3 & mask, -3 & mask)]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 5), seeds)
def test_pack_rows(width, columns, rows, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(-(1 << (width - 1)), 1 << (width - 1), (rows, columns))
    wanted = [
        sum((int(value) % (1 << width)) << (width * place) for place, value in enumerate(row))
        for row in values
    ]
    assert pack_rows(values, width) == wanted


@pytest.fixture
def network():
    return dense_network(np.random.default_rng(0), neurons=[20, 5], inputs=(1, 3, 3), t_max=8)


@pytest.mark.parametrize("lanes", [0, -1, 21])
def test_lanes_out_of_range(network, lanes):
    with pytest.raises(UserError) as caught:
        AcceleratorParameters(network, Configuration(lanes=(lanes, 5)))
    assert str(caught.value) == (
        f"Lanes of layers.1 must be between 1 and its 20 neurons, not {lanes}"
    )


def test_lanes_for_each_layer(network):
    with pytest.raises(UserError, match="one number for each of the 2 weighted layers, not 1: 4"):
        AcceleratorParameters(network, Configuration(lanes=(4,)))
    with pytest.raises(UserError, match="not 3: 4,4,4"):
        AcceleratorParameters(network, Configuration(lanes=(4, 4, 4)))


def test_default_lanes(network):
    assert AcceleratorParameters(network, Configuration()).lanes == (16, 5)


@pytest.mark.parametrize("pixels", [0, 3, 16])
def test_pixels_per_beat(pixels):
    with pytest.raises(UserError, match=f"Pixels per beat must be 1, 2, 4 or 8, not {pixels}"):
        Configuration(pixels_per_beat=pixels)


@pytest.mark.parametrize("pixels, beats", [(1, 9), (2, 5), (4, 3), (8, 2)])
def test_beats(network, pixels, beats):
    made = AcceleratorParameters(network, Configuration(pixels_per_beat=pixels))
    assert (made.pixels, made.beats) == (9, beats)


def test_only_the_last_layer_is_output(network):
    made = AcceleratorParameters(network, Configuration())
    assert [layer.output for layer in made.layers] == [False, True]
    assert [layer.name for layer in made.layers] == ["layers.1", "layers.2"]


def test_spontaneous():
    weight = np.ones((2, 2), np.int8)
    assert parameters(weight, [5, -1], 2).spontaneous
    assert not parameters(weight, [5, 0], 2).spontaneous


@pytest.mark.parametrize(
    "pixels_per_beat, order",
    [(1, [1, 4, 6]), (2, [-1, 1, 4, -1, 6]), (4, [-1, 1, -1, -1, 4, -1, 6])],
)
def test_pruned_pixels_take_no_index_where_a_whole_beat_is_dead(pixels_per_beat, order):
    weight = np.zeros((3, 8), np.int8)
    weight[[0, 1, 2], [1, 4, 6]] = [5, -2, 7]
    layers = (Flatten(), Dense(weight, np.zeros(3, np.int32), 4))
    encoder = np.zeros(256, np.uint8)
    network = Network("pruned", 4, (1, 2, 4), ("a", "b", "c"), encoder, layers)
    p = AcceleratorParameters(network, Configuration((3,), pixels_per_beat))
    assert p.input.order.tolist() == order
    words = {1: 5, 4: (-2 & 15) << 4, 6: 7 << 8}
    assert p.layers[0].weight_rows() == [words.get(pixel, 0) for pixel in order]


def test_a_network_whose_pixels_are_all_pruned_has_hardware():
    layers = (Flatten(), Dense(np.zeros((2, 8), np.int8), np.array([0, -1], np.int32), 4))
    network = Network("none", 4, (1, 2, 4), ("a", "b"), np.zeros(256, np.uint8), layers)
    p = AcceleratorParameters(network, Configuration((2,), 4))
    assert p.input.order.tolist() == [-1]
    assert p.layers[0].weight_rows() == [0]


def test_memories_that_no_fpga_has_are_refused_before_they_are_laid_out():
    """A feature map of 65,000 x 65,000 would take tables of hundreds of gigabytes to lay out."""
    names, encoder = ("a", "b"), np.full(256, 3, np.uint8)
    weight = np.ones((16, 1, 3, 3), np.int8)
    layers = (
        Conv2d(weight, np.full(16, 2, np.int32), 4, padding=(32500, 32500)),
        Pool2d((65000, 65000)),
        Flatten(),
        Dense(np.ones((2, 16), np.int8), np.ones(2, np.int32), 4),
    )  # fmt: skip
    network = Network("vast", 8, (1, 8, 8), names, encoder, layers)
    with pytest.raises(UserError) as caught:
        AcceleratorParameters(network, Configuration())
    assert str(caught.value) == (
        "Memories of the layers up to layers.0 must take at most 67,680 Kbit, as much block RAM as "
        "the largest FPGA of the known families has, not 577,743,364 Kbit; make that layer smaller"
    )


@pytest.mark.parametrize("seed", range(3))
def test_memories_of_all_layers_count(seed, monkeypatch):
    case = random_conv_case(seed, early_exit=True)
    made = AcceleratorParameters(case.network, case.configuration)
    bits = sum(block.memory_bits for block in made.blocks)
    monkeypatch.setattr(hardware, "LARGEST_MEMORY", bits)
    AcceleratorParameters(case.network, case.configuration)
    monkeypatch.setattr(hardware, "LARGEST_MEMORY", bits - 1)
    with pytest.raises(UserError, match=f"up to {made.blocks[-1].name} must"):
        AcceleratorParameters(case.network, case.configuration)


@pytest.mark.parametrize(
    ("neurons", "width", "inputs", "lanes", "most"),
    [(4096, 8, 784, 4096, 3855), (2100, 32, 64, 2100, 1771)],
)
def test_words_that_no_tool_can_make(neurons, width, inputs, lanes, most):
    """The limit is Amaranth's: it stopped with an AssertionError in the middle of generating."""
    weight = np.full((neurons, inputs), (1 << (width - 1)) - 1, np.int64)
    weight[:, ::2] *= -1
    threshold = np.zeros(neurons, np.int32)
    text = f"Lanes of layers.1 must be at most {most:,}, not {lanes:,}: each takes"
    with pytest.raises(UserError, match=text):
        parameters(weight, threshold, width, lanes)
    found = parameters(weight, threshold, width, most)
    assert found.most_lanes == most and most * found.membrane_width < 1 << 16


@pytest.mark.parametrize("name", ["a b", "1st", "_a", "a_", "a__b", "a-b", "é", "a;b", "a" * 65])
def test_names_that_are_no_prefix(name):
    with pytest.raises(UserError, match="Name must be letters, digits and single underscores"):
        Configuration(name=name)


def test_a_name_makes_the_top():
    case = random_conv_case(0, early_exit=True)
    tops = [
        AcceleratorParameters(case.network, Configuration(name=name)).top
        for name in ("", "a", "my_net_2")
    ]
    assert tops == ["accelerator", "a_accelerator", "my_net_2_accelerator"]
