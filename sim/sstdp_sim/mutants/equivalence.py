"""Proofs that a fault in the logic changes nothing that matters outside its module.

Three attempts, the cheapest first:

1. Module and faulty module have equal registers and outputs: yosys' SAT induction (``equiv_*``).
2. They have equal outputs in every cycle from power-up on, whatever their registers hold: `pdr`.
   It is assumed that a stream at an input keeps what it offers until it is taken, as queues do.
3. A queue's promise of room: the faulty one is given whenever the right one is, all else at the
   queue is equal, and still no item comes that the queue refuses. Then images only wait less.

What lies outside the module is left open, so a proof holds wherever the module stands; a fault that
only the surroundings make harmless is not proven.
"""

from __future__ import annotations

import copy
import json
import threading
from pathlib import Path
from typing import Any

from sstdp_hw.base.errors import UserError

from .logic import LogicFault, apply, is_fifo
from .model_check import CHECKER, asserted, assumed_stable, holds
from .netlist import Bits, Editor, number, run_yosys

_INDUCTION = """\
read_json pair.json
proc
memory_map
opt_clean
equiv_make gold gate pair
hierarchy -top pair
equiv_simple -seq 1
equiv_induct -seq 4
equiv_status -assert
"""
_SECONDS = 20  # of processor time, of one attempt
_ROOM = "has_room"


