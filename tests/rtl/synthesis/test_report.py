"""Parsers of the tools' reports, on small reports of the shape that the tools write."""

import json

import pytest

from sstdp_rtl.synthesis.families import ECP5, GATEMATE, GW2A, ICE40, NEXUS, XILINX7
from sstdp_rtl.synthesis.report import (
    BadReport,
    CriticalPath,
    mapped_resources,
    overfull,
    read_cell_counts,
    read_memories,
    read_placed_report,
)
from sstdp_rtl.synthesis.result import BuildResult, SeedResult
from sstdp_rtl.verbs.build import summary


def pin(cell, port):
    return {"cell": cell, "loc": [37, 2], "port": port}


def step(kind, delay, start, end):
    return {"type": kind, "delay": delay, "from": start, "to": end}


# Abridged from a report of nextpnr-ecp5 0.11: two clocks, a path between registers of one of them,
# and a path from a port.
REPORT = {
    "critical_paths": [
        {"from": "<async>", "to": "posedge slow", "path": [step("source", 1, {}, {})]},
        {
            "from": "posedge fast",
            "to": "posedge fast",
            "path": [
                step("clk-to-q", 0.525, pin("beat_Q", "Q"), pin("beat_Q", "Q")),
                step("routing", 0.857, pin("beat_Q", "Q"), pin("lut", "D")),
                step("logic", 0.236, pin("lut", "D"), pin("lut", "F")),
                step("routing", 1.134, pin("lut", "F"), pin("sum_Q", "DI")),
                step("setup", 0, pin("sum_Q", "DI"), pin("sum_Q", "DI")),
            ],
        },
    ],
    "fmax": {
        "slow": {"achieved": 250.0, "constraint": 12.0},
        "fast": {"achieved": 141.28285217285156, "constraint": 100.00000149011612},
    },
    "utilization": {
        "DP16KD": {"available": 56, "used": 1},
        "MULT18X18D": {"available": 28, "used": 2},
        "TRELLIS_COMB": {"available": 24288, "used": 121},
        "TRELLIS_FF": {"available": 24288, "used": 47},
        "TRELLIS_RAMW": {"available": 3036, "used": 3},
        "TRELLIS_IO": {"available": 197, "used": 0},
    },
}

LOG = """\
Info: Device utilisation:
Info: 	          TRELLIS_IO:       0/    197     0%
Info: 	              DP16KD:     129/     56   230%
Info: 	               DCUA:        2/      1   200%
Info: 	        TRELLIS_COMB:   24288/  24288   100%
Info: Placed 0 cells based on constraints.
ERROR: Unable to place cell 'ram.0.37', no BELs remaining to implement cell type 'DP16KD'
"""


def write(tmp_path, value):
    path = tmp_path / "report"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_placed_report(tmp_path):
    report = read_placed_report(write(tmp_path, REPORT), ECP5)
    assert report.used == {"lut": 121, "ff": 47, "bram": 1, "lut_ram": 3, "multiplier": 2}
    assert report.available["bram"] == 56
    clock = report.clock_of(100)
    assert (clock.clock, round(clock.fmax_mhz, 2)) == ("fast", 141.28)
    assert clock.critical_path == CriticalPath("beat_Q.Q", "sum_Q.DI", 2.752, 0.761, 1.991, 1)
    assert report.clock_of(12).critical_path is None


def test_a_clock_that_got_no_constraint_gives_no_figure(tmp_path):
    report = read_placed_report(write(tmp_path, REPORT), ECP5)
    with pytest.raises(BadReport, match=r"no clock with the constraint 50 MHz .*slow at 12\.00"):
        report.clock_of(50)


def test_the_slowest_of_clocks_with_the_same_constraint_counts(tmp_path):
    fmax = {name: {"achieved": mhz, "constraint": 100} for name, mhz in (("a", 120), ("b", 90))}
    report = read_placed_report(write(tmp_path, {**REPORT, "fmax": fmax}), ECP5)
    assert report.clock_of(100).clock == "b"


