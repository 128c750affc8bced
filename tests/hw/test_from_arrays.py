"""Networks from plain arrays: layers, encoder and quantization in one call."""
# ruff: noqa: E501 - a table of rules reads best with one rule, and its whole message, a line

import numpy as np
import pytest

from sstdp_hw import (
    FloatNetwork,
    Network,
    UserError,
    float_from_arrays,
    from_arrays,
    quantize,
    run,
)
from sstdp_hw.network.ttfs import ttfs_table

RNG = np.random.default_rng(0)
HIDDEN, OUTPUT = RNG.normal(0, 1, (6, 16)), RNG.normal(0, 1, (3, 6))
KERNEL = RNG.normal(0, 1, (2, 1, 3, 3)).astype(np.float32)


def test_dense_layers_in_one_call():
    network = from_arrays([HIDDEN, OUTPUT], [1.5, [1, 2, 3]], t_max=8, weight_width=(4, 6))
    assert isinstance(network, Network)
    assert [layer.name for layer in network.layers] == ["flatten", "6", "3"]
    assert [layer.weight_width for _, layer in network.weighted] == [4, 6]
    assert network.input_shape == (1, 4, 4) and network.class_names == ("0", "1", "2")
    assert np.array_equal(network.encoder, ttfs_table(8, 0))
    floats = float_from_arrays([HIDDEN, OUTPUT], [1.5, [1, 2, 3]], t_max=8)
    assert isinstance(floats, FloatNetwork)
    assert quantize(floats, (4, 6))[0].digest == network.digest
    images = RNG.integers(0, 256, (50, 4, 4)).astype(np.uint8)
    calibrated = from_arrays([HIDDEN, OUTPUT], [1.5, 1], t_max=8, calibration=images)
    assert (
        quantize(float_from_arrays([HIDDEN, OUTPUT], [1.5, 1], t_max=8), 4, calibration=images)[
            0
        ].digest
        == calibrated.digest
    )


def test_convolution_and_pooling():
    weights = [KERNEL, np.ones((4, 2, 2, 2)), np.ones((5, 4))]
    network = from_arrays(
        weights, [1, 2, 3], t_max=4, input_shape=(1, 9, 9), strides=[(1, 2), None, None],
        paddings=[1, 0, None], pools=[(2, 1), (3, 4), None], weight_width=3, cutoff=20, name="conv",
        class_names=list("abcde"),
    )  # fmt: skip
    names = ["conv2k3s1x2p1", "pool2x1", "conv4k2", "pool3x4", "flatten", "5"]
    assert [layer.name for layer in network.layers] == names
    assert network.shapes[1:4] == ((2, 9, 5), (2, 4, 5), (4, 3, 4))
    assert network.encoder[19] == 4 and network.encoder[20] < 4 and network.name == "conv"


def test_integers_and_lists_are_taken():
    whole = np.array([[3, -4], [1, 2]])
    network = from_arrays([whole], [[2, 1]], t_max=3, weight_width=3)
    assert np.array_equal(network.layers[1].weight, whole)
    assert network.layers[1].threshold.tolist() == [2, 1]
    for same in (whole.tolist(), whole.astype(np.float16)):
        assert from_arrays([same], [[2, 1]], t_max=3, weight_width=3).digest == network.digest
    assert run(network, np.zeros((1, 1, 1, 2), np.uint8)).decision_times.tolist() == [2]


def test_an_encoder_of_ones_own():
    table = np.zeros((2, 256), np.uint8)
    network = from_arrays([HIDDEN], [1], t_max=8, encoder=table)
    assert network.planes == 2 and network.input_shape == (1, 1, 8)


REFUSED = {
    "no rank": (([np.ones(3)], [1]), {}, "layer 0 must be [out, in] or [out, in, kh, kw], not [3]"),
    "thresholds": (([HIDDEN, OUTPUT], [1]), {}, "must be one for each of 2 layers, not 1"),
    "threshold per neuron": (([HIDDEN], [[1, 2]]), {}, "layers.1.threshold must have shape [6], not [2]"),
    "encoder of few values": (([HIDDEN], [1]), {"encoder": np.zeros(17, np.uint8)}, "encoder must have 256 spike times, one for every value of 8 bits, not 17; values that no pixel has may get any"),
    "text": (([HIDDEN], ["x"]), {}, "layer 0 must be an array of numbers, not str"),
    "columns": (([HIDDEN, HIDDEN], [1, 1]), {}, "weight must have as many columns as the layer has inputs, 6, not 16"),
    "no image": (([KERNEL, np.ones((2, 2))], [1, 1]), {}, "input_shape must be given with a convolution"),
    "convolution last": (([KERNEL], [1]), {"input_shape": (1, 5, 5)}, "must end with a dense layer"),
    "pooling of dense": (([HIDDEN], [1]), {"pools": [2]}, "layer 0 must be a convolution to have stride, padding or pooling"),
    "stride": (([KERNEL, OUTPUT], [1, 1]), {"input_shape": (1, 5, 5), "strides": [(1, 2, 3), None]}, "layer 0 must be 2 integers, not [1, 2, 3]"),
    "not finite": (([HIDDEN * np.nan], [1]), {}, "layers.1.weight must be finite"),
    "steps": (([HIDDEN], [1]), {"t_max": 0}, "t_max must be between 1 and 255, not 0"),
    "width": (([HIDDEN], [1]), {"weight_width": 17}, "must be between 1 and 16, not 17"),
    "no layer": (([], []), {}, "input_shape must be given"),
    "no sequence": ((5, [1]), {}, "must be a sequence of arrays, not int"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    arrays, settings, text = REFUSED[name]
    with pytest.raises(UserError) as caught:
        from_arrays(*arrays, **{"t_max": 4, **settings})
    assert text in str(caught.value) and "\n" not in str(caught.value)
