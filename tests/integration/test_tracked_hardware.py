"""Area, clock and cycles of a small configuration may not get worse silently."""

from types import SimpleNamespace

import pytest

from benchmarks.hardware import measurement, tracked
from benchmarks.hardware.__main__ import main
from benchmarks.hardware.configurations import at_least, at_most

OLD = {"lut": 1000, "ff": 500, "bram": 4, "cycles": 20_000, "fmax_mhz": 120.0}


def test_the_record_holds(tmp_path):
    assert tracked.findings(tracked.record(), tracked.take(tmp_path)) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"lut": 1001}, "worse: lut of"),
        ({"ff": 501}, "worse: ff of"),
        ({"bram": 5}, "worse: bram of"),
        ({"cycles": 20_001}, "worse: cycles of"),
        ({"fmax_mhz": 107.0}, "worse: fmax_mhz of"),
        ({"lut": 950}, "better: lut of"),
        ({"fmax_mhz": 140.0}, "better: fmax_mhz of"),
    ],
)
def test_a_change_is_one_line_with_both_figures_and_the_command(change, finding):
    (line,) = tracked.findings(OLD, OLD | change)
    (name,) = change
    assert line.startswith(finding)
    assert f"is {change[name]:g} and was {OLD[name]:g}" in line
    assert line.endswith("python -m benchmarks.hardware --renew-record")


@pytest.mark.parametrize("name", ["harness.py", "harness.template.v"])
def test_a_simulation_that_is_kept_is_of_this_code(name, tmp_path, monkeypatch):
    """However deep in the package a file has changed, the simulation runs again."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / name).write_text("before")
    monkeypatch.setattr(
        measurement, "sstdp_sim", SimpleNamespace(__file__=str(tmp_path / "__init__.py"))
    )
    before = measurement._simulation_code()
    (tmp_path / "inner" / name).write_text("after")
    assert measurement._simulation_code() != before


@pytest.mark.parametrize("change", [{}, {"lut": 990}, {"fmax_mhz": 110.0}, {"fmax_mhz": 130.0}])
def test_what_is_equal_or_little_better_passes(change):
    assert tracked.findings(OLD, OLD | change) == []


def test_goals():
    assert at_most("lut", 1500).met({"lut": 1500}) and not at_most("lut", 1500).met({"lut": 1501})
    assert at_least("efficiency", 0.9).met({"efficiency": 0.9})
    assert not at_least("efficiency", 0.9).met({"efficiency": 0.89})


def test_an_unknown_configuration_is_refused_in_one_line(tmp_path, capsys):
    assert main(["--only", "huge", "--out", str(tmp_path / "out")]) == 2
    assert "must be one of tiny, basic, full, not 'huge'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
