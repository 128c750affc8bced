"""The network file: what is written comes back, and every broken rule is one clear line."""
# ruff: noqa: E501 - a table of rules reads best with one rule, and its whole message, a line

import json
from dataclasses import replace

import numpy as np
import pytest
from hw.random_networks import conv_network, dense_network
from safetensors import safe_open
from safetensors.numpy import save_file

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.layers import Conv2d, Dense, Flatten, Pool2d
from sstdp_hw.network.network import Network


@pytest.fixture
def network():
    return Network(
        name="small",
        t_max=4,
        input_shape=(1, 4, 4),
        class_names=("no", "yes"),
        encoder=np.full(256, 2, np.uint8),
        layers=(
            Conv2d(np.ones((2, 1, 3, 3), np.int8), np.zeros(2, np.int32), 2, (1, 1), (1, 1)),
            Pool2d((2, 2)),
            Flatten(),
            Dense(np.full((2, 8), -3, np.int16), np.array([5, -5], np.int32), 3),
        ),
        provenance={"dataset": "none", "scales": [0.5, 0.25]},
    )


def contents(path):
    with safe_open(str(path), framework="numpy") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return tensors, json.loads(opened.metadata()["sstdp_hw"])


def write(path, tensors, header):
    text = header if isinstance(header, str) else json.dumps(header)
    save_file(tensors, str(path), metadata={"sstdp_hw": text})


def assert_same(one, other):
    for name in ("name", "t_max", "input_shape", "class_names", "provenance", "digest"):
        assert getattr(one, name) == getattr(other, name)
    assert np.array_equal(one.encoder, other.encoder)
    for mine, theirs in zip(one.layers, other.layers, strict=True):
        assert type(mine) is type(theirs)
        for name in ("stride", "padding", "kernel", "weight_width"):
            assert getattr(mine, name, None) == getattr(theirs, name, None)
        if isinstance(mine, Conv2d | Dense):
            assert mine.weight.dtype == theirs.weight.dtype
            assert np.array_equal(mine.weight, theirs.weight)
            assert np.array_equal(mine.threshold, theirs.threshold)


@pytest.mark.parametrize("make", [dense_network, conv_network])
def test_what_is_written_comes_back(tmp_path, make):
    rng = np.random.default_rng(1)
    for number in range(15):
        written = make(rng)
        written.save(tmp_path / f"{number}.safetensors")
        assert_same(written, Network.load(tmp_path / f"{number}.safetensors"))


