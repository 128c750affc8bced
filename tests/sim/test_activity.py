"""Switching activity for power tools: the file beside toggles that the Verilog itself counts."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.networks import random_dense

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.network.layers import Flatten
from sstdp_hw.network.network import Network
from sstdp_rtl.generator.generate import generate
from sstdp_sim.simulation import simulator
from sstdp_sim.simulation.activity import SCOPE, keep_activity

IMAGES, PERIOD_PS, COUNTS = 5, 10_000, "counts.txt"
#: Nets that are counted bit by bit, of the top and of blocks, and their widths.
COUNTED = {
    "m_axis_tvalid": 1, "s_axis_tready": 1, "m_axis_tdata": 32, "layer_0/i__valid": 1,
    "encoder/i__payload": 12,
}  # fmt: skip
#: Looks in the middle of every cycle, when all that a clock edge sets off has settled.
COUNTER = """\
  reg [{width}-1:0] last_{number} = 0;
  integer toggles_{number} [0:{width}-1], high_{number} [0:{width}-1], bit_{number};
  initial for (bit_{number} = 0; bit_{number} < {width}; bit_{number} = bit_{number} + 1) begin
    toggles_{number}[bit_{number}] = 0; high_{number}[bit_{number}] = 0;
  end
  always @(negedge clk) begin
    for (bit_{number} = 0; bit_{number} < {width}; bit_{number} = bit_{number} + 1) begin
      if (dut.{net}[bit_{number}] != last_{number}[bit_{number}])
        toggles_{number}[bit_{number}] = toggles_{number}[bit_{number}] + 1;
      if (dut.{net}[bit_{number}])
        high_{number}[bit_{number}] = high_{number}[bit_{number}] + 1;
    end
    last_{number} = dut.{net};
  end
  final for (bit_{number} = 0; bit_{number} < {width}; bit_{number} = bit_{number} + 1)
    $fdisplay(counts, "{name} %0d %0d %0d", bit_{number}, toggles_{number}[bit_{number}],
      high_{number}[bit_{number}]);
"""


def counting(text):
    """The harness with counters of its own, which write to a file beside the trace at the end."""
    counters = [
        COUNTER.format(number=number, name=name, net=name.replace("/", "."), width=width)
        for number, (name, width) in enumerate(COUNTED.items())
    ]
    for place, (_, width) in enumerate(COUNTED.items()):
        if width == 1:  # no bit of a wire that is one
            counters[place] = re.sub(r"(dut\.[\w.]+|last_\d+)\[bit_\d+\]", r"\1", counters[place])
    opened = f'  integer counts; initial counts = $fopen("{COUNTS}", "w");\n'
    head, _, tail = text.rpartition("endmodule")
    return head + opened + "".join(counters) + "endmodule" + tail


def activities(path):
    """Every net of an activity file by its path: time low, time high, toggles."""
    found, scope = {}, []
    for line in path.read_text().splitlines():
        if instance := re.match(r"( *)\(INSTANCE (\S+)", line):
            scope = [*scope[: len(instance[1]) - 1], instance[2]]
        elif net := re.match(r" *\((\S+) \(T0 (\d+)\) \(T1 (\d+)\) .*\(TC (\d+)\)\)", line):
            assert "/".join([*scope, net[1]]) not in found
            found["/".join([*scope, net[1]])] = tuple(map(int, net.groups()[1:]))
    return found


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Folder with accelerator, ``real.saif``, the counts and the result of one simulation."""
    folder = tmp_path_factory.mktemp("activity")
    layer = random_dense(np.random.default_rng(2), 3, 9, 3)
    layer.threshold[:] = (3, 2, 4)
    encoder = np.minimum(np.arange(256) // 60, 3).astype(np.uint8)
    network = Network("tiny", 3, (1, 3, 3), ("a", "b", "c"), encoder, (Flatten(), layer))
    generate(network, Configuration((2,)), folder / "hw")
    images = np.random.default_rng(3).integers(0, 256, (IMAGES, 3, 3)).astype(np.uint8)
    np.savez(folder / "data.npz", images=images, labels=np.zeros(IMAGES, int))
    plain, keep = simulator.harness_verilog, simulator.keep_activity

    def kept(trace, activity):
        shutil.copy(trace.with_name(COUNTS), folder)
        return keep(trace, activity)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulator, "keep_activity", kept)
        options = [option.replace("-O1", "-O0") for option in simulator.VERILATOR_OPTIONS]
        patch.setattr(
            simulator, "VERILATOR_OPTIONS", options
        )  # compiling takes longer than the run
        patch.setattr(
            simulator, "harness_verilog", lambda *given, **named: counting(plain(*given, **named))
        )
        assert main([
            "simulate", str(folder / "hw"), "--dataset", str(folder / "data.npz"),
            "--activity", str(folder / "real.saif"), "--json", str(folder / "result.json"),
        ]) == 0  # fmt: skip
    return folder


