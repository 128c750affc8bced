"""One Verilog text with every mutant in it; an input of the harness chooses which is at work.

Compiling and starting a simulator take longer than a run, so all mutants are compiled once and many
are played in one process. A fault in the logic is a multiplexer between the right and the wrong
signal; a flipped bit of a memory changes the literal that the memory is filled from. With number 0
the design is the one that was generated, which the campaign checks first.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..comparison.mutation import LITERAL, Mutation, find
from ..simulation.harness import HARNESS_TOP
from .logic import EIGHTH, LogicFault, apply
from .netlist import Editor, split_roms, write_design

NUMBER = "sstdp_mutant_number"

#: Modules that Verilog with mutants needs.
HELPERS = f"""
module {NUMBER} (output wire [31:0] number);
  assign number = {HARNESS_TOP}.mutant;
endmodule

module {EIGHTH} (input wire clk, input wire happens, output wire hit);
  reg [2:0] count = 0;
  always @(posedge clk) if (happens) count <= count + 1;
  assign hit = count == 7;
endmodule
"""
# Mutants are changed while the accelerator is in reset.
_OUTSIDE = f"""\
  wire [31:0] mutant;
  reg [31:0] at_work = 0;
  {NUMBER} chosen (.number(mutant));
  task flip(input [31:0] number);
    case (number)
{{cases}}      default: ;
    endcase
  endtask
  always @(posedge clk) if (mutant != at_work) begin
    flip(at_work);
    flip(mutant);
    at_work = mutant;
  end
"""
_FILL = re.compile(
    r"initial for \(i = 0; i < (\d+); i = i \+ 1\) (\w+\[\d+) \+ i\] = (ROWS_\d+)\[i\*(.*)"
)


def instrumented(
    verilog: str,
    modules: dict[str, Any],
    mutants: Sequence[LogicFault | Mutation],
    folder: Path,
    *,
    elsewhere: Container[int] = (),
) -> str:
    """The Verilog with ``mutants`` built in; they count from 1. Those numbered ``elsewhere`` are
    flipped bits of memories that do not stand in the Verilog."""
    modules = copy.deepcopy(modules)
    editors: dict[str, tuple[Editor, list[Any]]] = {}
    flips: dict[tuple[str, str], dict[int, int]] = {}  # module, literal: number to bit
    for number, mutant in enumerate(mutants, 1):
        if number in elsewhere:
            continue
        if isinstance(mutant, Mutation):
            place = find(verilog, mutant)
            flips.setdefault((mutant.module, place.name), {})[number] = place.bit
            continue
        if mutant.module not in editors:
            editor = Editor(modules[mutant.module])
            wire = editor.cell(NUMBER, {}, ("number", editor.wire(32)))
            editors[mutant.module] = editor, wire
        editor, wire = editors[mutant.module]
        apply(mutant, editor, editor.equal(wire, number))
    return write_design(modules, folder) + HELPERS + _with_flips(split_roms(verilog)[1], flips)


def flips_outside(places: Mapping[int, int], width: int) -> str:
    """Lines for the model of an external memory, ``width`` bits a word: each mutant flips the bit
    of that number."""
    if not places:
        return ""
    cases = "".join(
        f"      {number}: words[{place // width}][{place % width}] = "
        f"~words[{place // width}][{place % width}];\n"
        for number, place in places.items()
    )
    return _OUTSIDE.format(cases=cases)


def _with_flips(roms: str, flips: dict[tuple[str, str], dict[int, int]]) -> str:
    """The memories with literals that depend on the mutant, where one is to be flipped."""

    def module(found: re.Match[str]) -> str:
        name, text = found.group(1), found.group()
        chosen = {literal: bits for (owner, literal), bits in flips.items() if owner == name}
        if not chosen:
            return text

        def literal(match: re.Match[str]) -> str:
            if match["name"] not in chosen:
                return match.group()
            flipped = "".join(
                f" ^ ((mutant == {number}) ? ({match['bits']}'d1 << {bit}) : {match['bits']}'d0)"
                for number, bit in chosen[match["name"]].items()
            )
            value = f"{match['bits']}'h{match['digits']}"
            return f"wire {match['range']} {match['name']} = {value}{flipped};"

        def fill(match: re.Match[str]) -> str:
            count, place, source, rest = match.groups()
            if source not in chosen:
                return match.group()
            return (
                f"always @({source}) begin : fill_{match.start()} integer j; for (j = 0; "
                f"j < {count}; j = j + 1) {place} + j] = {source}[j*{rest} end"
            )

        head, end, body = LITERAL.sub(literal, text).partition(");\n")
        wires = f"  wire [31:0] mutant;\n  {NUMBER} chosen (.number(mutant));\n"
        return head + end + wires + _FILL.sub(fill, body)

    return re.sub(r"^module (\w+) \(.*?^endmodule$", module, roms, flags=re.MULTILINE | re.DOTALL)
