"""Convolution and pooling as hardware: which neurons an event reaches, where its weights stand."""

from itertools import product

import numpy as np
import pytest
from support.conv_networks import random_conv, random_conv_case

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.convolution import ConvParameters
from sstdp_hw.blocks.dense import DenseParameters
from sstdp_hw.blocks.feature_map import FeatureMap
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.blocks.pooling import PoolParameters
from sstdp_hw.models.cost import cycle_bound, layer_work
from sstdp_hw.network.layers import Conv2d, Dense, Flatten, Pool2d
from sstdp_hw.network.network import Network
from sstdp_hw.network.reach import Reach
from sstdp_hw.reference import inference as reference


@pytest.mark.parametrize(
    "kernel, stride, padding", list(product(range(1, 6), range(1, 4), range(3)))
)
def test_reach_of_an_axis(kernel, stride, padding):
    """First output, their number, and the kernel offsets side by side, against the definition."""
    for size in range(max(1, kernel - 2 * padding), 12):
        axis = Reach(size, kernel, stride, padding)
        assert sorted(axis.order) == list(range(kernel))
        for i in range(size):
            touched = [
                (o, i + padding - o * stride)
                for o in range(axis.outputs)
                if 0 <= i + padding - o * stride < kernel
            ]
            assert axis.count[i] == len(touched)
            if touched:
                assert axis.first[i] == touched[0][0]
                places = range(axis.place[i], axis.place[i] + len(touched))
                assert [axis.order[place] for place in places] == [k for _, k in touched]


def test_numberings_of_a_feature_map():
    shape = (3, 4, 5)
    packed, fields = FeatureMap.packed(shape, 3), FeatureMap.fields(shape, 4)
    assert (packed.row, packed.column, packed.count) == (15, 3, 60)
    assert (fields.row, fields.column, fields.widths) == (32, 4, (2, 3, 2))
    for numbering in (packed, fields):
        neurons = numbering.neurons
        assert sorted(neurons[neurons >= 0]) == list(range(60))
        c, y, x = 2, 1, 3
        assert neurons[y * numbering.row + x * numbering.column + c] == (c * 4 + y) * 5 + x


def conv_parameters(lanes, channels=6, **options):
    rng = np.random.default_rng(0)
    layer = random_conv(rng, channels, (2, 5, 6), **options)
    return ConvParameters("layers.0", FeatureMap.fields((2, 5, 6), 2), None, "dense", layer, lanes)


def test_weight_memory():
    p = conv_parameters(4, kernel=(3, 2), stride=(2, 1), padding=(1, 0), width=5)
    rows = p.weight_rows()
    assert len(rows) == p.weight_depth == 2 * 3 * 2 * 2
    weight = p.layer.weight.reshape(6, -1)
    for channel, source in product(range(6), range(12)):
        row, lane = p.weight_place(channel, source)
        assert rows[row] >> 5 * lane & 31 == int(weight[channel, source]) & 31


def test_a_walk_finds_the_weights_side_by_side():
    """Down one row of positions the address of the weights rises by one, as the hardware counts."""
    p = conv_parameters(4, kernel=(3, 4), stride=(1, 2), padding=(2, 1), width=4)
    column = p.columns
    for x in range(6):
        offsets = [column.order[column.place[x] + n] for n in range(column.count[x])]
        rows = [p.weight_place(lane, int(k))[0] for k in offsets for lane in (0, 4)]
        assert rows == list(range(rows[0], rows[0] + len(rows))) if rows else True


def test_potentials_cannot_overflow():
    for seed in range(10):
        case = random_conv_case(seed, early_exit=False)
        for p in AcceleratorParameters(case.network, case.configuration).layers:
            if isinstance(p, ConvParameters):
                bright = np.maximum(p.layer.weight.astype(int), 0).sum(axis=(1, 2, 3)) + p.initial
                dark = np.minimum(p.layer.weight.astype(int), 0).sum(axis=(1, 2, 3)) + p.initial
                half = 1 << p.membrane_width - 1
                assert bright.max() < half and dark.min() >= -half


@pytest.mark.parametrize("lanes", [0, 7])
def test_lanes_beyond_the_channels_are_refused(lanes):
    with pytest.raises(UserError) as error:
        conv_parameters(lanes)
    assert str(error.value) == (
        f"Lanes of layers.0 must be between 1 and its 6 output channels, not {lanes}"
    )


def small(*layers, shape=(1, 6, 6)):
    inputs = shape
    for layer in layers:
        inputs = layer.output_shape(inputs)
    out = Dense(np.ones((2, int(np.prod(inputs))), np.int8), np.zeros(2, np.int32), 2)
    return Network(
        "small", 4, shape, ("a", "b"), np.zeros(256, np.uint8), (*layers, Flatten(), out)
    )


def test_blocks_hand_their_numbering_on():
    rng = np.random.default_rng(1)
    conv = random_conv(rng, 3, (1, 6, 6), kernel=(3, 3), stride=(1, 1), padding=(1, 1))
    network = small(conv, Pool2d((2, 2)))
    p = AcceleratorParameters(network, Configuration((2, 2)))
    conv_block, pool_block, dense_block = p.blocks
    assert isinstance(pool_block, PoolParameters) and isinstance(dense_block, DenseParameters)
    assert p.layers == (conv_block, dense_block)
    # Fields for who wants coordinates, no gaps for the dense layer, but for the lane in excess.
    assert conv_block.leaving == FeatureMap.fields((3, 6, 6), 4) == pool_block.arriving
    assert pool_block.leaving == FeatureMap.packed((3, 3, 3), 3)
    assert sorted(dense_block.sources) == list(range(27))


def test_work_is_the_walks_of_the_events():
    """Every pixel fires at once: the work is the number of (pixel, position, group) triples."""
    rng = np.random.default_rng(2)
    conv = random_conv(rng, 5, (1, 6, 6), kernel=(3, 3), stride=(2, 1), padding=(1, 0))
    conv.threshold[:] = 0
    conv.weight[:] = 1
    network = small(conv)
    p = AcceleratorParameters(network, Configuration((2, 2), 1, False))
    inference = reference.run(network, np.zeros((1, 1, 6, 6), np.uint8))
    # Rows of the output see 2, 3 and 3 rows of pixels, columns 3 each; 3 groups at each position.
    assert layer_work(p, inference)[0].tolist() == [(2 + 3 + 3) * (4 * 3) * 3, 5 * 3 * 4]
    assert cycle_bound(p, inference)[0] == 288


BAD = [
    ("kernel too large", Conv2d(np.ones((1, 1, 9, 1), np.int8), np.zeros(1, np.int32), 2, (1, 1),
     (1, 1)), "kernel must not be larger than the padded input 8x8, not 9x1"),
    ("channels", Conv2d(np.ones((1, 2, 1, 1), np.int8), np.zeros(1, np.int32), 2),
     "weight must have as many input channels as its input, 1, not 2"),
    ("pooled to nothing", Pool2d((2, 7)), "kernel must not be larger than its input 6x6, not 2x7"),
]  # fmt: skip


@pytest.mark.parametrize("layer, rule", [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_geometry_that_leaves_nothing_is_one_clear_line(layer, rule):
    out = Dense(np.ones((2, 36), np.int8), np.zeros(2, np.int32), 2)
    with pytest.raises(UserError) as error:
        Network(
            "bad", 4, (1, 6, 6), ("a", "b"), np.zeros(256, np.uint8), (layer, out), source="n.st"
        )
    assert str(error.value) == f"n.st: layers.0 {rule}"