class LogicProof:
    """Tries to prove logic faults equivalent.

    Parameters
    ----------
    modules : dict
        The netlist without faults.
    folder : Path
        For files in between.
    """

    def __init__(self, modules: dict[str, Any], folder: Path) -> None:
        self._modules, self._folder = modules, folder
        self._lock = threading.Lock()
        self._count = 0

    def equivalent(self, fault: LogicFault) -> str | None:
        """The argument, or None if there is no proof."""
        gold, gate = self._alone(fault.module), self._alone(fault.module, fault)
        if self._equal_registers(gold, gate):
            return f"SAT: {fault.module} has equal outputs and registers with and without it"
        if self._equal_outputs(gold, gate):
            return f"PDR: {fault.module} has equal outputs with and without it, from reset on"
        if self._equal_outputs_behind(fault, gold, gate):
            return (
                f"PDR: {fault.module} has equal outputs with and without it, from reset on, behind "
                "the modules that feed it"
            )
        inside = self._modules[fault.module]["cells"].values()
        if _ROOM in gold["ports"] and any(map(is_fifo, inside)):
            owner = self._never_refuses(fault)
            if owner and self._only_more_room(gold, gate):
                return (
                    f"PDR: with it {fault.module} gives room sooner, if at all, and {owner} still "
                    "sends nothing that the queue refuses"
                )
        return None

    def _next_folder(self) -> Path:
        with self._lock:
            self._count += 1
            return self._folder / f"proof-{self._count}"

    def _alone(self, module: str, fault: LogicFault | None = None) -> dict[str, Any]:
        """The module with what is in it cut out, and with the fault if one is given."""
        found = copy.deepcopy(self._modules[module])
        if fault:
            apply(fault, Editor(found), ["1"])
        return _cut(found)

    def _equal_registers(self, gold: dict[str, Any], gate: dict[str, Any]) -> bool:
        folder = self._next_folder()
        folder.mkdir()
        pair = {"creator": "sstdp-hw", "modules": {"gold": gold, "gate": gate}}
        (folder / "pair.json").write_text(json.dumps(pair), encoding="utf-8")
        try:
            run_yosys(folder, _INDUCTION)
        except UserError:
            return False
        return True

    def _equal_outputs(self, gold: dict[str, Any], gate: dict[str, Any]) -> bool:
        top = _Pair(gold, gate)
        for name, port in gold["ports"].items():
            if port["direction"] == "output":
                top.compare("$eq", name)
        return holds(self._next_folder(), top.modules, "top", _SECONDS)

    def _equal_outputs_behind(
        self, fault: LogicFault, gold: dict[str, Any], gate: dict[str, Any]
    ) -> bool:
        """As `_equal_outputs`, with what the neighbours give instead of anything."""
        owner = fault.module.rpartition(".")[0]
        if not owner:
            return False
        top = copy.deepcopy(self._modules[owner])
        editor = Editor(top)
        name = next(name for name, cell in top["cells"].items() if cell["type"] == fault.module)
        place = top["cells"].pop(name)
        wires: dict[str, Bits] = dict(place["connections"])
        used = {
            bit for port, bits in wires.items() for bit in bits
            if place["port_directions"][port] == "input"
        }  # fmt: skip
        feeding = {cell["type"] for cell in top["cells"].values() if _feeds(cell, used)}
        inside = {
            name: copy.deepcopy(module) for name, module in self._modules.items()
            if any(name == each or name.startswith(each + ".") for each in feeding)
        }  # fmt: skip
        for module in (top, *inside.values()):
            _free(module, {cell["type"] for cell in module["cells"].values()} - set(inside))
        for port, described in gold["ports"].items():  # those that were cut out of the module
            if port not in wires:
                wires[port] = editor.wire(len(described["bits"]))
                if described["direction"] == "input":
                    top["ports"][port] = {"direction": "input", "bits": wires[port]}
        others = dict(wires)
        directions = {port: described["direction"] for port, described in gold["ports"].items()}
        for port, direction in directions.items():
            if direction == "output":
                others[port] = editor.wire(len(wires[port]))
                top["cells"][f"compared_{port}"] = asserted(
                    editor.compare("$eq", wires[port], others[port])
                )
        top["cells"]["gold"] = _instance("gold", directions, wires)
        top["cells"]["gate"] = _instance("gate", directions, others)
        top["cells"] |= _stream_rules(top["ports"])
        top["ports"] = {
            port: each for port, each in top["ports"].items() if each["direction"] == "input"
        }
        modules = {**inside, "gold": gold, "gate": gate, "top": top}
        return holds(self._next_folder(), modules, "top", _SECONDS)

    def _only_more_room(self, gold: dict[str, Any], gate: dict[str, Any]) -> bool:
        top = _Pair(gold, gate)
        for name, port in gold["ports"].items():
            if port["direction"] == "output":
                top.compare("$le" if name == _ROOM else "$eq", name)
        return holds(self._next_folder(), top.modules, "top", _SECONDS)

    def _never_refuses(self, fault: LogicFault) -> str | None:
        """The innermost module around the queue that alone sees to it that nothing is refused."""
        modules = copy.deepcopy(self._modules)
        queue = modules[fault.module]
        editor = Editor(queue)
        apply(fault, editor, ["1"])
        fifo = next(cell["connections"] for cell in queue["cells"].values() if is_fifo(cell))
        refused = editor.both(fifo["w_en"], editor.inverted(fifo["w_rdy"]))
        refused = editor.both(refused, editor.inverted(fifo["rst"]))
        queue["cells"]["never_refuses"] = asserted(editor.inverted(refused))
        owner = fault.module
        while "." in owner:
            owner = owner.rpartition(".")[0]
            # Up to two modules around it: more are too many to reason about.
            if fault.module.count(".") - owner.count(".") > 2:
                break
            inside = {name: copy.deepcopy(modules[name]) for name in modules
                      if name == owner or name.startswith(owner + ".")}  # fmt: skip
            for module in inside.values():
                _free(module, {cell["type"] for cell in module["cells"].values()} - set(inside))
            top = inside.pop(owner)
            top["cells"] |= _stream_rules(top["ports"])
            top["ports"] = {
                name: port for name, port in top["ports"].items() if port["direction"] == "input"
            }
            if holds(self._next_folder(), {**inside, "top": top}, "top", _SECONDS):
                return owner
        return None


