"""Coverage of the Verilog: Verilator's counters read, added up, and told."""

import json
import re

import numpy as np

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.network.layers import Dense
from sstdp_hw.network.network import Network
from sstdp_rtl.generator.generate import generate
from sstdp_sim.simulation.coverage import Coverage, rows
from sstdp_sim.stress.beats import WEATHER

POINT = (
    "C '\x01f\x02a.v\x01l\x02{line}\x01n\x027\x01page\x02v_{page}\x01o\x02{name}\x01h\x02x' {count}"
)


def dat(folder, *points):
    lines = (
        POINT.format(page=page, name=name, line=line, count=count)
        for page, name, line, count in points
    )
    (folder / "coverage.dat").write_text("# SystemC::Coverage-3\n" + "\n".join(lines) + "\n")
    return folder / "coverage.dat"


def test_runs_add_up(tmp_path):
    coverage = Coverage()
    first = (
        ("line/a", "block", 3, 5),
        ("branch/a", "cond_then", 4, 0),
        ("branch/a", "cond_then", 9, 0),
    )
    coverage.add(dat(tmp_path, *first, ("toggle/a", "o___05Fv:0->1", 1, 0)))
    coverage.add(dat(tmp_path, ("branch/a", "cond_then", 4, 2), ("line/a", "block", 3, 0)))
    modules = coverage.to_json()
    assert modules["a"]["line"] == {"hit": 1, "points": 1, "missing": []}
    assert modules["a"]["branch"] == {"hit": 1, "points": 2, "missing": ["cond_then, line 9:7"]}
    assert modules["a"]["toggle"]["missing"] == ["o__v:0->1"]
    assert rows(modules) == [
        ["a", "100.0% of 1", "50.0% of 2", "0.0% of 1"],
        ["all", "100.0% of 1", "50.0% of 2", "0.0% of 1"],
    ]


def test_contents_of_memories_and_the_harness_do_not_count(tmp_path):
    coverage = Coverage()
    coverage.add(dat(tmp_path, ("toggle/a", "rows[3][1]:0->1", 1, 0), ("line/harness", "b", 1, 0)))
    assert coverage.to_json() == {}


def test_what_random_beats_reach(tmp_path, capsys):
    """Every line and branch of a tiny accelerator; a bit that is a constant is named."""
    weight = np.array([[1, -1], [-1, 1]], np.int8)
    encoder = np.repeat([1, 0], [128, 128]).astype(np.uint8)
    layer = Dense(weight, np.zeros(2, np.int32), 2)
    network = Network("tiny", 1, (1, 1, 2), ("a", "b"), encoder, (layer,))
    folder = tmp_path / "tiny"
    generate(network, Configuration((2,), 1, True), folder)
    assert main(["verify", str(folder), "--stress", "900", "--coverage"]) == 0
    told = capsys.readouterr().out
    assert "100.0%" in told and f"Written: {folder / 'coverage.json'}" in told
    played = re.search(r"Played ([\d,]+) beats \(at least 900 asked\) in (\d+) runs", told)
    assert 900 <= int(played[1].replace(",", "")) < 1800
    assert int(played[2]) >= len(WEATHER)
    assert int(re.search(r"(\d+) resets", told)[1]) > 0
    modules = json.loads((folder / "coverage.json").read_text())["modules"]
    decision = modules["accelerator.decision"]
    assert decision["line"]["hit"] == decision["line"]["points"] > 10
    assert decision["branch"]["hit"] == decision["branch"]["points"] > 10
    assert "o__payload[31]:0->1" in decision["toggle"]["missing"]
    assert decision["toggle"]["hit"] > 50


def test_coverage_without_beats_is_refused(tmp_path, capsys):
    assert main(["verify", str(tmp_path), "--mutants", "3", "--coverage"]) == 2
    assert "must come with --stress" in capsys.readouterr().err
