"""The image of the memories: what stands where in it, which networks it is made for, the verb."""

import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.loading import for_all, sibling
from support.networks import random_case, small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.blocks.memory_map import memory_map
from sstdp_hw.command.cli import main
from sstdp_hw.contract.fitting import fitted
from sstdp_hw.contract.memory_image import (
    FORMAT,
    crc,
    crc_of_change,
    memory_image,
    memory_json,
    shape_digest,
    to_bytes,
)
from sstdp_hw.network.layers import Dense
from sstdp_rtl.generator.generate import generate

LOADABLE = Configuration((4, 3), weights="loadable")


def small(**changes):
    return AcceleratorParameters(small_network(), replace(LOADABLE, **changes))


def region_rows(parameters, data, name):
    """Rows of a region, read from the file's bytes by what the manifest says of it."""
    found = memory_json(parameters)
    region = next(each for each in found["regions"] if each["name"] == name)
    size = 4 * region["words_per_row"]
    start = 4 * region["first_word"]
    return [
        int.from_bytes(data[start + size * row : start + size * (row + 1)], "little")
        for row in range(region["rows"])
    ]


def signed(row, lane, width):
    bits = row >> lane * width & (1 << width) - 1
    return bits - (1 << width) if bits >> width - 1 else bits


def test_the_file_is_as_the_documentation_says():
    parameters = small()
    data = to_bytes(memory_image(parameters))
    words = struct.unpack(f"<{len(data) // 4}I", data)
    digest = bytes.fromhex(shape_digest(parameters))
    assert data[:4] == b"SSW\x01" and words[0] == FORMAT
    assert struct.pack("<II", *words[1:3])[::-1] == digest
    assert words[-1] == zlib.crc32(data[:-4])
    assert len(words) == memory_json(parameters)["words"]


def test_every_weight_and_threshold_stands_where_the_manifest_says():
    network, parameters = small_network(), small()
    data = to_bytes(memory_image(parameters))
    table = region_rows(parameters, data, "encoder_table")
    for value, time in enumerate(network.encoder.tolist()):
        assert table[value] == (0 if time == 6 else time | 8), value
    for number, (layer, lanes) in enumerate(zip(network.layers[1:], (4, 3), strict=True)):
        weights = region_rows(parameters, data, f"layer_{number}_weights")
        initial = region_rows(parameters, data, f"layer_{number}_initial")
        membrane = parameters.layers[number].membrane_width
        for neuron in range(layer.neurons):
            group, lane = divmod(neuron, lanes)
            for source in range(layer.inputs):
                row = weights[group * layer.inputs + source]
                assert signed(row, lane, layer.weight_width) == layer.weight[neuron, source]
            theta = -signed(initial[group], lane, membrane) - 1
            reach = layer.weight[neuron].astype(int)
            low, high = reach[reach < 0].sum(), reach[reach > 0].sum()
            wanted = int(layer.threshold[neuron])
            assert theta == (wanted if number else min(max(wanted, low - 1), high))


def test_the_spontaneous_layers_are_told():
    network = small_network()
    layers = list(network.layers)
    threshold = layers[2].threshold.copy()
    threshold[3] = -1
    layers[2] = replace(layers[2], threshold=threshold)
    for found, wanted in ((network, 0), (replace(network, layers=tuple(layers)), 2)):
        parameters = AcceleratorParameters(found, LOADABLE)
        data = to_bytes(memory_image(parameters))
        assert region_rows(parameters, data, "spontaneous") == [wanted]


def test_constants_have_no_memories():
    assert memory_map(AcceleratorParameters(small_network(), Configuration((4, 3)))) == ()


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_bit_changes_the_crc_as_predicted(seed):
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 1 << 32, 50, dtype=np.uint64).astype(np.uint32)
    place, bit = int(rng.integers(50)), int(rng.integers(32))
    changed = words.copy()
    changed[place] ^= np.uint32(1 << bit)
    assert crc(words) ^ crc_of_change(50, place, bit) == crc(changed)


def test_the_digest_is_that_of_the_shape():
    """Values do not count, all that places or widths depend on does."""
    digest = shape_digest(small())
    network = small_network()
    widths = small().membrane_widths
    same = fitted(small(membrane_width=(12, 12)), sibling(network, 3))
    assert shape_digest(same) == shape_digest(small(membrane_width=(12, 12)))
    assert shape_digest(small(early_exit=False)) == digest
    assert shape_digest(small(name="other")) == digest
    others = [
        small(lanes=(4, 4)),
        small(pixels_per_beat=2),
        small(membrane_width=(widths[0], widths[1] + 1)),
        AcceleratorParameters(small_network(t_max=7), LOADABLE),
        AcceleratorParameters(replace(network, input_shape=(1, 4, 16)), LOADABLE),
    ]
    digests = {shape_digest(other) for other in others}
    assert len(digests) == len(others) and digest not in digests