def test_same_network_same_bytes(tmp_path, network):
    network.save(tmp_path / "a")
    network.save(tmp_path / "b")
    Network.load(tmp_path / "a").save(tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


def test_header_is_the_documented_one(tmp_path, network):
    network.save(tmp_path / "n")
    tensors, header = contents(tmp_path / "n")
    assert sorted(tensors) == [
        "encoder", "layers.0.threshold", "layers.0.weight", "layers.3.threshold", "layers.3.weight",
    ]  # fmt: skip
    assert header == {
        "format_version": 1,
        "name": "small",
        "t_max": 4,
        "input_shape": [1, 4, 4],
        "class_names": ["no", "yes"],
        "layers": [
            {"kind": "conv2d", "stride": [1, 1], "padding": [1, 1], "weight_width": 2},
            {"kind": "pool2d", "kernel": [2, 2]},
            {"kind": "flatten"},
            {"kind": "dense", "weight_width": 3},
        ],
        "provenance": {"dataset": "none", "scales": [0.5, 0.25]},
    }


def test_digest_counts_what_the_hardware_depends_on(network):
    assert (
        replace(network, name="x", provenance={}, class_names=("a", "b")).digest == network.digest
    )
    assert replace(network, t_max=5).digest != network.digest
    other = network.encoder.copy()
    other[255] = 0
    assert replace(network, encoder=other).digest != network.digest
    last = network.layers[3]
    moved = Dense(last.weight, last.threshold + np.int32(1), 3)
    assert replace(network, layers=(*network.layers[:3], moved)).digest != network.digest


HEADER_RULES = [
    # name, change of the header, the message after the file name
    ("version", {"format_version": 3}, "format_version must be 1 or 2, not 3"),
    ("version type", {"format_version": True}, "format_version must be an integer, not true"),
    ("version missing", {"format_version": None}, "format_version must be present in the metadata, and is missing"),
    ("name", {"name": 5}, "name must be a string, not 5"),
    ("t_max zero", {"t_max": 0}, "t_max must be between 1 and 255, not 0"),
    ("t_max high", {"t_max": 256}, "t_max must be between 1 and 255, not 256"),
    ("t_max type", {"t_max": 8.0}, "t_max must be an integer, not 8.0"),
    ("t_max below encoder", {"t_max": 1}, "encoder must not exceed t_max 1, not 2"),
    ("shape rank", {"input_shape": [4, 4]}, "input_shape must be 3 integers below 65536, not [4, 4]"),
    ("shape zero", {"input_shape": [1, 0, 4]}, "input_shape must be three positive integers, not [1, 0, 4]"),
    ("shape huge", {"input_shape": [1, 1 << 40, 1]}, "input_shape must be 3 integers below 65536, not [1, 1099511627776, 1]"),
    ("shape bool", {"input_shape": [True, 4, 4]}, "input_shape must be 3 integers below 65536, not [true, 4, 4]"),
    ("shape text", {"input_shape": "144"}, 'input_shape must be a list, not "144"'),
    ("class count", {"class_names": ["a"]}, "class_names must have one name per output neuron, 2, not 1"),
    ("class type", {"class_names": ["a", 1]}, 'class_names must be a list of strings, not ["a", 1]'),
    ("provenance", {"provenance": []}, "provenance must be an object, not []"),
    ("no layers", {"layers": []}, "layers must end with a dense layer, whose neurons are the classes, not no layer at all"),
    ("layers type", {"layers": {}}, "layers must be a list of objects, not {}"),
]  # fmt: skip

LAYER_RULES = [
    # name, layer, its new entry, message
    ("kind", 2, {"kind": "relu"}, 'layers.2 must be an object with kind dense or conv2d or pool2d or flatten, not {"kind": "relu"}'),
    ("kind type", 2, {"kind": []}, 'layers.2 must be an object with kind dense or conv2d or pool2d or flatten, not {"kind": []}'),
    ("entry type", 2, 7, "layers.2 must be an object with kind dense or conv2d or pool2d or flatten, not 7"),
    ("width missing", 3, {"kind": "dense"}, "layers.3.weight_width must be present, and is missing"),
    ("width type", 3, {"kind": "dense", "weight_width": "4"}, 'layers.3.weight_width must be an integer, not "4"'),
    ("width bool", 3, {"kind": "dense", "weight_width": True}, "layers.3.weight_width must be an integer, not true"),
    ("width zero", 3, {"kind": "dense", "weight_width": 0}, "layers.3.weight_width must be between 1 and 32, not 0"),
    ("width high", 3, {"kind": "dense", "weight_width": 33}, "layers.3.weight_width must be between 1 and 32, not 33"),
    ("weight beyond width", 3, {"kind": "dense", "weight_width": 2}, "layers.3.weight must fit in weight_width (2 bit), and spans -3 to -3"),
    ("weight beyond one bit", 3, {"kind": "dense", "weight_width": 1}, "layers.3.weight must be -1 or +1 (1 bit), and spans -3 to -3"),
    ("unknown field", 3, {"kind": "dense", "weight_width": 3, "bias": 1}, "layers.3 must have no field 'bias' in a dense layer"),
    ("stride zero", 0, {"kind": "conv2d", "weight_width": 2, "stride": [0, 1], "padding": [1, 1]}, "layers.0.stride must be positive, not [0, 1]"),
    ("stride rank", 0, {"kind": "conv2d", "weight_width": 2, "stride": 1}, "layers.0.stride must be 2 integers below 65536, not 1"),
    ("padding negative", 0, {"kind": "conv2d", "weight_width": 2, "padding": [-1, 0]}, "layers.0.padding must be 2 integers below 65536, not [-1, 0]"),
    ("kernel zero", 1, {"kind": "pool2d", "kernel": [2, 0]}, "layers.1.kernel must be positive, not [2, 0]"),
    ("kernel large", 1, {"kind": "pool2d", "kernel": [5, 2]}, "layers.1 kernel must not be larger than its input 4x4, not 5x2"),
    ("does not fit", 1, {"kind": "pool2d", "kernel": [1, 2]}, "layers.3 weight must have as many columns as the layer has inputs, 16, not 8"),
    ("pool after flatten", 1, {"kind": "flatten"}, "layers.3 weight must have as many columns as the layer has inputs, 32, not 8"),
    ("dense as conv", 3, {"kind": "conv2d", "weight_width": 3}, "layers.3.weight must have shape [*, *, *, *], not [2, 8]"),
]  # fmt: skip

TENSOR_RULES = [
    # name, tensor, new value (None removes it), message
    ("encoder type", "encoder", np.zeros(256, np.int32), "encoder must be uint8, not int32"),
    ("encoder length", "encoder", np.zeros(255, np.uint8), "encoder must have shape [256], not [255]"),
    ("encoder range", "encoder", np.full(256, 5, np.uint8), "encoder must not exceed t_max 4, not 5"),
    ("encoder missing", "encoder", None, "encoder must be present as a tensor, and is missing"),
    ("weight float", "layers.3.weight", np.zeros((2, 8), np.float32), "layers.3.weight must be int8 or int16 or int32, not float32"),
    ("weight int64", "layers.3.weight", np.zeros((2, 8), np.int64), "layers.3.weight must be int8 or int16 or int32, not int64"),
    ("weight rank", "layers.3.weight", np.zeros(16, np.int8), "layers.3.weight must have shape [*, *], not [16]"),
    ("weight empty", "layers.3.weight", np.zeros((0, 8), np.int8), "layers.3.weight must have shape [*, *], not [0, 8]"),
    ("weight missing", "layers.3.weight", None, "layers.3.weight must be present as a tensor, and is missing"),
    ("conv channels", "layers.0.weight", np.zeros((2, 3, 3, 3), np.int8), "layers.0 weight must have as many input channels as its input, 1, not 3"),
    ("conv kernel", "layers.0.weight", np.zeros((2, 1, 7, 3), np.int8), "layers.0 kernel must not be larger than the padded input 6x6, not 7x3"),
    ("threshold type", "layers.3.threshold", np.zeros(2, np.int64), "layers.3.threshold must be int32, not int64"),
    ("threshold length", "layers.3.threshold", np.zeros(3, np.int32), "layers.3.threshold must have shape [2], not [3]"),
    ("threshold missing", "layers.0.threshold", None, "layers.0.threshold must be present as a tensor, and is missing"),
    ("extra tensor", "layers.9.weight", np.zeros(1, np.int8), "tensors must each belong to a layer, not 'layers.9.weight'"),
]  # fmt: skip


def refused(path):
    with pytest.raises(UserError) as caught:
        Network.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.fixture
def parts(tmp_path, network):
    network.save(tmp_path / "good")
    return contents(tmp_path / "good")


@pytest.mark.parametrize("change, message", [rule[1:] for rule in HEADER_RULES],
                         ids=[rule[0] for rule in HEADER_RULES])  # fmt: skip
def test_header_rule(tmp_path, parts, change, message):
    tensors, header = parts
    header |= change
    write(tmp_path / "bad", tensors, {k: v for k, v in header.items() if v is not None})
    assert refused(tmp_path / "bad") == message


@pytest.mark.parametrize("index, entry, message", [rule[1:] for rule in LAYER_RULES],
                         ids=[rule[0] for rule in LAYER_RULES])  # fmt: skip
def test_layer_rule(tmp_path, parts, index, entry, message):
    tensors, header = parts
    header["layers"][index] = entry
    write(tmp_path / "bad", tensors, header)
    assert refused(tmp_path / "bad") == message


@pytest.mark.parametrize("name, value, message", [rule[1:] for rule in TENSOR_RULES],
                         ids=[rule[0] for rule in TENSOR_RULES])  # fmt: skip
def test_tensor_rule(tmp_path, parts, name, value, message):
    tensors, header = parts
    tensors[name] = value
    write(tmp_path / "bad", {k: v for k, v in tensors.items() if v is not None}, header)
    assert refused(tmp_path / "bad") == message


@pytest.mark.parametrize("field", ["stride", "padding"])
def test_what_a_file_may_not_hold_is_not_a_network_either(network, field):
    """Else a network could be saved that cannot be read again."""
    index, conv = next((n, x) for n, x in enumerate(network.layers) if x.kind == "conv2d")
    layers = list(network.layers)
    layers[index] = replace(conv, **{field: (1, 1 << 16)})
    with pytest.raises(UserError, match=rf"layers\.{index}\.{field} must be below 65536, not"):
        replace(network, layers=tuple(layers))


def test_conv_after_flatten_does_not_fit(network):
    layers = (Flatten(), *network.layers)
    with pytest.raises(UserError, match=r"layers\.1 conv2d needs an input of 3 dimensions, not"):
        replace(network, layers=layers)


def test_at_most_256_classes(network):
    last = Dense(np.ones((257, 8), np.int8), np.zeros(257, np.int32), 2)
    with pytest.raises(UserError, match="layers must end in at most 256 classes, not 257"):
        replace(network, layers=(*network.layers[:3], last), class_names=("c",) * 257)


def test_last_layer_must_be_dense(network):
    with pytest.raises(UserError, match=r"must end with a dense layer, .* not pool2d"):
        replace(network, layers=network.layers[:2])


HOSTILE_JSON = [
    "", "null", "[]", "7", "{", '{"format_version": 1}', "[" * 100_000, "\x00", '{"a": NaN}',
    '{"format_version": 1, "layers": ' + "[" * 50_000, "9" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE_JSON, ids=range(len(HOSTILE_JSON)))
def test_hostile_json(tmp_path, parts, text):
    write(tmp_path / "bad", parts[0], text)
    assert len(refused(tmp_path / "bad")) < 400


def test_no_metadata(tmp_path, parts):
    save_file(parts[0], str(tmp_path / "bad"))
    assert refused(tmp_path / "bad") == (
        "the network must have the metadata entry 'sstdp_hw', not none"
    )


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="no such network file"):
        Network.load(tmp_path / "none")


