"""Networks named in text, and the one clear line for those that cannot be."""

from __future__ import annotations

import pytest

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.layers import KINDS, Flatten
from sstdp_train.network.export import FILED
from sstdp_train.network.layers import MODULES
from sstdp_train.recipes.architecture import (
    SPECS,
    ConvSpec,
    DenseSpec,
    PoolSpec,
    canonical,
    parse,
    place,
    weighted_layers,
)
from sstdp_train.recipes.recipe import Recipe


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("400", DenseSpec(400)),
        (400, DenseSpec(400)),
        ("conv16k5", ConvSpec(16, (5, 5))),
        ("conv16k3s2p1", ConvSpec(16, (3, 3), (2, 2), (1, 1))),
        ("conv4k3x5p1x2", ConvSpec(4, (3, 5), (1, 1), (1, 2))),
        ("conv4k3s1x2", ConvSpec(4, (3, 3), (1, 2))),
        ("pool2", PoolSpec((2, 2))),
        ("pool2x1", PoolSpec((2, 1))),
    ],
)
def test_names_and_specs(name, spec):
    assert parse(name) == spec
    assert str(spec) == str(name)


def test_the_shortest_name_is_the_name():
    given = ("conv16k5x5s1p0", "pool2x2", "0400")
    assert canonical(given) == ("conv16k5", "pool2", 400)
    assert Recipe(layers=given).layers == ("conv16k5", "pool2", 400)
    assert weighted_layers(given) == 3


def test_shapes_follow():
    placed = place(("conv16k5", "pool2", "conv32k5", "pool2", 400), (1, 28, 28), 10)
    shapes = [layer.outputs for layer in placed]
    assert shapes == [(16, 24, 24), (16, 12, 12), (32, 8, 8), (32, 4, 4), (400,), (10,)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("convolution", "must be a number of neurons, or like conv16k5, conv16k3s2p1, pool2"),
        ("conv16", "Layer 'conv16': must be a number of neurons, or like"),
        ("conv16k5s", "must be a number of neurons, or like"),
        ("-3", "must be a number of neurons, or like"),
        ("0", "Layer 0: neurons must be between 1 and 65535, not 0"),
        ("conv0k5", "Layer conv0k5: channels must be between 1 and 65535, not 0"),
        ("conv8k0", "Layer conv8k0: kernel must be between 1 and 65535, not 0"),
        ("conv8k3s0", "Layer conv8k3s0: stride must be between 1 and 65535, not 0"),
        ("conv8k3p99999", "padding must be between 0 and 65535, not 99999"),
        ("pool0", "Layer pool0: kernel must be between 1 and 65535, not 0"),
        ("pool3s2", "Layer pool3s2: pooling must have no stride of its own"),
    ],
)
def test_names_that_are_none(name, message):
    with pytest.raises(UserError, match=message) as told:
        Recipe(layers=(name,))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (("conv8k9",), r"Layer 1 \(conv8k9\) on an input of 1x6x6: kernel must not be larger than "
                       "the padded input 6x6, not 9x9"),
        (("conv8k5", "conv8k3p0"), r"Layer 2 \(conv8k3\) on an input of 8x2x2: kernel must not"),
        (("conv8k3", "pool5"), r"Layer 2 \(pool5\) on an input of 8x4x4: kernel must not be larger "
                               "than its input 4x4, not 5x5"),
        ((20, "conv8k3"), r"Layer 2 \(conv8k3\) on an input of 20: conv2d needs an input of 3 dim"),
        ((20, "pool2"), r"Layer 2 \(pool2\) on an input of 20: pool2d needs an input of 3 dim"),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit(layers, message):
    with pytest.raises(UserError, match=message) as told:
        place(layers, (1, 6, 6), 4)
    assert "\n" not in str(told.value)


def test_pruning_is_for_pixels():
    with pytest.raises(UserError, match="pruning must be 0 unless the first layer is fully conn"):
        Recipe(layers=("conv8k3",), pruning=0.3)


def test_one_width_per_layer_with_weights():
    layers = ("conv8k3", "pool2", 20)
    assert Recipe(layers=layers, weight_widths=(4, 3, 2)).weight_widths == (4, 3, 2)
    with pytest.raises(UserError, match="one width per weighted layer, 3, not 4"):
        Recipe(layers=layers, weight_widths=(4, 3, 2, 1))


def test_every_kind_of_the_network_file_can_be_named_trained_and_exported():
    kinds = set(KINDS) - {Flatten.kind}  # goes without saying
    assert set(SPECS) == set(MODULES) == set(FILED) == kinds
