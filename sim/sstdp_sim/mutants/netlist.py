"""A netlist as yosys writes it in JSON: reads the Verilog's logic, adds cells, writes it back.

The weight and table memories (the modules behind the logic, see the generator's ``Rom``) stay text:
a million bits would take yosys minutes, and their faults need no logic.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.fpga_tools import ToolFailed, find_tool, run_tool

Bits = list[Any]  # of integers, or "0", "1", "x"

_READ = "read_verilog design.v\n{blackboxes}hierarchy -auto-top\nproc -noopt\nopt_clean\n"
_ROM = re.compile(r"^module (\w+) \($", re.MULTILINE)


def run_yosys(
    folder: Path, script: str, *, writes: str | None = None, processor_seconds: int | None = None
) -> str:
    """Run a script in ``folder`` and return its log; see `run_tool`.

    Raises
    ------
    UserError
        If yosys stops.
    """
    (folder / "script.ys").write_text(script, encoding="utf-8")
    try:
        run_tool(
            find_tool("yosys"), ["-q", "-l", "log", "-s", "script.ys"], folder,
            log="log", writes=writes, processor_seconds=processor_seconds,
        )  # fmt: skip
    except ToolFailed as failure:
        raise UserError(f"Mutants: {failure}") from None
    return (folder / "log").read_text(encoding="utf-8", errors="replace")


def split_roms(verilog: str) -> tuple[str, str]:
    """The text of the logic, and that of the read-only memories behind it."""
    first = _ROM.search(verilog)
    place = first.start() if first else len(verilog)
    return verilog[:place], verilog[place:]


def read_design(verilog: str, folder: Path) -> dict[str, Any]:
    """The modules of the Verilog's logic; ``src`` attributes name its lines."""
    (folder / "design.v").write_text(verilog, encoding="utf-8")
    blackboxes = "".join(f"blackbox {name}\n" for name in _ROM.findall(split_roms(verilog)[1]))
    script = _READ.format(blackboxes=blackboxes)
    script += "memory_collect\nwrite_json design.json\n"
    run_yosys(folder, script, writes="design.json")
    design = json.loads((folder / "design.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = {
        name: module
        for name, module in design["modules"].items()
        if "blackbox" not in module["attributes"]
    }
    return found


def write_design(modules: dict[str, Any], folder: Path) -> str:
    """The modules as Verilog."""
    text = json.dumps({"creator": "sstdp-hw", "modules": modules})
    (folder / "changed.json").write_text(text, encoding="utf-8")
    script = "read_json changed.json\nwrite_verilog -noattr changed.v\n"
    run_yosys(folder, script, writes="changed.v")
    return (folder / "changed.v").read_text(encoding="utf-8")


def constant(bits: Bits) -> int | None:
    """The number that the bits are, if all of them are known."""
    if not bits or any(bit not in ("0", "1") for bit in bits):
        return None
    return int("".join(reversed(bits)), 2)


def constant_bits(value: int, width: int) -> Bits:
    return [str(value >> place & 1) for place in range(width)]


def number(value: int) -> str:
    """A parameter as yosys writes one."""
    return f"{value:032b}"


class Editor:
    """Adds cells to one module of the JSON netlist, in place."""

    def __init__(self, module: dict[str, Any]) -> None:
        self.module = module
        used = [bit for net in module["netnames"].values() for bit in net["bits"]]
        used += [
            bit
            for cell in module["cells"].values()
            for bits in cell["connections"].values()
            for bit in bits
        ]
        used += [bit for port in module["ports"].values() for bit in port["bits"]]
        self._next = max((bit for bit in used if isinstance(bit, int)), default=1) + 1
        self._count = 0

    def wire(self, width: int) -> Bits:
        self._next += width
        return list(range(self._next - width, self._next))

    def cell(
        self, kind: str, parameters: dict[str, str], output: tuple[str, Bits], **inputs: Bits
    ) -> Bits:
        """Add a cell and return the bits of its output."""
        self._count += 1
        port, bits = output
        self.module["cells"][f"mutant_{self._count}"] = {
            "hide_name": 0,
            "type": kind,
            "parameters": parameters,
            "attributes": {},
            "port_directions": {port: "output", **dict.fromkeys(inputs, "input")},
            "connections": {port: bits, **inputs},
        }
        return bits

    def mux(self, without: Bits, with_: Bits, select: Bits, output: Bits | None = None) -> Bits:
        """``with_`` where ``select`` is set, else ``without``."""
        return self.cell(
            "$mux", {"WIDTH": number(len(without))},
            ("Y", output or self.wire(len(without))), A=without, B=with_, S=select,
        )  # fmt: skip

    def both(self, a: Bits, b: Bits) -> Bits:
        sizes = {"A_SIGNED": number(0), "B_SIGNED": number(0)}
        widths = dict.fromkeys(("A_WIDTH", "B_WIDTH", "Y_WIDTH"), number(1))
        return self.cell("$and", sizes | widths, ("Y", self.wire(1)), A=a, B=b)

    def inverted(self, a: Bits) -> Bits:
        sizes = {"A_SIGNED": number(0), "A_WIDTH": number(1), "Y_WIDTH": number(1)}
        return self.cell("$not", sizes, ("Y", self.wire(1)), A=a)

    def compare(self, kind: str, a: Bits, b: Bits) -> Bits:
        """Two unsigned numbers of one width, by a cell such as ``$eq``."""
        width = number(len(a))
        sizes = {"A_SIGNED": number(0), "B_SIGNED": number(0), "Y_WIDTH": number(1)}
        return self.cell(
            kind, {**sizes, "A_WIDTH": width, "B_WIDTH": width}, ("Y", self.wire(1)), A=a, B=b
        )

    def equal(self, bits: Bits, value: int) -> Bits:
        return self.compare("$eq", bits, constant_bits(value, len(bits)))

    def change_input(self, cell: dict[str, Any], port: str, faulty: Bits, select: Bits) -> None:
        """Let an input of the cell see ``faulty`` where ``select`` is set."""
        cell["connections"][port] = self.mux(cell["connections"][port], faulty, select)

    def tap_output(self, cell: dict[str, Any], port: str) -> tuple[Bits, Bits]:
        """Cut an output of the cell off; returns what it drives now and what it drove before."""
        before = cell["connections"][port]
        cell["connections"][port] = self.wire(len(before))
        return cell["connections"][port], before
