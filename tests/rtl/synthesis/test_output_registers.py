"""Registers behind block RAM move into it, and only where that changes nothing."""

import copy
import json

import pytest

from sstdp_rtl.synthesis.output_registers import merge, merge_file

CLOCK, DATA, REGISTERED, ENABLE = 2, (10, 11), (20, 21), 30


def memory(**parameters):
    connections = {"CLKA": [CLOCK], "CLKB": ["0"], "OCEA": ["1"], "OCEB": ["1"], "ADA0": [3]}
    connections |= {f"DOA{bit}": [net] for bit, net in enumerate(DATA)}
    connections |= {f"DOB{bit}": [99 + bit] for bit in range(2)}
    return {
        "type": "DP16KD",
        "parameters": {"REGMODE_A": "NOREG", "REGMODE_B": "NOREG", "CLKAMUX": "CLKA"} | parameters,
        "port_directions": {
            name: "output" if name.startswith("DO") else "input" for name in connections
        },
        "connections": connections,
    }


def register(data, output, **changes):
    connections = {"CLK": [CLOCK], "DI": [data], "LSR": ["0"], "Q": [output]}
    parameters = {"CEMUX": "1 ", "CLKMUX": "CLK", "REGSET": "RESET"}
    for name, value in changes.items():
        (connections if isinstance(value, list) else parameters)[name] = value
    directions = {name: "output" if name == "Q" else "input" for name in connections}
    return {
        "type": "TRELLIS_FF",
        "parameters": parameters,
        "port_directions": directions,
        "connections": connections,
    }


def netlist(*changes):
    """A memory of two bits with a register behind each; ``changes`` go to the registers."""
    cells = {"memory": memory()}
    for bit in range(2):
        change = changes[bit] if bit < len(changes) else {}
        cells[f"register_{bit}"] = register(DATA[bit], REGISTERED[bit], **change)
    ports = {
        "out": {"direction": "output", "bits": list(REGISTERED)},
        "clk": {"direction": "input", "bits": [CLOCK]},
    }
    return {"modules": {"top": {"ports": ports, "cells": cells}}}


def test_both_registers_move_into_the_memory():
    design = netlist()
    assert merge(design) == 2
    cells = design["modules"]["top"]["cells"]
    assert set(cells) == {"memory"}
    found = cells["memory"]
    assert [found["connections"][f"DOA{bit}"] for bit in range(2)] == [[net] for net in REGISTERED]
    assert found["parameters"]["REGMODE_A"] == "OUTREG"
    assert found["parameters"]["REGMODE_B"] == "NOREG"
    assert found["connections"]["OCEA"] == ["1"]
    assert merge(design) == 0  # once is enough


def test_an_enable_becomes_that_of_the_memory():
    enabled = {"CEMUX": "CE", "CE": [ENABLE]}
    design = netlist(enabled, enabled)
    assert merge(design) == 2
    assert design["modules"]["top"]["cells"]["memory"]["connections"]["OCEA"] == [ENABLE]


@pytest.mark.parametrize(
    "change",
    [
        {"REGSET": "SET"},
        {"LSR": [40]},
        {"CLK": [41]},
        {"CLKMUX": "INV"},
        {"CEMUX": "CE", "CE": [ENABLE]},  # the other register has none
        {"CEMUX": "INV", "CE": [ENABLE]},
    ],
)
def test_a_register_that_differs_stays(change):
    design = netlist(change)
    before = copy.deepcopy(design)
    assert merge(design) == 0
    assert design == before


def test_an_output_that_leads_elsewhere_too_stays():
    design = netlist()
    module = design["modules"]["top"]
    module["ports"]["raw"] = {"direction": "output", "bits": [DATA[1]]}
    assert merge(design) == 0
    del module["ports"]["raw"]
    module["cells"]["logic"] = {
        "type": "LUT4",
        "parameters": {},
        "port_directions": {"A": "input", "Z": "output"},
        "connections": {"A": [DATA[0]], "Z": [50]},
    }
    assert merge(design) == 0


def test_a_file_is_rewritten(tmp_path):
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps(netlist()))
    assert merge_file(path) == 2
    assert set(json.loads(path.read_text())["modules"]["top"]["cells"]) == {"memory"}