def test_long_names_are_cut_in_the_middle(tmp_path):
    text = json.dumps(REPORT).replace("beat_Q", "x" * 200 + "_end")
    path = read_placed_report(write(tmp_path, text), ECP5).clock_of(100).critical_path
    assert len(path.start) < 130
    assert path.start.endswith("_end.Q")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"utilization": {}}', json.dumps({**REPORT, "fmax": {"a": 1}})]
)
def test_anything_else_is_refused(tmp_path, text):
    with pytest.raises(BadReport, match="is not a report of nextpnr"):
        read_placed_report(write(tmp_path, text), ECP5)


def test_cell_counts(tmp_path):
    report = {"design": {"num_cells_by_type": {"CCU2C": 20, "LUT4": 63}}}
    assert read_cell_counts(write(tmp_path, report)) == {"CCU2C": 20, "LUT4": 63}
    with pytest.raises(BadReport, match="is not a report of yosys"):
        read_cell_counts(write(tmp_path, "{}"))
    with pytest.raises(BadReport, match="is not a report of yosys"):
        read_cell_counts(tmp_path / "none")


def test_overfull_names_what_does_not_fit_and_only_that():
    assert overfull(LOG, ECP5) == ["bram (DP16KD) needs 129, has 56", "DCUA needs 2, has 1"]
    assert overfull("", ECP5) == []
    line = "Info: \t        ICESTORM_RAM:     104/     32   325%\n"
    assert overfull(line, ICE40) == ["bram (ICESTORM_RAM) needs 104, has 32"]


def test_resources_of_other_families(tmp_path):
    """What nextpnr does not tell apart is counted by yosys; a DSP that is not there is none."""
    cells = {"ICESTORM_LC": {"used": 90, "available": 7680}}
    cells["ICESTORM_RAM"] = {"used": 3, "available": 32}
    report = read_placed_report(write(tmp_path, {**REPORT, "utilization": cells}), ICE40)
    assert report.used == {"lut": 90, "bram": 3}
    assert report.available == {"lut": 7680, "bram": 32}
    gowin = {name: {"used": 5, "available": 100} for name in ("LUT4", "DFF", "BSRAM", "MULT18X18")}
    gowin |= {"ALU": {"used": 7, "available": 80}, "RAM16SDP4": {"used": 2, "available": 9}}
    report = read_placed_report(write(tmp_path, {**REPORT, "utilization": gowin}), GW2A)
    assert (report.used["lut"], report.available["lut"]) == (12, 100)  # an ALU takes a LUT's place
    with pytest.raises(BadReport):  # a report of another family
        read_placed_report(write(tmp_path, REPORT), ICE40)
    counts = {"SB_DFF": 4, "SB_DFFESR": 3, "SB_CARRY": 2, "SB_LUT4": 9}
    path = write(tmp_path, {"design": {"num_cells_by_type": counts}})
    assert mapped_resources(path, ICE40)["ff"] == 7
    assert mapped_resources(path, ICE40)["carry"] == 2
    counts = {"LUT2": 3, "LUT6": 4, "RAM32M": 2, "RAMB18E1": 1, "RAMB36E1": 2, "FDRE": 5, "FDSE": 1}
    path = write(tmp_path, {"design": {"num_cells_by_type": counts}})
    used = mapped_resources(path, XILINX7)
    assert (used["lut"], used["ff"], used["bram"], used["lut_ram"]) == (15, 6, 5, 2)


