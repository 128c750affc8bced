"""What the simulated board's SDRAM, a model in Verilog, says of what went to a chip."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import cocotb
from cocotb.triggers import Timer

from sstdp_rtl.synthesis.simulated import SDRAM_FILE
from sstdp_sim.simulation.environment import tool_environment
from sstdp_sim.simulation.runner import VERILATOR_OPTIONS, run_job, runner_of
from support.quick_simulator import QUICK

RULE_BITS = 8 * 24
_CHIP = """\
  reg [35:0] trace@ [0:{last}];
  initial $readmemh("{file}", trace@);
  wire [35:0] pins@ = trace@[place];
  sdram_model #(.PERIOD({period}), .ENDS(0), .KEPT_BITS(12), {rules}) chip@ (
    .clk(clk & (place <= {last})), .clk_en(1'b1), .cs(1'b1), .ras(pins@[35]), .cas(pins@[34]),
    .we(pins@[33]), .ba(pins@[32:31]), .a(pins@[30:18]), .dqm({{2{{pins@[17]}}}}),
    .dq_driven(pins@[16]), .dq_in(pins@[15:0]), .dq_out(), .rule(rules[{bits} * @ +: {bits}]));
"""


def verilog_rules(folder, traces):
    """The first rule that the model finds broken in each trace; empty if none is.

    Parameters
    ----------
    traces : list of (float, SdramTiming, list of tuple)
        Period of the clock in ns, times of the chip, arguments of `SdramChip.edge`.
    """
    chips = []
    for number, (period, timing, pins) in enumerate(traces):
        file = folder / f"trace{number}.hex"
        file.write_text("\n".join(f"{_word(*pin):09x}" for pin in pins))
        rules = ", ".join(
            f".{name.upper()}({ns if name == 'rows' else round(1000 * ns)})"
            for name, ns in asdict(timing).items()
        )
        text = _CHIP.format(
            last=len(pins) - 1, file=file, period=round(1000 * period), rules=rules, bits=RULE_BITS
        )
        chips.append(text.replace("@", str(number)))
    (folder / "traces.v").write_text(
        f"module traces (input clk, output [{RULE_BITS * len(traces) - 1}:0] rules);\n"
        "  reg [31:0] place = 0;\n"
        "  always @(posedge clk) place <= place + 1;\n" + "".join(chips) + "endmodule\n"
    )
    length = max(len(pins) for _, _, pins in traces)
    (folder / "job.json").write_text(json.dumps({"edges": length}))
    with tool_environment():
        runner_of(QUICK).build(
            sources=[SDRAM_FILE, folder / "traces.v"], hdl_toplevel="traces",
            build_dir=folder / "build", log_file=folder / "build.log", timescale=("1ns", "1ns"),
            build_args=VERILATOR_OPTIONS if QUICK == "verilator" else (),
        )  # fmt: skip
        told = int(run_job(QUICK, __name__, "traces", folder / "build", folder)["rules"], 16)
    texts = told.to_bytes(RULE_BITS // 8 * len(traces), "big")
    each = [texts[at : at + RULE_BITS // 8] for at in range(0, len(texts), RULE_BITS // 8)]
    return [text.strip(b"\0 ").decode("ascii") for text in reversed(each)]


def _word(ras, cas, we, bank, address, mask, driven):
    command = (1 - ras) << 2 | (1 - cas) << 1 | (1 - we)
    pins = command << 15 | bank << 13 | address
    return pins << 18 | mask << 17 | (driven is not None) << 16 | (driven or 0)


@cocotb.test()
async def play(dut):
    """The clock, as often as the longest trace has edges."""
    job = json.loads(Path(os.environ["SSTDP_JOB"]).read_text())
    for _ in range(job["edges"]):
        dut.clk.value = 0
        await Timer(5, unit="ns")
        dut.clk.value = 1
        await Timer(5, unit="ns")
    answer = {"rules": f"{int(dut.rules.value):x}"}
    Path(os.environ["SSTDP_ANSWER"]).write_text(json.dumps(answer))