@pytest.mark.parametrize("make, seed", [(random_case, 12), (random_conv_case, 4)])
def test_the_potentials_of_a_fitting_network_cannot_overflow(make, seed):
    """Whatever fits keeps every partial sum within the width of the hardware."""
    case = make(seed, early_exit=True)
    networks = [sibling(case.network, other) for other in range(12)]
    hardware = for_all(case.configuration, networks[:3])[0]
    fits = 0
    for network in networks:
        try:
            parameters = fitted(hardware, network)
        except UserError as error:
            assert "must fit" in str(error) and "--membrane-width" in str(error)
            continue
        fits += 1
        for layer in parameters.layers:
            weight = layer.layer.weight.reshape(len(layer.layer.weight), -1).astype(np.int64)
            low = np.minimum(weight, 0).sum(axis=1) + layer.initial
            high = np.maximum(weight, 0).sum(axis=1) + layer.initial
            assert low.min() >= -(1 << layer.membrane_width - 1)
            assert high.max() < 1 << layer.membrane_width - 1
    assert fits >= 3


def wider(network, width):
    """The same weights, declared wider."""
    layers = tuple(
        replace(layer, weight_width=width) if isinstance(layer, Dense) else layer
        for layer in network.layers
    )
    return replace(network, layers=layers)


def test_weights_of_another_width_fit_if_their_values_do():
    network = small_network()
    parameters = fitted(small(), wider(network, 9))
    assert memory_image(parameters).tolist() == memory_image(small()).tolist()
    layers = list(network.layers)
    weight = layers[1].weight.copy()
    weight[0, 0] = 8
    layers[1] = replace(layers[1], weight=weight, weight_width=5)
    with pytest.raises(UserError, match=r"weights of layers\.1 must fit 4 bits.* span -8 to 8"):
        fitted(small(), replace(network, layers=tuple(layers)))


def test_what_does_not_fit_is_named():
    network = small_network()
    fewer = replace(
        network, layers=(network.layers[0], network.layers[1], replace(
            network.layers[2], weight=network.layers[2].weight[:5],
            threshold=network.layers[2].threshold[:5],
        )), class_names=tuple("abcde"),
    )  # fmt: skip
    for other, text in (
        (small_network(t_max=5), r"time steps must be 6.*not 5"),
        (replace(network, input_shape=(1, 4, 16)), r"input shape must be \[1, 8, 8\]"),
        (fewer, r"weight shape of layers\.2 must be \[7, 20\].*not \[5, 20\]"),
        (replace(network, layers=network.layers[1:]), r"layers must be 3"),
    ):
        with pytest.raises(UserError, match=text):
            fitted(small(), other)
    narrow = small().membrane_widths
    with pytest.raises(UserError, match=r"Potentials of layers\.1 must fit"):
        small(membrane_width=(narrow[0] - 1, narrow[1]))
    with pytest.raises(UserError, match="constants of its Verilog"):
        fitted(AcceleratorParameters(network, Configuration((4, 3))), network)


def test_options_that_make_no_sense():
    network = small_network()
    for changes, text in (
        ({"weights": "flash"}, "Weights must be rom, loadable or external, not 'flash'"),
        ({"weights": "loadable", "membrane_width": (0,)}, "Membrane width must be between 1 and"),
        ({"weights": "loadable", "membrane_width": (9, 9, 9)}, "one for each of the 2 weighted"),
        ({"membrane_width": (9,)}, "Membrane width must be given with weights that are loaded"),
        ({"spram": 4}, "SPRAM must be used with weights that are loaded, not rom"),
        ({"weights": "loadable", "spram": -1}, "SPRAM must be a number of at least 0"),
    ):
        with pytest.raises(UserError, match=text):
            AcceleratorParameters(network, Configuration((4, 3), **changes))