def test_toggles_and_times_are_those_that_the_verilog_counts(simulated):
    found = activities(simulated / "real.saif")
    counts = [line.split() for line in (simulated / COUNTS).read_text().splitlines()]
    assert len(counts) == sum(COUNTED.values())
    moved = 0
    for name, bit, toggles, high in counts:
        net = f"{SCOPE}/{name}" + (rf"\[{bit}\]" if COUNTED[name] > 1 else "")
        _, t1, toggled = found[net]
        assert (toggled, t1) == (int(toggles), int(high) * PERIOD_PS), net
        moved += toggled
    assert moved > 100


def test_times_add_up_to_the_duration_and_the_clock_ticks(simulated):
    text = (simulated / "real.saif").read_text()
    assert text.count("(") == text.count(")")
    duration = int(re.search(r"\(DURATION (\d+)\)", text)[1])
    found = activities(simulated / "real.saif")
    result = json.loads((simulated / "result.json").read_text())
    told = result["activity"]
    assert result["mismatches"] == 0 and told["cycles"] == duration / PERIOD_PS
    assert told["nets"] == len(found) > 500 and told["scope"] == SCOPE
    for net, (t0, t1, toggles) in found.items():
        assert t0 + t1 == duration and (toggles == 0 or (t0 and t1)), net
    assert found[f"{SCOPE}/aclk"][2] == pytest.approx(2 * told["cycles"], abs=1)
    rates = told["toggles_per_net_and_cycle"]
    assert {"top", "encoder", "layer_0", "decision"} <= set(rates)
    assert all(0 <= rate < 1 for rate in rates.values())


def test_nets_are_those_of_the_verilog_and_of_nothing_else(simulated):
    verilog = (simulated / "hw" / "accelerator.v").read_text()
    declared = set(re.split(r"[\s;,()=\\]+", verilog))
    instances = set(re.findall(r"^ +\\?\S+ +\\?(\S+) +\($", verilog, re.M))
    for path in activities(simulated / "real.saif"):
        top, dut, *blocks, net = path.split("/")
        assert f"{top}/{dut}" == SCOPE
        assert set(blocks) <= instances, path
        assert re.sub(r"\\\[\d+\\\]$", "", net) in declared, path


def test_a_file_without_nets_is_refused_and_leaves_the_old_one(tmp_path):
    (tmp_path / "raw").write_text("(SAIFILE\n(DURATION 500)\n (INSTANCE $rootio\n )\n)\n")
    (tmp_path / "old.saif").write_text("old")
    with pytest.raises(UserError, match="no switching activity was traced"):
        keep_activity(tmp_path / "raw", tmp_path / "old.saif")
    assert (tmp_path / "old.saif").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.saif", "raw"]


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["--activity", "a.vcd"], "switching activity is written as .saif, not .vcd"),
        (["--activity", "."], "must be a file name, not a folder"),
        (["--activity", "a.saif", "--jobs", "2"], "Jobs must be 1 with --activity"),
        (["--activity", "a.saif", "--simulator", "icarus"], "must be simulated by verilator"),
        (["--activity", "a.saif", "--waves", "a.vcd"], "leave out --activity or --waves"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(
    arguments, text, simulated, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    data = str(simulated / "data.npz")
    assert main(["simulate", str(simulated / "hw"), "--dataset", data, *arguments]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert text in error and not list(Path().iterdir())
