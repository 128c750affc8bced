"""Templates beside the modules that fill them, and their way into the installed package."""

import tomllib
from pathlib import Path

import pytest

from sstdp_hw.base.templates import filled

ROOT = Path(__file__).parents[2]


@pytest.fixture
def template(tmp_path):
    (tmp_path / "t.v").write_text("  @{lines}\nreg [@{bits}-1:0] {a, b};  // @(posedge) 'h$0\n")
    return tmp_path / "t.v"


def test_a_place_takes_its_value_and_all_else_stays(template):
    text = filled(template, lines="    one\n    two\n", bits=8)
    assert text == "    one\n    two\nreg [8-1:0] {a, b};  // @(posedge) 'h$0\n"


def test_a_line_of_its_own_goes_away_with_no_value(template):
    assert filled(template, lines="", bits=8).startswith("reg [8")


@pytest.mark.parametrize("values", [{"bits": 8}, {"bits": 8, "lines": "", "lanes": 1}])
def test_places_and_values_must_be_the_same(template, values):
    with pytest.raises(KeyError, match=r"lines|lanes"):
        filled(template, **values)


def test_a_place_that_is_not_closed_is_refused(tmp_path):
    (tmp_path / "t.v").write_text("@{Bits}\n")
    with pytest.raises(ValueError):
        filled(tmp_path / "t.v")


def test_every_template_lies_in_a_folder_that_is_packed():
    """Whatever lies in these folders and git does not ignore goes into the wheel."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert not {"only-include", "exclude", "include"} & wheel.keys()
    for package in ("sim/sstdp_sim", "rtl/sstdp_rtl"):
        assert package in wheel["packages"]
        assert list((ROOT / package).rglob("*.template.v"))
