"""A module and its fault among the modules around it, as netlists for a solver.

What stands outside the modules that are looked at gives anything in every cycle, so that what is
shown holds wherever they stand.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from .logic import LogicFault, apply
from .model_check import CHECKER, asserted, assumed_stable
from .netlist import Bits, Editor, number

Module = dict[str, Any]
Modules = dict[str, Module]

_MEMORY = "$mem"
#: A memory of more bits gives anything, too: a solver would take each of them for a register.
_SMALL_MEMORY = 256


def instance(module: str, directions: dict[str, str], wires: dict[str, Bits]) -> Module:
    """A cell that stands for a module."""
    return {
        "hide_name": 0, "type": module, "parameters": {}, "attributes": {},
        "port_directions": directions, "connections": wires,
    }  # fmt: skip


def directions_of(module: Module) -> dict[str, str]:
    """By the name of a port."""
    return {name: port["direction"] for name, port in module["ports"].items()}


def wires_of(cell: Module, direction: str) -> dict[str, Bits]:
    """What is connected to a cell's inputs, or to its outputs."""
    return {
        port: bits for port, bits in cell["connections"].items()
        if cell["port_directions"][port] == direction
    }  # fmt: skip


def bits_of(wires: dict[str, Bits]) -> set[Any]:
    """All wires of all ports; constants are none."""
    return {bit for bits in wires.values() for bit in bits if isinstance(bit, int)}


def is_instance(cell: Module) -> bool:
    """Whether the cell stands for a module of the design."""
    return not cell["type"].startswith(("$", CHECKER))


def stream_rules(ports: dict[str, Any]) -> dict[str, Any]:
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


def _anything(bits: Bits) -> Module:
    """A cell whose output may be anything in every cycle."""
    return {
        "hide_name": 0, "type": "$anyseq", "attributes": {},
        "parameters": {"WIDTH": number(len(bits))},
        "port_directions": {"Y": "output"}, "connections": {"Y": bits},
    }  # fmt: skip


def _free(module: Module, outside: set[str]) -> None:
    """Take cells of such modules out; what they gave may be anything in every cycle."""
    for name, cell in list(module["cells"].items()):
        if cell["type"] not in outside or not is_instance(cell):
            continue
        del module["cells"][name]
        for port, bits in wires_of(cell, "output").items():
            module["cells"][f"free_{name}_{port}"] = _anything(bits)


def _free_memories(module: Module) -> None:
    """Take the large ones out."""
    for name, cell in list(module["cells"].items()):
        if not cell["type"].startswith(_MEMORY):
            continue
        rows, width = (int(cell["parameters"][each], 2) for each in ("SIZE", "WIDTH"))
        if rows * width > _SMALL_MEMORY:
            module["cells"][name] = _anything(cell["connections"]["RD_DATA"])


def cut(module: Module, *, memories: bool = False) -> Module:
    """The module alone: what the modules in it give becomes an input, what they take an output.
    With ``memories``, what these give and take, too."""
    for name, cell in list(module["cells"].items()):
        memory = memories and cell["type"].startswith(_MEMORY)
        if not memory and not is_instance(cell):
            continue
        for port, bits in cell["connections"].items():
            if not bits or (memory and not any(isinstance(bit, int) for bit in bits)):
                continue  # a clock or an enable that this memory has not
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


def around(modules: Modules, owner: str) -> Modules:
    """Copies of a module and of all that are in it."""
    return {
        name: copy.deepcopy(module) for name, module in modules.items()
        if name == owner or name.startswith(owner + ".")
    }  # fmt: skip


def closed(inside: Modules, owner: str) -> Modules:
    """The modules with ``owner`` as ``top``, what is not among them anything, as its inputs are."""
    for module in inside.values():
        _free(module, {cell["type"] for cell in module["cells"].values()} - set(inside))
    top = inside.pop(owner)
    top["cells"] |= stream_rules(top["ports"])
    top["ports"] = {
        name: port for name, port in top["ports"].items() if port["direction"] == "input"
    }
    return {**inside, "top": top}


class _Comparison:
    """Asserts in a module that wires are equal, two by two."""

    def __init__(self, module: Module, editor: Editor) -> None:
        self._module, self._editor, self._count = module, editor, 0

    def equal(self, ours: Bits, theirs: Bits, valid: Bits | None = None) -> None:
        """In every cycle, or in those in which ``valid`` is set."""
        pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b and isinstance(a, int)]
        if not pairs:
            return
        bit = self._editor.compare("$eq", [a for a, _ in pairs], [b for _, b in pairs])
        if valid is not None:
            bit = self._editor.compare("$le", valid, bit)  # valid implies bit
        self._count += 1
        self._module["cells"][f"compared_{self._count}"] = asserted(bit)


def never_at_work(modules: Modules, fault: LogicFault, owner: str) -> Modules:
    """The fault's module within ``owner``, without the fault, and beside its logic that with it:
    asserted is that all registers, memories, modules in it, and outputs would get the same from it.

    Then the fault is never at work: whatever state is reached without it is followed by the same.
    """
    inside = around(modules, owner)
    _beside(inside[fault.module], fault)
    for module in inside.values():
        _free_memories(module)
    return closed(inside, owner)


