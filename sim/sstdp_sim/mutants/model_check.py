"""Whether assertions in a netlist hold in every cycle from power-up on: yosys and ABC's `pdr`.

Property-directed reachability looks for an inductive reason by itself; it needs no bound, and finds
a counterexample or nothing in the processor time it has. ABC is part of yosys and is reached
through its pass `abc`, which wants a netlist of its own to map: a single inverter.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sstdp_hw.base.errors import UserError

from .netlist import Bits, number, run_yosys

#: How the names of the modules begin that assert and assume.
CHECKER = "sstdp_check_"
_CHECKERS = f"""\
module {CHECKER}asserted (input wire value); always @* assert (value); endmodule
// A stream's beat that is not taken stays as it is.
module {CHECKER}stable #(parameter WIDTH = 1) (
  input wire clk, rst, valid, ready, input wire [WIDTH-1:0] payload
);
  reg offered = 0;
  reg [WIDTH-1:0] held = 0;
  always @(posedge clk) begin
    offered <= valid & !ready & !rst;
    held <= payload;
  end
  always @* assume (!offered | (valid & payload == held));
endmodule
"""
_SCRIPT = """\
{read}
proc
flatten
memory_map
async2sync
chformal -lower
opt -full
techmap
dfflegalize -cell $_DFF_P_ 01
setundef -undriven -zero
setundef -init -zero
opt_clean
aigmap
write_aiger -zinit problem.aig
design -reset
read_rtlil <<EOT
module \\inverter
  wire input 1 \\a
  wire output 2 \\y
  cell $_NOT_ \\gate
    connect \\A \\a
    connect \\Y \\y
  end
end
EOT
abc -script problem.abc
"""
_READ = """\
read_json problem.json
read_verilog -formal checkers.v
hierarchy -check -top {top}
"""
# `scorr` merges what is equal in both halves; it may leave a constant, which `pdr` does not take.
_ABC = """\
scorr
dc2
write_aiger reduced.aig
pdr -nct
write_status status
"""
_NEVER = b"0"  # an output of an AIGER file that is constant


def asserted(bits: Bits) -> dict[str, Any]:
    """A cell that asserts its one bit."""
    return _checker("asserted", {}, value=bits)


def assumed_stable(clk: Bits, rst: Bits, valid: Bits, ready: Bits, payload: Bits) -> dict[str, Any]:
    """A cell that assumes the rule of a stream."""
    return _checker(
        "stable", {"WIDTH": number(len(payload))},
        clk=clk, rst=rst, valid=valid, ready=ready, payload=payload,
    )  # fmt: skip


def _checker(kind: str, parameters: dict[str, str], **inputs: Bits) -> dict[str, Any]:
    return {
        "hide_name": 0, "type": CHECKER + kind, "parameters": parameters, "attributes": {},
        "port_directions": dict.fromkeys(inputs, "input"), "connections": inputs,
    }  # fmt: skip


def holds(folder: Path, modules: dict[str, Any], top: str, seconds: int) -> bool:
    """Whether all assertions below ``top`` are proven within so many seconds of processor time.

    All inputs are free, the reset as well; registers begin with their initial values, memories
    with zeros.
    """
    folder.mkdir()
    problem = {"creator": "sstdp-hw", "modules": modules}
    (folder / "problem.json").write_text(json.dumps(problem), encoding="utf-8")
    (folder / "checkers.v").write_text(_CHECKERS, encoding="utf-8")
    try:
        found = solve(folder, _READ.format(top=top), _ABC, processor_seconds=seconds)
    except UserError:
        return False  # no proof
    if found.startswith("snl_UNSAT"):
        return True
    header, *lines = (folder / "reduced.aig").read_bytes().split(b"\n")
    latches, outputs = map(int, header.split()[3:5])
    return lines[latches : latches + outputs] == [_NEVER] * outputs


def solve(folder: Path, read: str, commands: str, *, processor_seconds: int | None = None) -> str:
    """Give the assertions and assumptions of a design to ABC.

    Parameters
    ----------
    folder : Path
        Where the files are that ``read`` names.
    read : str
        Commands of yosys that read the design and choose its top module.
    commands : str
        Of ABC; its network has one output, which is never 1 if all assertions hold.
    processor_seconds : int, optional
        When to give up.

    Returns
    -------
    str
        What ``write_status status`` wrote.

    Raises
    ------
    UserError
        If yosys or ABC stops, or is stopped.
    """
    text = "write_blif inverter.blif\nread_aiger problem.aig\nfold\n" + commands
    (folder / "problem.abc").write_text(text + "read_blif inverter.blif\n", encoding="utf-8")
    script = _SCRIPT.format(read=read)
    run_yosys(folder, script, writes="status", processor_seconds=processor_seconds)
    return (folder / "status").read_text(encoding="utf-8")
