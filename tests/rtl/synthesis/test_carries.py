"""Carry chains for Nexus: their starts are freed, and only where that changes nothing."""

import copy
import json

import pytest

from sstdp_rtl.synthesis.carries import free_starts

ZERO, CARRY, SIGNAL = 2, 10, 20


def carry(carry_in, **parameters):
    connections = {"A0": ["1"], "A1": [ZERO], "CIN": [carry_in], "COUT": [CARRY]}
    return {
        "type": "CCU2",
        "parameters": {"INIT0": "0xFFFF", "INIT1": "0x00AA", "INJECT": "NO"} | parameters,
        "port_directions": {
            port: "output" if port == "COUT" else "input" for port in connections
        },
        "connections": connections,
    }  # fmt: skip


def netlist(start):
    """A chain of two cells, and the cell that drives 0."""
    zero = {"type": "VLO", "port_directions": {"Z": "output"}, "connections": {"Z": [ZERO]}}
    adds = carry(CARRY, INIT0="0x96AA", INIT1="0x96AA")
    return {
        "modules": {"top": {"ports": {}, "cells": {"zero": zero, "start": start, "adds": adds}}}
    }


def cut(folder, design):
    path = folder / "netlist.json"
    path.write_text(json.dumps(design))
    freed = free_starts(path)
    return freed, json.loads(path.read_text())


@pytest.mark.parametrize("low", [ZERO, "0"])
def test_a_start_loses_its_carry_input_and_the_rest_stays(low, tmp_path):
    design = netlist(carry(low))
    freed, found = cut(tmp_path, design)
    expected = copy.deepcopy(design)
    start = expected["modules"]["top"]["cells"]["start"]
    del start["connections"]["CIN"], start["port_directions"]["CIN"]
    assert (freed, found) == (1, expected)
    assert cut(tmp_path, found) == (0, expected)  # once is enough


@pytest.mark.parametrize(
    "start",
    [
        carry(SIGNAL),
        carry("1"),
        carry(ZERO, INIT0="0x96AA"),  # its sum takes the carry in
        carry(ZERO, INIT1="0xFFFF"),  # passes it on
    ],
)
def test_a_cell_that_reads_its_carry_input_stays(start, tmp_path):
    design = netlist(start)
    assert cut(tmp_path, design) == (0, design)