def test_resources_of_nexus(tmp_path):
    """Abridged from a report of nextpnr-nexus 0.11."""
    cells = {"OXIDE_COMB": (899, 32256), "OXIDE_FF": (837, 32256), "OXIDE_EBR": (2, 84)}
    cells |= {"RAMW": (57, 4032), "MULT9_CORE": (0, 112), "VCC_DRV": (1, 86)}
    report = read_placed_report(write(tmp_path, placed(cells)), NEXUS)
    assert report.used == {"lut": 899, "ff": 837, "bram": 2, "lut_ram": 57, "multiplier": 0}
    assert report.available["bram"] == 84
    path = write(tmp_path, {"design": {"num_cells_by_type": {"CCU2": 44, "LUT4": 415}}})
    assert mapped_resources(path, NEXUS)["carry"] == 44
    log = "mapping memory top.a via $__NEXUS_DPR16X4_\nmapping memory top.b via $__NX_PDP16K_\n"
    assert read_memories(log, NEXUS) == {"top.a": "lut_ram", "top.b": "block"}


def test_resources_of_gatemate(tmp_path):
    """Abridged from a report of nextpnr-himbaechel-gatemate 0.11, which offers none of some."""
    cells = {"CPE_LT": (2851, 40960), "CPE_FF": (1315, 40960), "RAM_HALF": (7, 64)}
    cells |= {"CPE_ADDF2": (113, 0), "CPE_MX4": (118, 0)}
    report = read_placed_report(write(tmp_path, placed(cells)), GATEMATE)
    # Adders and multiplexers take two halves each; block RAM is counted before placement.
    assert report.used == {"lut": 2851 + 2 * (113 + 118), "ff": 1315}
    assert report.available == {"lut": 40960, "ff": 40960, "bram": 64}
    blocks = {"CC_BRAM_20K": 9, "CC_BRAM_40K": 13}
    path = write(
        tmp_path, {"design": {"num_cells_by_type": {"CC_ADDF": 246, "CC_MULT": 1} | blocks}}
    )
    used = mapped_resources(path, GATEMATE)
    assert used["bram"] == 9 + 2 * 13
    assert (used["carry"], used["multiplier"], used["lut_ram"]) == (246, 1, 0)
    log = "mapping memory top.a via $__CC_BRAM_TDP_\nusing FF mapping for memory top.b\n"
    assert read_memories(log, GATEMATE) == {"top.a": "block", "top.b": "logic"}


def placed(cells):
    """A report with these cells: used and available of each."""
    figures = {name: {"used": used, "available": has} for name, (used, has) in cells.items()}
    return {**REPORT, "utilization": figures}


def test_memories_of_a_log_of_yosys():
    log = """\
mapping memory top.weights via $__DP16KD_
found attribute 'ram_style = distributed' on memory top.heads, forced mapping to distributed RAM
mapping memory top.heads via $__TRELLIS_DPR16X4_
using FF mapping for memory top.table
"""
    kinds = {"top.weights": "block", "top.heads": "lut_ram", "top.table": "logic"}
    assert read_memories(log, ECP5) == kinds


def test_figures_for_a_person():
    """Each clock has its unit; of a deep network's memories the count, not every name."""
    layers = {f"accelerator.layer_{n}.slice_0.queue.storage": "logic" for n in range(30)}
    board = {"sstdp_board.serial.accelerator.encoder.table_0.rom": "logic", "other": "block"}
    result = BuildResult(
        **dict.fromkeys(("lut", "ff", "bram", "lut_ram", "multiplier", "carry"), 1),
        **dict.fromkeys(("family", "part", "package", "speed", "untimed", "cache_key"), ""),
        kind="device", target="t", design={"name": "n"}, available={"lut": 9}, clock_mhz=160.0,
        memories=layers | board, fmax_mhz=131.2, fmax_best_mhz=133.55, timing_met=False,
        seeds=(SeedResult(1, 133.55, 1.0, None), SeedResult(2, 131.2, 1.0, None)),
        bitstream=None, board=None, tools={}, seconds={"total": 1.0},
    )  # fmt: skip
    lines = [line.split(maxsplit=1) for line in summary(result).splitlines()]
    told = {line[0]: line[1] for line in lines}
    assert told["fmax"] == "133.55 MHz (seed 1), 131.2 MHz (seed 2); aimed at 160 MHz"
    assert told["note"] == "memories in LUTs and registers: 30 in layer, 1 in encoder"