def test_truncated_file(tmp_path, network):
    network.save(tmp_path / "good")
    data = (tmp_path / "good").read_bytes()
    for length in [*range(40), *range(40, len(data), 37), len(data) - 1]:
        (tmp_path / "bad").write_bytes(data[:length])
        assert "must be a whole safetensors file" in refused(tmp_path / "bad"), length


def test_trailing_bytes(tmp_path, network):
    network.save(tmp_path / "good")
    (tmp_path / "bad").write_bytes((tmp_path / "good").read_bytes() + b"\0")
    assert "must be a whole safetensors file" in refused(tmp_path / "bad")


def test_flipped_bytes_raise_nothing_else(tmp_path, network):
    """A damaged file is refused or read as some valid network, and never crashes the reader."""
    network.save(tmp_path / "good")
    data = (tmp_path / "good").read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(200):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), 3):
            damaged[position] ^= 1 << int(rng.integers(0, 8))
        (tmp_path / "bad").write_bytes(damaged)
        try:
            Network.load(tmp_path / "bad")
        except UserError as error:
            assert "\n" not in str(error)


def test_nothing_half_written(tmp_path, network):
    bad = replace(network, provenance={"loss": float("nan")})
    with pytest.raises(UserError, match="provenance must be JSON of finite numbers"):
        bad.save(tmp_path / "bad")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width", range(2, 33))
