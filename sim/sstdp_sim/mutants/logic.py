"""Faults in the logic, found by the structure of the netlist: what a slip of a designer would be.

- ``tie-break``: the signed comparison of two margins takes the later of equal ones.
- ``compare``: ``<`` becomes ``<=`` or the other way round; a comparison with a constant takes the
  next one that has its number of bits, 0 behind the largest.
- ``count``: an addition or subtraction of a constant takes the next one, in the same way; behind a
  1 of one bit that is 0.
- ``clear``: a constant that a register should take is never loaded.
- ``reset``: the state of a state machine or the fill of a queue does not hear the reset.
- ``event``: a queue loses, or gives twice, one item in eight.
- ``lane``: the lanes of a memory word, or of a group's fired neurons, are one place off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sstdp_hw.contract.directory import GeneratedDirectory

from .netlist import Bits, Editor, constant, constant_bits

#: Names of the helper modules that `instrument` adds.
EIGHTH = "sstdp_mutant_eighth"

_RELAXED = {"$lt": "$le", "$le": "$lt", "$gt": "$ge", "$ge": "$gt"}
_SIGNS = {"$lt": "<", "$le": "<=", "$gt": ">", "$ge": ">=", "$eq": "==", "$ne": "!=",
          "$add": "+", "$sub": "-", "$logic_not": "== 0"}  # fmt: skip


@dataclass(frozen=True)
class LogicFault:
    """One fault in the logic.

    Parameters
    ----------
    kind : str
        See the module's table.
    module, cell : str
        Where it stands in the netlist.
    change : str
        What `apply` does: ``relax``, ``next``, ``stuck 0``, ``stuck 1``, ``drop``, ``double`` or
        ``rotate``.
    place : str
        Lines of the Verilog.
    text : str
        What the designer would have got wrong.
    detail : tuple of int
        Of ``rotate``: lowest bit, stop, places.
    """

    kind: str
    module: str
    cell: str
    change: str
    place: str
    text: str
    detail: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} in {self.module}, {self.place}: {self.text}"


def logic_faults(modules: dict[str, Any], directory: GeneratedDirectory) -> list[LogicFault]:
    """Every place for a fault, in the order of the netlist."""
    found = []
    for name, module in modules.items():
        loads = _register_loads(module)
        for cell_name, cell in module["cells"].items():
            for kind, change, text, *detail in (
                *_comparison(cell, name), *_count(cell), *_clear(cell, loads, module["ports"]),
                *_queue(cell), *_rotation(cell, name, directory),
            ):  # fmt: skip
                where = f"line {_line(cell)}"
                found.append(LogicFault(kind, name, cell_name, change, where, text, tuple(detail)))
    return found


def _line(cell: dict[str, Any]) -> str:
    source = cell["attributes"].get("src", "")
    return str(source.split("|")[0].partition(":")[2].partition(".")[0] or "?")


def _comparison(cell: dict[str, Any], module: str) -> list[Any]:
    kind, wires = cell["type"], cell["connections"]
    if kind in _RELAXED and all(constant(wires[port]) is None for port in "AB"):
        signed = int(cell["parameters"]["A_SIGNED"], 2) and module.endswith("decision")
        text = f"{_SIGNS[kind]} becomes {_SIGNS[_RELAXED[kind]]}"
        return [("tie-break" if signed else "compare", "relax", text)]
    if kind in (*_RELAXED, "$eq", "$ne"):
        return _next_constant(cell)
    if kind == "$logic_not" and len(wires["A"]) > 1:
        return [("compare", "next", "== 0 becomes == 1")]
    return []


def constant_operand(cell: dict[str, Any]) -> tuple[str, int | None]:
    """The operand of a cell that is a constant, and its value; None if neither is one."""
    for port in ("B", "A"):
        value = constant(cell["connections"][port])
        if value is not None:
            return port, value
    return "", None


def _count(cell: dict[str, Any]) -> list[Any]:
    return _next_constant(cell, "count") if cell["type"] in ("$add", "$sub") else []


def _next_constant(cell: dict[str, Any], kind: str = "compare") -> list[Any]:
    port, value = constant_operand(cell)
    if value is None:
        return []
    sign = _SIGNS[cell["type"]]
    return [(kind, "next", f"{sign} {value} becomes {sign} {_after(value, cell, port)}")]


def _after(value: int, cell: dict[str, Any], port: str) -> int:
    """The next constant that the operand has room for: behind the largest one comes 0."""
    return int((value + 1) % (1 << len(cell["connections"][port])))


def _register_loads(module: dict[str, Any]) -> dict[Any, str]:
    """Bits on their way through multiplexers into a register, with the register's name."""
    names = {
        bit: name
        for name, net in module["netnames"].items()
        for bit in net["bits"]
        if not net["hide_name"]
    }
    drivers = {
        bit: cell
        for cell in module["cells"].values()
        if cell["type"] == "$mux"
        for bit in cell["connections"]["Y"]
    }
    loads: dict[Any, str] = {}
    for cell in module["cells"].values():
        if cell["type"] != "$dff":
            continue
        name = str(names.get(cell["connections"]["Q"][0], "?"))
        waiting = list(cell["connections"]["D"])
        while waiting:
            bit = waiting.pop()
            if bit in loads or bit not in drivers:
                continue
            loads[bit] = name
            mux = drivers[bit]["connections"]
            place = mux["Y"].index(bit)
            waiting += [mux["A"][place], mux["B"][place]]
    return loads


