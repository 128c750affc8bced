"""Modules and files that documentation, settings, tools and sources name are there."""

import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Folders that a path may begin in.
PLACES = [ROOT / place for place in (".", "rtl", "sim", "training")]
DOTTED = re.compile(r"\bsstdp_(?:hw|rtl|sim|train)(?:\.[A-Za-z_]\w*)+")
FILE = re.compile(
    r"(?<![\w/.-])(?:\*/)?"
    r"((?:(?:rtl|sim|training)/)?(?:sstdp_(?:hw|rtl|sim|train)|tests|tools|benchmarks|docs)"
    r"/[\w./-]*\.(?:py|json|v|md|c|safetensors))\b"
)
TEXTS = (".md", ".py", ".toml")


def texts():
    """All but tests, whose strings name what is not there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    return sorted(
        name
        for name in listed
        if (name.endswith(TEXTS) or name == "Makefile")
        and not name.startswith("tests/")
        and (ROOT / name).is_file()
    )


def found(pattern):
    """Every name that the pattern finds: the texts that have it."""
    names = {}
    for file in texts():
        for name in pattern.findall((ROOT / file).read_text(encoding="utf-8")):
            names.setdefault(name, set()).add(file)
    return names


def resolves(dotted):
    """Whether a dotted name is a module, or something in one."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            there = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if part not in getattr(there, "__annotations__", {}) and not hasattr(there, part):
                return False
            there = getattr(there, part, None)
        return True
    return False


def test_dotted_names():
    missing = {name: files for name, files in found(DOTTED).items() if not resolves(name)}
    assert missing == {}


def test_paths():
    missing = {
        name: files
        for name, files in found(FILE).items()
        if not any((place / name).exists() for place in PLACES)
    }
    assert missing == {}


@pytest.mark.parametrize(
    "name, there",
    [
        ("sstdp_hw.blocks.hardware", True), ("sstdp_hw.blocks.hardware.Configuration", True),
        ("sstdp_hw.blocks.hardware.Configuration.DEFAULT_LANES", True),
        ("sstdp_hw.Network.digest", True), ("sstdp_hw.hardware", False),
        ("sstdp_hw.blocks.hardware.Nothing", False),
    ],
)  # fmt: skip
def test_what_resolves(name, there):
    assert resolves(name) == there