def test_borders_of_each_width(width):
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1

    def make(*weights):
        layer = Dense(np.array([weights], np.int32), np.zeros(1, np.int32), width)
        return Network("n", 1, (1, 1, 2), ("a",), np.zeros(256, np.uint8), (Flatten(), layer))

    make(low, high)
    for weight in (low - 1, high + 1):
        if -(1 << 31) <= weight < 1 << 31:
            with pytest.raises(UserError, match="must fit in weight_width"):
                make(0, weight)


def planes_network(planes=2, **fields):
    """2 channels, 3x3, ``planes`` tables, one dense layer."""
    encoder = np.arange(planes)[:, None] * np.ones(256, int)
    count = 2 * 9 * planes
    return Network(
        **{
            "name": "planes",
            "t_max": 4,
            "input_shape": (2, 3, 3),
            "class_names": ("no", "yes"),
            "encoder": encoder.astype(np.uint8),
            "layers": (Dense(np.ones((2, count), np.int8), np.zeros(2, np.int32), 2),),
            **fields,
        }
    )


@pytest.mark.parametrize("planes", [2, 3, 4])
def test_planes_come_back_as_version_2(tmp_path, planes):
    written = planes_network(planes)
    written.save(tmp_path / "n")
    tensors, header = contents(tmp_path / "n")
    assert (header["format_version"], header["input"]) == (2, {"kind": "pixels"})
    assert header["input_shape"] == [2, 3, 3]
    assert tensors["encoder"].shape == (planes, 256)
    assert_same(written, Network.load(tmp_path / "n"))
    assert written.shapes[0] == (2 * planes, 3, 3)


def test_version_2_that_version_1_can_hold_is_the_same_network(tmp_path, network):
    network.save(tmp_path / "1")
    tensors, header = contents(tmp_path / "1")
    assert header["format_version"] == 1 and "input" not in header
    for encoder in (tensors["encoder"], tensors["encoder"][None]):
        for given in ({}, {"input": {"kind": "pixels"}}):
            header_2 = {**header, "format_version": 2, **given}
            write(tmp_path / "2", {**tensors, "encoder": encoder}, header_2)
            read = Network.load(tmp_path / "2")
            assert_same(network, read)
            read.save(tmp_path / "3")
            assert (tmp_path / "1").read_bytes() == (tmp_path / "3").read_bytes()


