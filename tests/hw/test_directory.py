"""Whoever uses a generated folder reads what was generated, or is refused in one line."""

import hashlib
import json
import os
import shutil

import pytest
from support.networks import small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.contract.directory import GeneratedDirectory, inside
from sstdp_rtl.generator.generate import generate


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """With early exit, 4 pixels a beat."""
    out = tmp_path_factory.mktemp("generated") / "accelerator"
    generate(small_network(), Configuration((6, 7), 4, True), out)
    return out


@pytest.fixture(scope="module")
def external(tmp_path_factory):
    """With weights in an external memory."""
    out = tmp_path_factory.mktemp("external") / "accelerator"
    configuration = Configuration((4,), architecture="sequential", weights="external")
    generate(small_network(), configuration, out)
    return out


@pytest.fixture
def copy(generated, tmp_path):
    return shutil.copytree(generated, tmp_path / "copy")


def refused(read, *fragments):
    """The refusal is one line that has all fragments."""
    with pytest.raises(UserError) as caught:
        read()
    text = str(caught.value)
    assert "\n" not in text
    for fragment in fragments:
        assert fragment in text


def edit(folder, change):
    """Let ``change`` alter the manifest in place."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_what_was_generated_is_read(copy):
    directory = GeneratedDirectory.load(copy)
    network = small_network()
    assert directory.verilog == (copy / "accelerator.v").read_text()
    assert directory.network.digest == network.digest
    assert directory.parameters.lanes == (6, 7)
    assert directory.identity == {
        "name": network.name,
        "network_digest": network.digest,
        "verilog_sha256": directory.manifest["verilog_sha256"],
        "inputs": 64,
        "pixels_per_beat": 4,
    }


def test_a_folder_that_is_none_of_the_generators(tmp_path):
    def read():
        GeneratedDirectory.load(tmp_path / "folder")

    refused(read, "folder: no such folder", "sstdp-hw generate")
    (tmp_path / "folder").write_text("a file")
    refused(read, "folder: no such folder", "sstdp-hw generate")
    os.remove(tmp_path / "folder")
    os.mkdir(tmp_path / "folder")
    refused(read, "has no manifest.json", "sstdp-hw generate")
    (tmp_path / "folder" / "manifest.json").write_text("[]")
    refused(read, "the manifest must be a JSON object")


def test_edited_verilog(copy):
    verilog = copy / "accelerator.v"
    verilog.write_text(verilog.read_text().replace("endmodule", "endmodule ", 1))
    refused(
        lambda: GeneratedDirectory.load(copy),
        "accelerator.v: its SHA-256 must be the verilog_sha256 of manifest.json", "generate again",
    )  # fmt: skip


def test_verilog_that_is_no_text(copy):
    data = b"// \xff\n" + (copy / "accelerator.v").read_bytes()
    (copy / "accelerator.v").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    edit(copy, lambda manifest: manifest.update(verilog_sha256=digest))
    refused(lambda: GeneratedDirectory.load(copy), "accelerator.v: must be text")


def test_another_network(copy):
    other = copy / "network.safetensors"

    small_network(seed=6).save(other)
    refused(lambda: GeneratedDirectory.load(copy), "must be the network of the manifest")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("../accelerator.v", "must name a file beside it, not '../accelerator.v'"),
        ("/etc/passwd", "must name a file beside it"),
        ("sub/accelerator.v", "must name a file beside it"),
        ("..", "must name a file beside it"),
        (".", "must name a file beside it"),
        ("", "must name a file beside it"),
        ("a\\b.v", "must name a file beside it"),
        ("a" * 70_000, "must name a file beside it"),
        ("a\nb", "must be a printable string"),
        ("\u00e4" * 200, "no such file, though manifest.json names it"),  # too long in UTF-8
        ("missing.v", "missing.v: no such file, though manifest.json names it"),
    ],
)
@pytest.mark.parametrize("field", ["verilog", "network.file"])
def test_a_name_that_leads_elsewhere(copy, field, name, text):
    def change(manifest):
        owner = manifest["network"] if field == "network.file" else manifest
        owner[field.rpartition(".")[2]] = name

    edit(copy, change)
    refused(lambda: GeneratedDirectory.load(copy).network, text)


def test_a_link_out_of_the_folder(copy, tmp_path):
    os.rename(copy / "accelerator.v", tmp_path / "elsewhere.v")
    (copy / "accelerator.v").symlink_to(tmp_path / "elsewhere.v")
    refused(lambda: GeneratedDirectory.load(copy), "is a link that leads out of it")
    (copy / "circle").symlink_to("circle")
    refused(lambda: inside(copy, "circle"), "circle: no such file")


def test_a_folder_behind_a_link_is_the_folder(copy, tmp_path):
    (tmp_path / "link").symlink_to(copy)
    assert GeneratedDirectory.load(tmp_path / "link").parameters.lanes == (6, 7)


@pytest.mark.parametrize(
    "field",
    [
        "format_version", "name", "top", "verilog", "verilog_sha256", "network", "network.file",
        "network.digest", "network.inputs", "configuration", "configuration.lanes",
        "configuration.pixels_per_beat", "configuration.early_exit", "ports", "layers", "probes",
    ],
)  # fmt: skip
def test_a_manifest_with_a_field_missing(copy, field):
    def change(manifest):
        group, _, name = field.rpartition(".")
        del (manifest[group] if group else manifest)[name]

    edit(copy, change)
    refused(lambda: GeneratedDirectory.load(copy), f"manifest.json: {field}", "is missing")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m: m.update(format_version=2), "format_version must be 1, not 2"),
        (lambda m: m.update(format_version=True), "format_version must be an integer"),
        (lambda m: m.update(top="other"), "with a prefix or without, not 'other'"),
        (lambda m: m.update(name="two\nlines"), "name must be a printable string"),
        (lambda m: m.update(verilog_sha256="x" * 64), "its SHA-256"),
        (lambda m: m.update(network=5), "network.file is missing"),
        (lambda m: m["network"].update(digest=None), "network.digest must be a printable string"),
        (lambda m: m["network"].update(inputs=True), "network.inputs must be an integer"),
        (lambda m: m["network"].update(inputs=0), "network.inputs must be an integer of at least"),
        (lambda m: m["configuration"].update(lanes=5), "configuration.lanes must be a list"),
        (lambda m: m["configuration"].update(lanes=["a", 7]), "lanes must be a list of integers"),
        (lambda m: m["configuration"].update(lanes=[6, 0]), "integers of at least 1, not 0"),
        (lambda m: m["configuration"].update(lanes=[6, True]), "integers of at least 1, not True"),
        (lambda m: m["configuration"].update(pixels_per_beat=3), "must be 1, 2, 4 or 8, not 3"),
        (lambda m: m["configuration"].update(early_exit=1), "early_exit must be true or false"),
        (lambda m: m["configuration"].update(pixels_per_beat=2),
         "port s_axis_tdata must be an input of width 16, not ('input', 32)"),
        (lambda m: m.update(ports=[]), "port aclk must be an input of width 1, not None"),
        (lambda m: m.update(ports=5), "ports must be a list of objects, not 5"),
        (lambda m: m.update(ports=[{"name": []}]), "port aclk must be"),
        (lambda m: m.update(layers=[7]), "layers must be a list of objects, not [7]"),
        (lambda m: m["layers"][1].pop("memories"), "memories of layer 1 must be an object"),
        (lambda m: m["probes"][2].update(layer=[]), "layer of probe 2 must be a string"),
    ],
)  # fmt: skip
def test_a_manifest_that_breaks_a_rule(copy, change, text):
    edit(copy, change)
    refused(lambda: GeneratedDirectory.load(copy), text)


@pytest.mark.parametrize("lanes", [[20, 7], [6, 6]])
def test_a_manifest_with_another_configuration(copy, lanes):
    """Lanes decide the efficiency that is reported."""
    edit(copy, lambda manifest: manifest["configuration"].update(lanes=lanes))
    directory = GeneratedDirectory.load(copy)
    told = ",".join(map(str, lanes))
    refused(
        lambda: directory.parameters,
        f"configuration must be the one of the Verilog, not lanes {told}",
    )


@pytest.mark.parametrize("batch, told", [
    (0, "configuration.batch must be an integer of at least 1, not 0"),
    ("2", "configuration.batch must be an integer of at least 1, not '2'"),
    (2, "configuration must be the one of the Verilog, not sequential, lanes 4"),
])  # fmt: skip
def test_a_batch_that_the_verilog_does_not_have(external, batch, told):
    kept = (external / "manifest.json").read_text()
    edit(external, lambda manifest: manifest["configuration"].update(batch=batch))
    try:
        refused(lambda: GeneratedDirectory.load(external).parameters, told)
    finally:
        (external / "manifest.json").write_text(kept)


@pytest.mark.parametrize("place, change, told", [
    ("sha256", lambda m: m.update(sha256="x" * 64), "sha256 must be '"),
    ("size", lambda m: m.update(bytes=1), "bytes must be "),
    ("buffer", lambda m: m.pop("buffer_bits"), "buffer_bits must be "),
    ("tile", lambda m: m["tiles"][1].update(offset=64), "tiles[1].offset must be "),
    ("tiles", lambda m: m["tiles"].pop(), "tiles must be [{'layer': 0, "),
    ("kind", lambda m: m.update(tiles=7), "tiles must be [{'layer': 0, "),
])  # fmt: skip
def test_every_figure_of_an_external_memory_is_held_to_the_verilog(external, place, change, told):
    folder = external
    kept = (folder / "manifest.json").read_text()
    edit(folder, lambda manifest: change(manifest["external_memory"]))
    try:
        refused(
            lambda: GeneratedDirectory.load(folder).parameters,
            f"external_memory.{told}", "not ", "generate again",
        )  # fmt: skip
    finally:
        (folder / "manifest.json").write_text(kept)
    _ = GeneratedDirectory.load(folder).parameters
