"""Registers and queues around an accelerator: what is written, and that one list made it all."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rtl.test_blocks import transact
from support.networks import small_network

from sstdp_hw import BusDriver
from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import AXI_LITE, BUSES, AcceleratorParameters, Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.bus_driver import Reply
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.registers import IDENTITY, OFFSETS, REGISTERS, by_name, version_of
from sstdp_rtl.gateware.bus.packer import WordsToBeats
from sstdp_rtl.generator.generate import generate

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "bus.md").read_text(encoding="utf-8")
sys.path.insert(0, str(ROOT / "tools"))

from register_table import table  # noqa: E402

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


#: By the name of a folder: its configuration. Those with weights outside have the port of their
#: base with a bus or without.
OUTSIDE = {"architecture": "sequential", "weights": "external", "base_address": 0x8000_5000}
CONFIGURATIONS = {
    "": Configuration((6, 7), 4, True),
    **{bus: Configuration((6, 7), 4, True, bus=bus) for bus in BUSES},
    "external": Configuration((4,), base_port=True, **OUTSIDE),
    "external axi-lite": Configuration((4,), bus=AXI_LITE, **OUTSIDE),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """By the names of `CONFIGURATIONS`."""
    root = tmp_path_factory.mktemp("fronts")
    found = {name: root / f"out {name}" for name in CONFIGURATIONS}
    for name, folder in found.items():
        generate(small_network(), CONFIGURATIONS[name], folder)
    return found


@pytest.mark.parametrize("name, without", [
    *((bus, "") for bus in BUSES), ("external axi-lite", "external"),
])  # fmt: skip
def test_the_accelerator_is_the_same_with_a_bus(folders, name, without):
    bus, external = CONFIGURATIONS[name].bus, without == "external"
    for file in ("accelerator.v", "testbench.v"):
        assert (folders[name] / file).read_bytes() == (folders[without] / file).read_bytes()
    plain, told = (json.loads((folders[n] / "manifest.json").read_text()) for n in (without, name))
    assert told["configuration"].pop("bus") == bus
    entry = told.pop("bus")
    assert told == plain
    text = (folders[name] / entry["file"]).read_bytes()
    assert hashlib.sha256(text).hexdigest() == entry["sha256"]
    head = re.search(rf"^module {entry['top']}\((.*?)\);", text.decode(), re.DOTALL | re.M)[1]
    assert sorted([name.strip() for name in head.split(",")]) == sorted(
        port["name"] for port in entry["ports"]
    )
    wanted = [r.name for r in REGISTERS if external or not r.external]
    assert [register["name"] for register in entry["registers"]] == wanted
    assert ("m_axi_araddr" in {port["name"] for port in entry["ports"]}) == external
    for field in ("owed", "bus_error", "BASE", "MEMORY_BYTES"):
        assert (field.upper() in (folders[name] / "accelerator.h").read_text()) == external


def test_registers_of_weights_on_the_chip_are_those_of_version_1_0():
    """What drivers of that version know; weights outside have more, and say so."""
    inside, outside = (by_name(external) for external in (False, True))
    assert (version_of(False), version_of(True)) == (
        {"major": 1, "minor": 0}, {"major": 1, "minor": 1}
    )  # fmt: skip
    assert set(outside) - set(inside) == {"BASE"}
    more = {name: set(outside[name].fields) - set(inside[name].fields) for name in inside}
    told = {(name, field.name) for name, fields in more.items() for field in fields}
    assert told == {
        ("KIND", "external"), ("STATUS", "stopped"), ("STATUS", "owed"), ("ANSWER", "bus_error")
    }  # fmt: skip


def test_registers_do_not_overlap():
    assert len(set(OFFSETS.values())) == len(OFFSETS)
    for register in REGISTERS:
        taken = [bit for f in register.fields for bit in range(f.offset, f.offset + f.width)]
        assert len(set(taken)) == len(taken) and all(bit < 32 for bit in taken), register.name


def test_the_documentation_has_the_table_of_the_description():
    assert f"\n{table()}\n\n" in PAGE


def test_a_bus_file_that_was_edited_is_refused(folders, tmp_path):
    shutil.copytree(folders[AXI_LITE], tmp_path / "copy")
    with (tmp_path / "copy" / "accelerator_bus.v").open("a") as file:
        file.write("\n")
    directory = GeneratedDirectory.load(tmp_path / "copy")
    with pytest.raises(UserError, match=r"its SHA-256 must be the bus\.sha256 of manifest\.json"):
        directory.bus_verilog()


@pytest.mark.parametrize("field", ["bus.file", "bus.sha256", "bus.top"])
def test_a_manifest_without_its_bus_is_refused(folders, tmp_path, field):
    shutil.copytree(folders[AXI_LITE], tmp_path / "copy")
    path = tmp_path / "copy" / "manifest.json"
    told = json.loads(path.read_text())
    del told["bus"][field.partition(".")[2]]
    path.write_text(json.dumps(told))
    with pytest.raises(UserError, match=rf"{field} is missing; generate again"):
        GeneratedDirectory.load(tmp_path / "copy")


def test_loaded_weights_behind_a_bus_are_refused_in_one_line(tmp_path, capsys):
    small_network().save(tmp_path / "n.safetensors")
    arguments = [str(tmp_path / "n.safetensors"), "--bus", "wishbone", "--weights", "loadable"]
    assert main(["generate", *arguments, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(
        "sstdp-hw generate: error: Weights must be rom or external behind a bus, not loadable: take"
    )
    assert len(told.splitlines()) == 1 and not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="Bus must be axi-lite or wishbone, not 'pci'"):
        AcceleratorParameters(small_network(), Configuration((6, 7), bus="pci"))


SIZE = 9  # bytes of a sample


def beats_of(words, width, beats):
    """Beats of one packet of words, plainly: bytes, cut off behind the sample in the last word."""
    size = width // 8
    data = b"".join(word.to_bytes(4, "little") for word in words)
    data += bytes(-len(data) % size)
    found = [data[start : start + size] for start in range(0, len(data), size)]
    before = 4 * (len(words) - 1) // size  # beats that earlier words complete
    if before < beats:
        found = found[:beats]
    if width == 64 and len(found) == beats and len(words) != -(-SIZE // 4):
        found.append(found[-1])  # the length must be wrong in beats, too
    return [(int.from_bytes(b, "little"), n == len(found)) for n, b in enumerate(found, 1)]


@pytest.mark.parametrize("width", [8, 16, 64])
@pytest.mark.parametrize("stalls", [0, 0.4])
def test_words_become_beats(width, stalls):
    """Packets of the right length, shorter and longer, of a sample that does not fill its words."""
    rng = np.random.default_rng(width)
    beats = -(-8 * SIZE // width)
    packets = [rng.integers(0, 1 << 32, rng.integers(1, 6)).tolist() for _ in range(40)]
    items = [
        {"data": word, "last": number == len(packet)}
        for packet in packets
        for number, word in enumerate(packet, 1)
    ]
    found = transact(WordsToBeats(width, SIZE), items, stalls=stalls)
    expected = [beat for packet in packets for beat in beats_of(packet, width, beats)]
    assert [(beat["data"], bool(beat["last"])) for beat in found] == expected


#: What the page has: accessors, a driver, and the start with weights outside.
C_OF_THE_PAGE = re.findall(r"^```c\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
C_OPTIONS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]

STUB = """
#include <stdint.h>
#include <stdio.h>
#include "accelerator.h"
typedef struct { volatile uint32_t *base; } sstdp;
static unsigned polls, asked;
static uint32_t get(const sstdp *a, uint32_t offset) {
  static const uint32_t digest[8] = ACCELERATOR_DIGEST;
  (void)a;
  if (offset == SSTDP_ID) return SSTDP_IDENTITY;
  if (offset >= SSTDP_DIGEST && offset < SSTDP_DIGEST + 32) return digest[(offset - 0x20) / 4];
  if (offset == SSTDP_LEVELS) return polls++ % 3 == 2;
  if (offset == SSTDP_ANSWER) return polls++ % 3 == 2 ? 0x80010305u : 0;
  if (offset == SSTDP_CYCLES) return 77;
  if (offset == SSTDP_STATUS) return ++asked < 3 || asked > 5 ? 1u << 4 : 0;
  return 0;
}
static void put(sstdp *a, uint32_t offset, uint32_t word) {
  (void)a;
  printf("%02x %08x\\n", offset, word);
}
"""
MAIN = """
int main(void) {
  uint8_t image[ACCELERATOR_INPUTS];
  uint32_t cycles = 0;
  sstdp a;
  for (unsigned n = 0; n < ACCELERATOR_INPUTS; n++) image[n] = (uint8_t)(3 * n);
  if (sstdp_open(&a, 0)) return 1;
  printf("class %d", sstdp_classify(&a, image, &cycles));
  printf(" %u\\n", cycles);
  return 0;
}
"""


START_MAIN = """
int main(void) {
  sstdp a = {0};
  if (sstdp_start(&a, ACCELERATOR_MEMORY_BASE, 5)) return 1;
  printf("%u bytes, %u questions\\n", ACCELERATOR_MEMORY_BYTES, asked);
  asked = 9;
  printf("%d\\n", sstdp_start(&a, 4096, 5));
  return 0;
}
"""


@needs_gcc
def test_the_driver_in_c_of_the_documentation(folders, tmp_path):
    """Compiled without a warning, against a bus that says yes at every third question."""
    accessors, driver, _ = C_OF_THE_PAGE
    options = [*C_OPTIONS, f"-I{folders[AXI_LITE]}"]
    (tmp_path / "whole.c").write_text(accessors + driver)
    subprocess.run(["gcc", *options, "-c", "-o", "/dev/null", "whole.c"], cwd=tmp_path, check=True)
    (tmp_path / "stub.c").write_text(STUB + driver + MAIN)
    subprocess.run(["gcc", *options, "-o", "stub", "stub.c"], cwd=tmp_path, check=True)
    found = subprocess.run([tmp_path / "stub"], capture_output=True, text=True, check=True)
    image = bytes(3 * n & 255 for n in range(64))
    words = [int.from_bytes(image[n : n + 4], "little") for n in range(0, 64, 4)]
    places = [OFFSETS["INPUT"]] * 15 + [OFFSETS["INPUT_LAST"]]
    expected = [f"{place:02x} {word:08x}" for place, word in zip(places, words, strict=True)]
    reset = f"{OFFSETS['CONTROL']:02x} 00000001"
    assert found.stdout.splitlines() == [reset, *expected, "class 5 77"]


@needs_gcc
def test_the_start_in_c_of_the_documentation(folders, tmp_path):
    """With the header of weights outside, against a memory that owes beats for two questions."""
    _, driver, start = C_OF_THE_PAGE
    options = [*C_OPTIONS, f"-I{folders['external axi-lite']}"]
    (tmp_path / "stub.c").write_text(STUB + driver + start + START_MAIN)
    subprocess.run(["gcc", *options, "-o", "stub", "stub.c"], cwd=tmp_path, check=True)
    found = subprocess.run([tmp_path / "stub"], capture_output=True, text=True, check=True)
    size = json.loads((folders["external axi-lite"] / "manifest.json").read_text())[
        "external_memory"
    ]["bytes"]
    assert found.stdout.splitlines() == [
        f"{OFFSETS['BASE']:02x} {0x80005000:08x}", f"{OFFSETS['CONTROL']:02x} 00000001",
        f"{size} bytes, 3 questions",
        f"{OFFSETS['BASE']:02x} {0x1000:08x}", f"{OFFSETS['CONTROL']:02x} 00000001", "-1",
    ]  # fmt: skip


def stub(**values):
    """Two functions of registers that hold these values, and the list of what is written."""
    words = {OFFSETS[name]: value for name, value in values.items()}
    written = []
    return lambda address: words.get(address, 0), lambda *what: written.append(what), written


def test_the_driver_refuses_what_it_does_not_know():
    read, write, _ = stub()
    with pytest.raises(UserError, match="there is no accelerator; check the base address"):
        BusDriver(read, write)
    read, write, _ = stub(ID=IDENTITY, VERSION=0x200)
    with pytest.raises(UserError, match="must be of version 1, not 2: take the sstdp-hw that"):
        BusDriver(read, write)
    read, write, _ = stub(ID=IDENTITY, VERSION=0x100, DIGEST_0=0xAB, CONFIG=4 | 8 << 24)
    with pytest.raises(UserError, match=r"hold the network 0{12}..., not 000000ab0000...: load"):
        BusDriver(read, write, digest="0" * 64)
    driver = BusDriver(read, write, patience=10)
    assert (driver.inputs, driver.t_max, driver.events) == (4, 8, False)
    with pytest.raises(UserError, match="A sample must have 4 inputs, not 5"):
        driver.predict([np.zeros(5, np.uint8)])
    with pytest.raises(UserError, match="must answer 1 packets, and has answered 0 and is quiet"):
        driver.predict([np.zeros(4, np.uint8)])
    with pytest.raises(UserError, match=r"must be external for a start .* call reset\(\)"):
        driver.start()


def test_the_driver_starts_with_weights_outside():
    values = {"ID": IDENTITY, "VERSION": 0x101, "CONFIG": 4 | 8 << 24, "KIND": 2}
    read, write, written = stub(**values)
    driver = BusDriver(read, write, patience=10)
    driver.start(0xFFFF_F000)
    driver.start()
    start = (OFFSETS["CONTROL"], 1)
    assert driver.external and written == [(OFFSETS["BASE"], 0xFFFF_F000), start, start]
    for base in (-4096, 1 << 32, 0x1234):
        rule = rf"must be a multiple of 4096 below 2\^32, not {base:#x}"
        with pytest.raises(UserError, match=rule):
            driver.start(base)
    assert len(written) == 3
    read, write, _ = stub(STATUS=1 << 4, **values)
    with pytest.raises(UserError, match=r"and is quiet; reset it together with the accelerator"):
        BusDriver(read, write, patience=10).start()
    read, write, written = stub(STATUS=1 << 3, **values)
    with pytest.raises(UserError, match=r"must be started before it answers.* call start\(\)"):
        BusDriver(read, write, patience=10).predict([np.zeros(4, np.uint8)])
    assert not written
    reply = Reply(1 << 19 | 5, 1)
    assert reply.bus_error and not reply.frame_error and not Reply(5, 1).bus_error