PLANE_RULES = [
    ({"input": {"kind": "sound"}}, {}, "input must be an object with kind pixels or spikes, not {\"kind\": \"sound\"}"),
    ({"input": "pixels"}, {}, "input must be an object with kind pixels or spikes, not \"pixels\""),
    ({"format_version": 3}, {}, "format_version must be 1 or 2, not 3"),
    ({}, {"encoder": np.zeros((5, 256), np.uint8)}, "encoder must have shape [256], not [5, 256]"),
    ({}, {"encoder": np.zeros((2, 255), np.uint8)}, "encoder must have shape [*, 256], not [2, 255]"),
    ({}, {"encoder": np.full((2, 256), 5, np.uint8)}, "encoder must not exceed t_max 4, not 5"),
    ({}, {"encoder": np.zeros((3, 256), np.uint8)}, "layers.0 weight must have as many columns as the layer has inputs, 54, not 36"),
]  # fmt: skip


@pytest.mark.parametrize(
    "change, tensors_changed, message", PLANE_RULES, ids=[r[2][:30] for r in PLANE_RULES]
)
def test_rule_of_planes(tmp_path, change, tensors_changed, message):
    planes_network().save(tmp_path / "n")
    tensors, header = contents(tmp_path / "n")
    write(tmp_path / "n", {**tensors, **tensors_changed}, {**header, **change})
    with pytest.raises(UserError) as caught:
        Network.load(tmp_path / "n")
    assert str(caught.value) == f"{tmp_path / 'n'}: {message}"


def spikes_network(**fields):
    """2 channels, 3x3, spike times as input, one dense layer."""
    layer = Dense(np.ones((2, 18), np.int8), np.zeros(2, np.int32), 2)
    return Network("spikes", 4, (2, 3, 3), ("no", "yes"), None, (layer,), **fields)


def test_spikes_come_back_as_version_2_without_tables(tmp_path):
    written = spikes_network()
    assert (written.input_kind, written.planes, written.inputs) == ("spikes", 1, 18)
    written.save(tmp_path / "n")
    tensors, header = contents(tmp_path / "n")
    assert (header["format_version"], header["input"]) == (2, {"kind": "spikes"})
    assert "encoder" not in tensors and header["input_shape"] == [2, 3, 3]
    read = Network.load(tmp_path / "n")
    assert read.encoder is None and read.digest == written.digest
    read.save(tmp_path / "again")
    assert (tmp_path / "n").read_bytes() == (tmp_path / "again").read_bytes()
    pixels = replace(written, encoder=np.zeros(256, np.uint8))
    assert pixels.digest != written.digest


def test_every_input_that_sends_spikes_itself_is_live():
    """Nobody is there to drop a spike that no neuron has a weight for."""
    network = spikes_network()
    network.layers[0].weight[:, ::2] = 0
    assert network.live_inputs.all()
    pixels = replace(network, encoder=np.zeros(256, np.uint8))
    assert pixels.live_inputs.sum() == 9


@pytest.mark.parametrize("change, tensors_changed, message", [
    ({}, {"encoder": np.zeros(256, np.uint8)}, "tensors must each belong to a layer, not 'encoder'"),
    ({"input": {"kind": "pixels"}}, {}, "encoder must be present as a tensor, and is missing"),
    ({"input": {"kind": "spikes", "steps": 4}}, {}, "input must be an object with kind pixels or spikes, not {\"kind\": \"spikes\", \"steps\": 4}"),
    ({"input": {"kind": ["spikes"]}}, {}, "input must be an object with kind pixels or spikes, not {\"kind\": [\"spikes\"]}"),
    ({"format_version": 1}, {}, "encoder must be present as a tensor, and is missing"),
])  # fmt: skip
def test_rule_of_spikes(tmp_path, change, tensors_changed, message):
    spikes_network().save(tmp_path / "n")
    tensors, header = contents(tmp_path / "n")
    write(tmp_path / "n", {**tensors, **tensors_changed}, {**header, **change})
    with pytest.raises(UserError) as caught:
        Network.load(tmp_path / "n")
    assert str(caught.value) == f"{tmp_path / 'n'}: {message}"