def _beside(module: Module, fault: LogicFault) -> None:
    """Add the logic with the fault in it, which reads the same registers, and compare."""
    faulty = copy.deepcopy(module)
    apply(fault, Editor(faulty), ["1"])

    def keeps(cell: Module) -> bool:
        return is_instance(cell) or "dff" in cell["type"] or cell["type"].startswith(_MEMORY)

    editor = Editor(faulty)  # knows the wires of both
    logic = {name: cell for name, cell in faulty["cells"].items() if not keeps(cell)}
    other = {
        bit: new
        for cell in logic.values()
        for bits in wires_of(cell, "output").values()
        for bit, new in zip(bits, editor.wire(len(bits)), strict=True)
    }

    def seen(bits: Bits) -> Bits:
        return [other.get(bit, bit) for bit in bits]

    ends = [
        (module["cells"][name]["connections"][port], seen(bits))
        for name, cell in faulty["cells"].items()
        if name not in logic
        for port, bits in wires_of(cell, "input").items()
    ]
    ends += [
        (port["bits"], seen(faulty["ports"][name]["bits"]))
        for name, port in module["ports"].items()
        if port["direction"] == "output"
    ]
    for name, cell in logic.items():
        cell["connections"] = {port: seen(bits) for port, bits in cell["connections"].items()}
        module["cells"][f"faulty_{name}"] = cell
    inside = Editor(module)
    comparison = _Comparison(module, inside)
    for ours, theirs in ends:
        comparison.equal(ours, theirs)


def equal_to_takers(modules: Modules, fault: LogicFault) -> Modules:
    """The fault's module twice, without and with it, in the module around it, and so every module
    that takes something from it; asserted is that all that those give is the same.

    Until they differ for the first time, what is around them is in the same state with and without
    the fault. What is in these modules, and their memories, gets the same, and gives the same,
    whatever that is; what the fault's module gives to other logic is the same, too.
    """
    owner = fault.module.rpartition(".")[0]
    inside = around(modules, owner)
    place = next(
        name for name, cell in inside[owner]["cells"].items() if cell["type"] == fault.module
    )
    faulty = copy.deepcopy(modules[fault.module])
    apply(fault, Editor(faulty), ["1"])
    twins = _Twins(inside, owner)
    given = bits_of(wires_of(inside[owner]["cells"][place], "output"))
    takers = [
        name for name, cell in inside[owner]["cells"].items()
        if name != place and is_instance(cell) and given & bits_of(wires_of(cell, "input"))
    ]  # fmt: skip
    twins.split(place, faulty)
    for name in takers:
        twins.split(name, copy.deepcopy(modules[inside[owner]["cells"][name]["type"]]))
    twins.compare(place, takers)
    for module in inside.values():
        _free_memories(module)
    return closed(inside, owner)


class _Twins:
    """Modules in ``owner`` that are there twice.

    The second of a module that is split later takes what the second of an earlier one gives.
    """

    def __init__(self, inside: Modules, owner: str) -> None:
        self._inside, self._top = inside, inside[owner]
        self._editor = Editor(self._top)
        self._ours: dict[str, dict[str, Bits]] = {}  # by module and port: outputs
        self._theirs: dict[str, dict[str, Bits]] = {}
        self._other: dict[Any, Any] = {}  # what the second ones give in place of a wire

    def split(self, name: str, second: Module) -> None:
        """Put two modules, all that is in them cut out, in place of the one cell."""
        cell = self._top["cells"].pop(name)
        first = cut(copy.deepcopy(self._inside[cell["type"]]), memories=True)
        second = cut(second, memories=True)
        directions = directions_of(first)
        ours: dict[str, Bits] = dict(cell["connections"])
        theirs: dict[str, Bits] = {}
        for port, described in first["ports"].items():
            if port not in ours:
                ours[port] = self._editor.wire(len(described["bits"]))
                if described["direction"] == "input":
                    self._top["cells"][f"free_{name}_{port}"] = _anything(ours[port])
            theirs[port] = (
                [self._other.get(bit, bit) for bit in ours[port]]
                if described["direction"] == "input"
                else self._editor.wire(len(ours[port]))
            )
        for kind, module, wires in (("first", first, ours), ("second", second, theirs)):
            self._inside[f"{kind}_{name}"] = module
            self._top["cells"][f"{kind}_{name}"] = instance(f"{kind}_{name}", directions, wires)
        outputs = [port for port, direction in directions.items() if direction == "output"]
        self._ours[name] = {port: ours[port] for port in outputs}
        self._theirs[name] = {port: theirs[port] for port in outputs}
        if len(self._ours) == 1:
            for port in set(outputs) & set(cell["connections"]):
                self._other |= zip(ours[port], theirs[port], strict=True)

    def compare(self, place: str, takers: Iterable[str]) -> None:
        """All that the takers give; of the module itself what goes into it, and to other logic."""
        comparison = _Comparison(self._top, self._editor)
        logic = {
            bit
            for cell in self._top["cells"].values()
            if not is_instance(cell)
            for bit in bits_of(wires_of(cell, "input"))
        }
        logic |= bits_of({
            name: port["bits"] for name, port in self._top["ports"].items()
            if port["direction"] == "output"
        })  # fmt: skip
        for port, ours in self._ours[place].items():
            theirs = self._theirs[place][port]
            pairs = [
                (a, b) for a, b in zip(ours, theirs, strict=True)
                if a in logic or port.startswith("cut_")
            ]  # fmt: skip
            comparison.equal([a for a, _ in pairs], [b for _, b in pairs])
        for name in takers:
            for port, ours in self._ours[name].items():
                valid = None
                if port.endswith("payload"):
                    valid = self._ours[name].get(port.removesuffix("payload") + "valid")
                comparison.equal(ours, self._theirs[name][port], valid)
