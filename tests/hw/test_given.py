"""What a Python caller may hand a network: converted where that changes nothing, else one line."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hw.random_networks import dense_network, float_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.layers import Dense, Pool2d

NETWORKS = [
    dense_network(np.random.default_rng(1), neurons=[3, 2], inputs=(1, 2, 2), t_max=4),
    float_network(np.random.default_rng(1), sizes=(20, 3, 2)),
]


def last(network, **changes):
    return replace(network, layers=(*network.layers[:-1], replace(network.layers[-1], **changes)))


@pytest.mark.parametrize("network", NETWORKS, ids=["integer", "float"])
@pytest.mark.parametrize("convert", [np.ndarray.tolist, torch.from_numpy])
def test_lists_and_tensors_are_taken_as_they_are(network, convert):
    layer = network.layers[-1]
    made = last(network, weight=convert(layer.weight), threshold=convert(layer.threshold))
    made = replace(made, encoder=convert(network.encoder), t_max=np.int64(network.t_max))
    assert type(made.t_max) is int
    assert isinstance(made.encoder, np.ndarray) and made.encoder.dtype == np.uint8
    assert np.array_equal(made.layers[-1].weight, layer.weight)
    assert np.array_equal(made.layers[-1].threshold, layer.threshold)


def test_a_tensor_that_learns_is_taken():
    network = NETWORKS[1]
    weight = torch.nn.Parameter(torch.from_numpy(network.layers[-1].weight))
    assert np.array_equal(last(network, weight=weight).layers[-1].weight, weight.detach().numpy())


@pytest.mark.parametrize("network", NETWORKS, ids=["integer", "float"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": 3}, r"weight must have shape \[\*, \*\], not \[\]"),
        ({"weight": None}, "weight must be an array of numbers, not NoneType"),
        ({"weight": "text"}, "weight must be an array of numbers, not str"),
        ({"weight": [[1], [2, 3]]}, "weight must be an array of numbers, not list"),
        ({"threshold": 5}, r"threshold must have shape \[2\], not \[\]"),
        ({"weight_width": "4"}, "weight_width must be an integer, not str"),
    ],
)
def test_a_layer_of_what_does_not_fit_is_one_line(network, change, message):
    with pytest.raises(UserError, match=message) as told:
        last(network, **change)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("network", NETWORKS, ids=["integer", "float"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": [300] * 256}, "encoder must be uint8, which its values do not fit"),
        ({"t_max": "8"}, "t_max must be an integer, not str"),
        ({"t_max": 4.0}, "t_max must be an integer, not float"),
        ({"name": None}, "name must be text, not NoneType"),
        ({"class_names": "ab"}, "class_names must be a sequence of strings, not str"),
        ({"class_names": [0, 1]}, "class_names must be text, not int"),
        ({"input_shape": 4}, "input_shape must be a sequence of integers, not int"),
        ({"layers": [3]}, "layers.0 must be a Dense, Conv2d, Pool2d or Flatten, not int"),
        ({"layers": Dense(1, 1, 1)}, "layers must be a sequence of layers, not"),
        ({"layers": (Pool2d(2),)}, "layers.0.kernel must be a sequence of integers, not int"),
        ({"provenance": 3}, "provenance must be a dict, not int"),
    ],
)
def test_a_field_of_what_does_not_fit_is_one_line(network, change, message):
    with pytest.raises(UserError, match=message) as told:
        replace(network, **change)
    assert "\n" not in str(told.value)


def test_values_that_integers_cannot_hold_are_refused():
    with pytest.raises(UserError, match="must be int8 or int16 or int32, which its values do not"):
        last(NETWORKS[0], weight=[[0.5, 1, 2], [3, 4, 5]])
    with pytest.raises(UserError, match="scales must be a sequence of numbers or None, not int"):
        replace(NETWORKS[1], scales=3)
    with pytest.raises(UserError, match="scales must be a number, not str"):
        replace(NETWORKS[1], scales=["a"] * len(NETWORKS[1].layers))