def _clear(cell: dict[str, Any], loads: dict[Any, str], ports: dict[str, Any]) -> list[Any]:
    if cell["type"] != "$mux" or cell["connections"]["Y"][0] not in loads:
        return []
    wires, name = cell["connections"], loads[cell["connections"]["Y"][0]]
    reset = ports.get("rst", {}).get("bits")
    found = []
    for port, stuck in (("B", "0"), ("A", "1")):
        value = constant(wires[port])
        if value is None:
            continue
        if wires["S"] == reset:
            # Most data registers have no need of a reset; what guides the streams has.
            if "w_rdy" not in ports and "fsm_state" not in name:
                continue
            found.append(("reset", f"stuck {stuck}", f"{name} is not reset to {value}"))
        else:
            found.append(("clear", f"stuck {stuck}", f"{name} is never set to {value}"))
    return found


def is_fifo(cell: dict[str, Any]) -> bool:
    return {"w_en", "w_rdy", "r_en", "r_rdy"} <= set(cell["connections"])


def _queue(cell: dict[str, Any]) -> list[Any]:
    if not is_fifo(cell):
        return []
    return [
        ("event", "drop", "every eighth item is lost"),
        ("event", "double", "every eighth item comes twice"),
    ]


def _rotation(cell: dict[str, Any], module: str, directory: GeneratedDirectory) -> list[Any]:
    found: list[Any] = []
    wires, manifest = cell["connections"], directory.manifest
    for layer, p in zip(manifest["layers"], directory.parameters.layers, strict=True):
        for name, memory in layer["memories"].items():
            rows = p.weight_rows() if name == "weights" else p.initial_rows()
            width, size = memory["width"], memory["width"] * p.lanes
            turned = [row >> width | (row & (1 << width) - 1) << size - width for row in rows]
            if cell["type"] == memory.get("module") and rows != turned and not found:
                text = f"lanes of the {name} are one place off"  # layers may share the memory
                found.append(("lane", "rotate data", text, 0, len(wires["data"]), memory["width"]))
    for probe in manifest["probes"]:
        fields = {field["name"]: field for field in probe["fields"]}
        inside = module.startswith(".".join([directory.parameters.top, *probe["scope"]]))
        width = sum(field["width"] for field in probe["fields"])
        data = wires.get("w_port__data", [])
        if inside and "w_en" in wires and "fired" in fields and len(data) == width:
            low, size = fields["fired"]["lsb"], fields["fired"]["width"]
            if size > 1:
                text = "fired neurons are one lane off"
                found.append(("lane", "rotate w_port__data", text, low, low + size, 1))
    return found


def apply(fault: LogicFault, editor: Editor, select: Bits) -> None:
    """Build the fault into its module, at work where ``select`` is set."""
    cell = editor.module["cells"][fault.cell]
    wires, parameters = cell["connections"], cell["parameters"]
    change, _, what = fault.change.partition(" ")
    if change == "relax":
        now, before = editor.tap_output(cell, "Y")
        faulty = editor.cell(
            _RELAXED[cell["type"]], dict(parameters), ("Y", editor.wire(len(now))),
            A=wires["A"], B=wires["B"],
        )  # fmt: skip
        editor.mux(now, faulty, select, before)
    elif change == "next" and cell["type"] == "$logic_not":
        now, before = editor.tap_output(cell, "Y")
        editor.mux(now, [editor.equal(wires["A"], 1)[0], *["0"] * (len(now) - 1)], select, before)
    elif change == "next":
        port, value = constant_operand(cell)
        assert value is not None, "or there would be no such fault"
        faulty = constant_bits(_after(value, cell, port), len(wires[port]))
        editor.change_input(cell, port, faulty, select)
    elif change == "stuck":
        editor.change_input(cell, "S", [what], select)
    elif change in ("drop", "double"):
        enable, ready = ("w_en", "w_rdy") if change == "drop" else ("r_en", "r_rdy")
        eighth = editor.cell(
            EIGHTH, {}, ("hit", editor.wire(1)), clk=wires["aclk"],
            happens=editor.both(wires[enable], wires[ready]),
        )  # fmt: skip
        editor.change_input(cell, enable, ["0"], editor.both(select, eighth))
    else:
        low, stop, places = fault.detail
        _rotate(editor, cell, what, low, stop, places, select)


def _rotate(
    editor: Editor, cell: dict[str, Any], port: str, low: int, stop: int, places: int, select: Bits
) -> None:
    def rotated(bits: Bits) -> Bits:
        part = bits[low:stop]
        return [*bits[:low], *part[places:], *part[:places], *bits[stop:]]

    if cell["port_directions"][port] == "input":
        editor.change_input(cell, port, rotated(cell["connections"][port]), select)
    else:
        now, before = editor.tap_output(cell, port)
        editor.mux(now, rotated(now), select, before)