class _Pair:
    """A module with two others in it that have the same inputs; the rules of the streams hold."""

    def __init__(self, gold: dict[str, Any], gate: dict[str, Any]) -> None:
        top: dict[str, Any] = {"attributes": {}, "ports": {}, "cells": {}, "netnames": {}}
        self._editor = Editor(top)
        self.modules = {"gold": gold, "gate": gate, "top": top}
        self.gold: dict[str, Bits] = {}
        self.gate: dict[str, Bits] = {}
        for name, port in gold["ports"].items():
            self.gold[name] = self.gate[name] = self._editor.wire(len(port["bits"]))
            if port["direction"] == "input":
                top["ports"][name] = {"direction": "input", "bits": self.gold[name]}
            else:
                self.gate[name] = self._editor.wire(len(port["bits"]))
        directions = {name: port["direction"] for name, port in gold["ports"].items()}
        for name, wires in (("gold", self.gold), ("gate", self.gate)):
            top["cells"][name] = _instance(name, directions, wires)
        seen = {
            name: {"direction": direction, "bits": self.gold[name]}
            for name, direction in directions.items()
        }
        top["cells"] |= _stream_rules(seen)

    def compare(self, kind: str, name: str) -> None:
        """Assert that an output of both is equal, or ordered; of a stream's payload and of what is
        written to a queue, only while it is valid."""
        top = self.modules["top"]
        bit = self._editor.compare(kind, self.gold[name], self.gate[name])
        for data, valid in (("payload", "valid"), ("w_data", "w_en")):
            flag = self.gold.get(name.removesuffix(data) + valid)
            if name.endswith(data) and flag is not None:
                bit = self._editor.compare("$le", flag, bit)  # flag implies bit
        top["cells"][f"compared_{name}"] = asserted(bit)


def _instance(module: str, directions: dict[str, str], wires: dict[str, Bits]) -> dict[str, Any]:
    return {
        "hide_name": 0, "type": module, "parameters": {}, "attributes": {},
        "port_directions": directions, "connections": wires,
    }  # fmt: skip


def _feeds(cell: dict[str, Any], used: set[Any]) -> bool:
    """Whether a module's instance drives one of the wires."""
    return not cell["type"].startswith("$") and any(
        bit in used
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == "output"
        for bit in bits
    )


def _stream_rules(ports: dict[str, Any]) -> dict[str, Any]:
    """Cells that assume that the streams at a module's inputs keep their rule."""
    found = {}
    for name, port in ports.items():
        stream = name.removesuffix("valid")
        others = [ports.get(stream + part) for part in ("ready", "payload")]
        if stream == name or port["direction"] != "input" or None in others:
            continue
        ready, payload = (other["bits"] for other in others if other)
        found[f"rule_of_{stream}"] = assumed_stable(
            ports["aclk"]["bits"], ports["rst"]["bits"], port["bits"], ready, payload
        )
    return found


def _free(module: dict[str, Any], outside: set[str]) -> None:
    """Take cells of such modules out; what they gave may be anything in every cycle."""
    for name, cell in list(module["cells"].items()):
        if cell["type"] not in outside or cell["type"].startswith(("$", CHECKER)):
            continue
        del module["cells"][name]
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output":
                module["cells"][f"free_{name}_{port}"] = {
                    "hide_name": 0, "type": "$anyseq", "attributes": {},
                    "parameters": {"WIDTH": number(len(bits))},
                    "port_directions": {"Y": "output"}, "connections": {"Y": bits},
                }  # fmt: skip


def _cut(module: dict[str, Any]) -> dict[str, Any]:
    """The module alone: what the modules in it give becomes an input, what they take an output."""
    for name, cell in list(module["cells"].items()):
        if cell["type"].startswith("$"):
            continue
        for port, bits in cell["connections"].items():
            direction = "input" if cell["port_directions"][port] == "output" else "output"
            module["ports"][f"cut_{name}_{port}"] = {"direction": direction, "bits": bits}
        del module["cells"][name]
    module["attributes"].pop("top", None)
    # Names are what the solver pairs. Others than those of registers would ask for too much: a bit
    # that nothing looks at may differ.
    states = {
        bit
        for cell in module["cells"].values()
        if "dff" in cell["type"]
        for bit in cell["connections"]["Q"]
    }
    states |= {bit for port in module["ports"].values() for bit in port["bits"]}
    module["netnames"] = {
        name: net for name, net in module["netnames"].items() if states.issuperset(net["bits"])
    }
    return module
