"""Proofs that a fault in the logic changes nothing that matters outside its module.

Five attempts, the cheapest first:

1. Module and faulty module have equal registers and outputs: yosys' SAT induction (``equiv_*``).
2. In no state that is reached the fault does anything; what is reached depends on the modules
   around this one: `surroundings.never_at_work`.
3. They have equal outputs in every cycle from power-up on, whatever their registers hold: `pdr`;
   whatever comes in, or what the modules that feed them give. It is assumed that a stream at an
   input keeps what it offers until it is taken, as queues do.
4. A queue's promise of room: the faulty one is given whenever the right one is, all else at the
   queue is equal, and still no item comes that the queue refuses. Then images only wait less.
5. All that take something from the module give the same in every cycle, whichever of the two they
   take it from: `surroundings.equal_to_takers`.

What lies further outside is left open, so a proof holds wherever the module stands; a fault that
only a longer way through the accelerator makes harmless is not proven.
"""

from __future__ import annotations

import copy
import json
import threading
from pathlib import Path
from typing import Any

from sstdp_hw.base.errors import UserError

from .logic import LogicFault, apply, is_fifo
from .model_check import asserted, holds
from .netlist import Bits, Editor, run_yosys
from .surroundings import (
    around,
    bits_of,
    closed,
    cut,
    directions_of,
    equal_to_takers,
    instance,
    is_instance,
    never_at_work,
    stream_rules,
    wires_of,
)

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
_MORE_SECONDS = 60  # of the last one
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
        module, owner = fault.module, fault.module.rpartition(".")[0]
        # A queue that loses or doubles items is never harmless in what is around it.
        within = bool(owner) and fault.change not in ("drop", "double")
        gold, gate = self._alone(module), self._alone(module, fault)
        if self._equal_registers(gold, gate):
            return f"SAT: {module} has equal outputs and registers with and without it"
        if within and self._holds(never_at_work(self._modules, fault, owner), _SECONDS):
            return f"PDR: in {owner} no state is reached in which it does anything"
        if self._equal_outputs(gold, gate):
            return f"PDR: {module} has equal outputs with and without it, from reset on"
        if owner and self._equal_outputs_behind(fault, gold, gate):
            return (
                f"PDR: {module} has equal outputs with and without it, from reset on, behind "
                "the modules that feed it"
            )
        inside = self._modules[module]["cells"].values()
        if _ROOM in gold["ports"] and any(map(is_fifo, inside)):
            refusing = self._never_refuses(fault)
            if refusing and self._only_more_room(gold, gate):
                return (
                    f"PDR: with it {module} gives room sooner, if at all, and {refusing} still "
                    "sends nothing that the queue refuses"
                )
        if within and self._holds(equal_to_takers(self._modules, fault), _MORE_SECONDS):
            return f"PDR: in {owner} all that take from {module} give the same with it"
        return None

    def _holds(self, modules: dict[str, Any], seconds: int) -> bool:
        return holds(self._next_folder(), modules, "top", seconds)

    def _next_folder(self) -> Path:
        with self._lock:
            self._count += 1
            return self._folder / f"proof-{self._count}"

    def _alone(self, module: str, fault: LogicFault | None = None) -> dict[str, Any]:
        """The module with what is in it cut out, and with the fault if one is given."""
        found = copy.deepcopy(self._modules[module])
        if fault:
            apply(fault, Editor(found), ["1"])
        return cut(found)

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
        return self._holds(top.modules, _SECONDS)

    def _equal_outputs_behind(
        self, fault: LogicFault, gold: dict[str, Any], gate: dict[str, Any]
    ) -> bool:
        """As `_equal_outputs`, with what the neighbours give instead of anything."""
        owner = fault.module.rpartition(".")[0]
        top = copy.deepcopy(self._modules[owner])
        editor = Editor(top)
        name = next(name for name, cell in top["cells"].items() if cell["type"] == fault.module)
        place = top["cells"].pop(name)
        wires: dict[str, Bits] = dict(place["connections"])
        used = bits_of(wires_of(place, "input"))
        feeding = {
            cell["type"] for cell in top["cells"].values()
            if is_instance(cell) and used & bits_of(wires_of(cell, "output"))
        }  # fmt: skip
        inside = {
            name: copy.deepcopy(module) for name, module in self._modules.items()
            if any(name == each or name.startswith(each + ".") for each in feeding)
        }  # fmt: skip
        for port, described in gold["ports"].items():  # those that were cut out of the module
            if port not in wires:
                wires[port] = editor.wire(len(described["bits"]))
                if described["direction"] == "input":
                    top["ports"][port] = {"direction": "input", "bits": wires[port]}
        others = dict(wires)
        directions = directions_of(gold)
        for port, direction in directions.items():
            if direction == "output":
                others[port] = editor.wire(len(wires[port]))
                top["cells"][f"compared_{port}"] = asserted(
                    editor.compare("$eq", wires[port], others[port])
                )
        top["cells"]["gold"] = instance("gold", directions, wires)
        top["cells"]["gate"] = instance("gate", directions, others)
        inside |= {owner: top, "gold": gold, "gate": gate}
        return self._holds(closed(inside, owner), _SECONDS)

    def _only_more_room(self, gold: dict[str, Any], gate: dict[str, Any]) -> bool:
        top = _Pair(gold, gate)
        for name, port in gold["ports"].items():
            if port["direction"] == "output":
                top.compare("$le" if name == _ROOM else "$eq", name)
        return self._holds(top.modules, _SECONDS)

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
            if self._holds(closed(around(modules, owner), owner), _SECONDS):
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
        directions = directions_of(gold)
        for name, wires in (("gold", self.gold), ("gate", self.gate)):
            top["cells"][name] = instance(name, directions, wires)
        seen = {
            name: {"direction": direction, "bits": self.gold[name]}
            for name, direction in directions.items()
        }
        top["cells"] |= stream_rules(seen)

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
