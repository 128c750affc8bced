"""Every script of examples/ runs as it stands, in an empty folder, and gets somewhere; each is a
notebook, too."""

import importlib.util
import json
import os
import re
import runpy
import subprocess
import sys
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
    "board_in_simulation": lambda told: told.startswith("20 of 20 answers"),
    "litex_soc": lambda told: told.startswith("20 of 20 answers"),
    "read_record": lambda told: "200 images, 0 mismatches" in told and "again 50" in told,
}
#: The package beyond [all] that an example takes.
TAKES = {"litex_soc": "litex"}


def test_every_example_is_run():
    assert {file.stem for file in FOLDER.glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_example(name, tmp_path, monkeypatch, capsys):
    if (package := TAKES.get(name)) and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    told = capsys.readouterr().out
    assert SAID[name](told), told


def jupytext(*arguments, folder):
    environment = os.environ | {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_PLATFORM_DIRS": "1"}
    command = [sys.executable, "-m", "jupytext", *map(str, arguments)]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


def test_an_example_runs_as_a_notebook(tmp_path):
    """The way that docs/examples.md names; what it printed is in the notebook."""
    target = tmp_path / "from_numpy.ipynb"
    jupytext(
        "--set-kernel", "python3", "--to", "ipynb", "--execute", "--output", target,
        FOLDER / "from_numpy.py", folder=tmp_path,
    )  # fmt: skip
    cells = json.loads(target.read_text(encoding="utf-8"))["cells"]
    assert cells[0]["cell_type"] == "markdown" and cells[0]["source"][0].startswith("# ")
    printed = ["".join(output["text"]) for cell in cells for output in cell.get("outputs", ())]
    assert SAID["from_numpy"]("".join(printed))


@pytest.mark.parametrize("name", SAID)
def test_an_example_is_divided_into_cells(name):
    """A title first; no cell begins within a block, which no notebook could run."""
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert text.startswith("# %% [markdown]\n# # ")
    cells = re.split(r"(?m)^# %%.*\n", text)
    assert len(cells) >= 4
    for cell in cells:
        compile(cell, name, "exec")
