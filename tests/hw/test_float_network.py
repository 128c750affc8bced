"""The float network: what training hands over, refused if it holds NaN or does not fit."""
# ruff: noqa: E501 - a table of rules reads best with one rule, and its whole message, a line

from dataclasses import replace

import numpy as np
import pytest
from hw.random_networks import float_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.layers import Conv2d, Dense, Flatten, Pool2d
from sstdp_hw.network.load import load_network
from sstdp_hw.network.network import Network
from sstdp_hw.network.tensor_file import read_tensors, write_tensors
from sstdp_hw.quantization.quantize import quantize
from sstdp_hw.reference.inference import run


def test_what_is_written_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    written = float_network(rng, widths=(4, 3), provenance={"dataset": "digits"})
    written.save(tmp_path / "float.safetensors")
    for path in (tmp_path, tmp_path / "float.safetensors"):
        read = FloatNetwork.load(path)
        assert (read.name, read.t_max, read.input_shape) == ("float", 8, (1, 1, 20))
        assert read.provenance == {"dataset": "digits"}
        assert read.scales == written.scales
        for (_, mine), (_, theirs) in zip(written.weighted, read.weighted, strict=True):
            assert np.array_equal(mine.weight, theirs.weight)
            assert np.array_equal(mine.threshold, theirs.threshold)
            assert mine.weight_width == theirs.weight_width


def test_convolution_comes_back(tmp_path):
    conv = Conv2d(np.ones((2, 1, 3, 3), np.float32), np.ones(2, np.float32), 0, (2, 1), (1, 0))
    layers = (conv, Pool2d((1, 2)), Flatten(), Dense(np.ones((2, 2), np.float32), np.zeros(2, np.float32), 0))  # fmt: skip
    network = FloatNetwork(
        "c", 3, (1, 2, 4), ("a", "b"), np.zeros(256, np.uint8), layers, (None,) * 4
    )
    network.save(tmp_path / "f")
    read = FloatNetwork.load(tmp_path / "f")
    assert read.shapes == network.shapes == ((1, 2, 4), (2, 1, 2), (2, 1, 1), (2,), (2,))
    assert (read.layers[0].stride, read.layers[0].padding) == ((2, 1), (1, 0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["weight", "threshold"])
def test_not_finite_is_refused(tmp_path, part, bad):
    network = float_network(np.random.default_rng(0))
    network.save(tmp_path / "f")
    tensors, header = read_tensors(tmp_path / "f", "float network")
    broken = tensors[f"layers.2.{part}"].copy()
    broken.flat[-1] = bad
    write_tensors(tmp_path / "f", {**tensors, f"layers.2.{part}": broken}, header)
    with pytest.raises(UserError) as caught:
        FloatNetwork.load(tmp_path / "f")
    assert str(caught.value) == (
        f"{tmp_path / 'f'}: layers.2.{part} must be finite, and has 1 NaN or infinite of "
        f"{broken.size} values; train again with a lower learning rate"
    )


RULES = [
    ({"t_max": 300}, "t_max must be between 1 and 255, not 300"),
    ({"encoder": np.zeros(256, np.int64)}, "encoder must be uint8, not int64"),
    ({"encoder": np.full(256, 9, np.uint8)}, "encoder must not exceed t_max 8, not 9"),
    ({"input_shape": (1, 1, 19)}, "layers.1 weight must have as many columns as the layer has inputs, 19, not 20"),
    ({"class_names": ("a",)}, "class_names must have one name per output neuron, 4, not 1"),
    ({"scales": (None, 0.0, None)}, "layers.1.scale must be positive and finite, not 0.0"),
    ({"scales": (None, float("nan"), None)}, "layers.1.scale must be positive and finite, not nan"),
    ({"scales": (None,)}, "scales must be one per layer, 3, not 1"),
    ({"layers": (Flatten(),), "scales": (None,)}, "layers must end with a dense layer, whose neurons are the classes, not flatten"),
]  # fmt: skip


@pytest.mark.parametrize("change, message", RULES, ids=[rule[1][:20] for rule in RULES])
def test_rule(change, message):
    network = float_network(np.random.default_rng(0))
    with pytest.raises(UserError) as caught:
        replace(network, **change)
    assert str(caught.value) == f"float network: {message}"


def test_integer_weights_are_no_float_network():
    network = float_network(np.random.default_rng(0))
    last = Dense(np.ones((4, 12), np.int8), np.ones(4, np.float32), 0)
    with pytest.raises(UserError, match=r"layers\.2\.weight must be float32 or float64, not int8"):
        replace(network, layers=(*network.layers[:2], last))


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"layers": 5},
        {"layers": [7]},
        {"layers": [{"kind": "dense"}]},
        {"layers": [{"kind": "loop"}]},
        {"layers": [{"kind": "conv2d", "stride": 1}]},
        {"layers": [], "name": "x", "t_max": "8", "input_shape": [1], "class_names": 3, "provenance": 1},
    ],
)  # fmt: skip
def test_hostile_header_is_one_line(tmp_path, header):
    write_tensors(tmp_path / "f", {"encoder": np.zeros(256, np.uint8)}, header)
    with pytest.raises(UserError) as caught:
        FloatNetwork.load(tmp_path / "f")
    assert str(caught.value).startswith(f"{tmp_path / 'f'}: ")
    assert "\n" not in str(caught.value)


def test_truncated_file(tmp_path):
    float_network(np.random.default_rng(0)).save(tmp_path / "f")
    data = (tmp_path / "f").read_bytes()
    for length in range(0, len(data), 101):
        (tmp_path / "f").write_bytes(data[:length])
        with pytest.raises(UserError, match="must be a whole safetensors file"):
            FloatNetwork.load(tmp_path / "f")


def test_load_network_takes_either_kind(tmp_path):
    network = float_network(np.random.default_rng(0), widths=(4, 4))
    with pytest.raises(UserError, match=r"must hold network\.safetensors or float\.safetensors"):
        load_network(tmp_path)
    network.save(tmp_path / "float.safetensors")
    assert isinstance(load_network(tmp_path), FloatNetwork)
    from sstdp_hw.quantization.quantize import quantize

    quantize(network)[0].save(tmp_path / "network.safetensors")
    assert isinstance(load_network(tmp_path), Network)
    assert isinstance(load_network(tmp_path / "float.safetensors"), FloatNetwork)


def test_a_float_network_of_spikes_comes_back_and_is_quantized(tmp_path):
    written = float_network(np.random.default_rng(1), encoder=None)
    written.save(tmp_path / "float.safetensors")
    read = FloatNetwork.load(tmp_path)
    assert (read.input_kind, read.encoder) == ("spikes", None)
    times = np.random.default_rng(2).integers(0, written.t_max + 1, (9, 1, 1, 20)).astype(np.uint8)
    assert np.array_equal(run(read, times).classes, run(written, times).classes)
    assert quantize(read, (4,))[0].input_kind == "spikes"
