"""Files that nobody should trust: whatever bytes come, one clear line or success, quickly, and
nothing is written outside the output folder.

A few hundred inputs in `make test`; `SSTDP_FUZZ=100000 pytest tests/hw/test_fuzz.py` plays so many.
"""

import copy
import dataclasses
import json
import os
import random
import time

import pytest
from support.networks import small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.network.network import Network
from sstdp_rtl.generator.generate import generate

COUNT = int(os.environ.get("SSTDP_FUZZ", "400"))
SLOWEST = 5.0  # seconds of processor time for one input, on any machine
VALUES = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1e308, "", "x", "../x", "/etc/passwd",
    "a\x00b", "\ud800", "a" * 70_000, [], {}, [[]], [[[[[]]]]], [0] * 1000, {"": {"": {}}},
    "layers.0.weight", "`include", '"); $finish; //', "endmodule", "accelerator.v", ".", "..",
)  # fmt: skip
HEADERS = (0, 1, 7, 2**16, 2**31, 2**40, 2**63 - 1, 2**64 - 1)
DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "X")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A generated folder."""
    folder = tmp_path_factory.mktemp("fuzz") / "accelerator"
    generate(small_network(), Configuration((6, 7), 4, True), folder)
    return folder


def places(value, path=()):
    """Every place in JSON."""
    yield path
    children = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ()
    )  # fmt: skip
    for key, child in children:
        yield from places(child, (*path, key))


def changed_json(chance, value):
    """JSON with one to three places replaced, removed or doubled, as text."""
    value = json.loads(json.dumps(value))
    for _ in range(chance.randint(1, 3)):
        path = chance.choice(list(places(value)))
        if not path:
            continue
        owner = value
        for key in path[:-1]:
            owner = owner[key]
        action = chance.randrange(4)
        if action == 0 and isinstance(owner, dict):
            del owner[path[-1]]
        elif action == 1 and isinstance(owner, dict):
            owner[str(chance.choice(VALUES))[:50]] = copy.deepcopy(owner[path[-1]])
        else:
            owner[path[-1]] = copy.deepcopy(chance.choice(VALUES))
    return json.dumps(value)


def damaged(chance, data):
    """Bytes flipped, cut off, doubled, or in another place."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        if not data:
            break
        action, place = chance.randrange(5), chance.randrange(len(data))
        if action == 0:
            data[place] ^= 1 << chance.randrange(8)
        elif action == 1:
            del data[place:]
        elif action == 2:
            data[place:place] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 40)))
        elif action == 3:
            del data[place : place + chance.randint(1, 40)]
        else:
            data[:8] = chance.choice(HEADERS).to_bytes(8, "little")
    return bytes(data)


def network_bytes(chance, data):
    """A network file with another header, other metadata or damage."""
    size = int.from_bytes(data[:8], "little")
    kind = chance.randrange(4)
    if kind == 0:
        return damaged(chance, data)
    header = json.loads(data[8 : 8 + size])
    if kind == 1:
        text = changed_json(chance, header)
    elif kind == 2:
        header["__metadata__"]["sstdp_hw"] = changed_json(
            chance, json.loads(header["__metadata__"]["sstdp_hw"])
        )
        text = json.dumps(header)
    else:
        tensor = header[chance.choice([name for name in header if name != "__metadata__"])]
        tensor["dtype"] = chance.choice(DTYPES)
        tensor["shape"] = chance.choice(
            [[], [0], [-1], [2**40, 2**40], [256], [1] * 70, tensor["shape"][::-1]]
        )
        text = json.dumps(header)
    body = text.encode("utf-8", "surrogatepass")
    return len(body).to_bytes(8, "little") + body + data[8 + size :]


def survives(read):
    """The reader succeeds or says why not, in one printable line, in time."""
    start = time.process_time()
    try:
        read()
    except UserError as error:
        text = str(error)
        assert "\n" not in text and len(text) < 1200, text[:300]
    assert time.process_time() - start < SLOWEST


@pytest.mark.parametrize("part", range(4))
def test_network_files(good, tmp_path, part):
    data = (good / "network.safetensors").read_bytes()
    path = tmp_path / "network.safetensors"
    for number in range(part, COUNT // 2, 4):
        path.write_bytes(network_bytes(random.Random(number), data))
        survives(lambda: Network.load(path))
    assert os.listdir(tmp_path) == ["network.safetensors"]


@pytest.mark.parametrize("part", range(4))
def test_manifests(good, tmp_path, part):
    manifest = json.loads((good / "manifest.json").read_text())
    folder = tmp_path / "accelerator"
    folder.mkdir()
    for name in ("accelerator.v", "network.safetensors"):
        (folder / name).write_bytes((good / name).read_bytes())

    def read():
        directory = GeneratedDirectory.load(folder)
        _ = directory.network, directory.parameters

    for number in range(part, COUNT // 2, 4):
        chance = random.Random(number)
        text = changed_json(chance, manifest).encode("utf-8", "surrogatepass")
        if chance.randrange(4) == 0:
            text = damaged(chance, text)
        (folder / "manifest.json").write_bytes(text)
        survives(read)
    assert sorted(os.listdir(folder)) == ["accelerator.v", "manifest.json", "network.safetensors"]
    assert os.listdir(tmp_path) == ["accelerator"]


@pytest.mark.parametrize("name", ["../outside", "a`include 'b'*/ endmodule \"$finish;\\"])
def test_names_of_a_network_do_not_reach_the_verilog(good, tmp_path, name):
    """Neither as text nor as a file: the network's names stand in the manifest, as JSON."""
    classes = tuple(f"{name}{number}" for number in range(7))
    hostile = dataclasses.replace(small_network(), name=name, class_names=classes)
    generate(hostile, Configuration((6, 7), 4, True), tmp_path / "out")
    texts = [
        [line for line in (folder / "accelerator.v").read_text().splitlines()
         if "// network " not in line]
        for folder in (good, tmp_path / "out")
    ]  # fmt: skip
    assert texts[0] == texts[1]
    assert os.listdir(tmp_path) == ["out"]
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["name"] == name


def test_a_long_value_from_a_file_does_not_fill_the_terminal(good, tmp_path):
    folder = tmp_path / "accelerator"
    folder.mkdir()
    manifest = json.loads((good / "manifest.json").read_text())
    for value, text in (
        ("a" * 70_000, "must name a file beside it"),
        ("a" * 300, "must name a file beside it"),  # too long for a file name, too
        ("a\x00b", "must be a printable string"),
    ):
        manifest["verilog"] = value
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(UserError, match=text) as caught:
            GeneratedDirectory.load(folder)
        assert len(str(caught.value)) < 1200
