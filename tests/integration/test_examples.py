"""Every script of examples/ runs as it stands, in an empty folder, and gets somewhere."""

import re
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"


def accuracy(told):
    return float(re.search(r"([\d.]+)%", told)[1])


#: What each must have said.
SAID = {
    "quick_start": lambda told: told.startswith("[2 9 8 1 4 7 0") and "cycles per image" in told,
    "from_numpy": lambda told: accuracy(told) > 80,
    "pytorch_loop": lambda told: accuracy(told) > 75,
    "nir_file": lambda told: accuracy(told) > 80,
    "event_camera": lambda told: accuracy(told) == 100 and told.split("[")[1].count("1") == 10,
    "choose_hardware": lambda told: told.count("images/s at 100 MHz: lanes") == 3,
    "read_record": lambda told: "200 images, 0 mismatches" in told and "again 50" in told,
}


def test_every_example_is_run():
    assert {file.stem for file in FOLDER.glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_example(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    told = capsys.readouterr().out
    assert SAID[name](told), told