def test_spram_goes_to_the_layers_with_the_most_weights():
    """64 x 20 weights of 4 bits, 20 x 7 of 3: an SPRAM is 16 bits wide and 16,384 rows deep."""
    for lanes, spram, wanted in (
        ((4, 7), 3, ["spram", "spram"]), ((4, 7), 2, ["spram", "block"]),
        ((20, 7), 4, ["block", "spram"]), ((20, 7), 5, ["spram", "block"]),
    ):  # fmt: skip
        configuration = Configuration(lanes, weights="loadable", spram=spram)
        layers = AcceleratorParameters(small_network(), configuration).layers
        assert [layer.weight_style for layer in layers] == wanted
    with pytest.raises(UserError, match=r"it takes 5 for layers\.1, 2 for layers\.2"):
        _ = AcceleratorParameters(
            small_network(), Configuration((20, 7), weights="loadable", spram=1)
        )


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loadable") / "accelerator"
    generate(small_network(), replace(LOADABLE, membrane_width=(10,)), folder)
    return folder


def test_the_verb(directory, tmp_path, capsys):
    network = sibling(small_network(), 2)
    network.save(tmp_path / "other.safetensors")
    out, told = tmp_path / "weights.bin", tmp_path / "told.json"
    arguments = ["memory", str(tmp_path / "other.safetensors"), "--for", str(directory)]
    assert main([*arguments, "--out", str(out), "--json", str(told)]) == 0
    found, manifest = (
        json.loads(told.read_text()),
        json.loads((directory / "manifest.json").read_text()),
    )
    parameters = fitted(small(membrane_width=(10,)), network)
    assert out.read_bytes() == to_bytes(memory_image(parameters))
    assert found["words"] == manifest["memories"]["words"] == found["bytes"] // 4
    assert found["shape_digest"] == manifest["memories"]["shape_digest"]
    assert found["network_digest"] == network.digest
    assert manifest["configuration"]["membrane_width"] == [10, 10]
    capsys.readouterr()

    small_network(t_max=5).save(tmp_path / "steps.safetensors")
    out.unlink()
    arguments[1] = str(tmp_path / "steps.safetensors")
    assert main([*arguments, "--out", str(out)]) == 2
    text = capsys.readouterr().err
    assert "steps.safetensors: time steps must be 6" in text and text.count("\n") == 1
    assert not out.exists()


def test_an_accelerator_with_constants_takes_no_image(tmp_path, capsys):
    generate(small_network(), Configuration((4, 3)), tmp_path / "rom")
    small_network().save(tmp_path / "network.safetensors")
    assert main([
        "memory", str(tmp_path / "network.safetensors"), "--for", str(tmp_path / "rom"),
        "--out", str(tmp_path / "weights.bin"),
    ]) == 2  # fmt: skip
    assert "generate with --weights loadable" in capsys.readouterr().err


def test_a_manifest_of_another_shape_is_refused(directory, tmp_path):
    from sstdp_hw.contract.directory import GeneratedDirectory

    found = GeneratedDirectory.load(directory)
    manifest = json.loads(json.dumps(found.manifest))
    manifest["memories"]["shape_digest"] = "0" * 16
    with pytest.raises(UserError, match=r"memories\.shape_digest must be"):
        _ = replace(found, manifest=manifest).parameters
    manifest["configuration"]["membrane_width"] = [10, 11]
    with pytest.raises(UserError, match="configuration must be the one of the Verilog"):
        _ = replace(found, manifest=manifest).parameters


def test_options_of_generate(tmp_path, capsys):
    small_network().save(tmp_path / "network.safetensors")
    arguments = ["generate", str(tmp_path / "network.safetensors"), "--out", str(tmp_path / "out")]
    for options, text in (
        (["--membrane-width", "9"], "--membrane-width goes with --weights loadable"),
        (["--weights", "loadable", "--membrane-width", "x"], "integers with commas between them"),
        (["--weights", "loadable", "--membrane-width", "4"], "Potentials of layers.1 must fit 4"),
        (["--spram", "4"], "add --weights loadable"),
    ):
        assert main([*arguments, *options]) == 2
        told = capsys.readouterr().err
        assert text in told and told.count("\n") == 1, options
        assert not (tmp_path / "out").exists()


def test_a_manifest_with_other_weights_is_refused(directory):
    from sstdp_hw.contract.manifest import check_manifest

    manifest = json.loads((directory / "manifest.json").read_text())
    for value in ("flash", ["loadable"], None):
        manifest["configuration"]["weights"] = value
        with pytest.raises(
            UserError, match=r"configuration\.weights must be rom, loadable or external"
        ):
            check_manifest(manifest, directory)
