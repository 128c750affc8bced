"""Every Python example of README and docs is run, as a reader would run it."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
QUICK_START = ROOT / "examples" / "quick_start.py"  # run by test_examples.py
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

#: Pages whose examples build a bitstream: how often they have one that is left out here.
#: tests/rtl/synthesis/test_builds.py does what they show.
LEFT_OUT = {"build.md": 1}


def examples(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.M)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder in which README's examples have been run, in their order."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "build").mkdir()
    _quick_start, make_network, hardware = examples(ROOT / "README.md")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(make_network, {})
        exec(hardware, {})
    return folder


def test_the_first_lines_are_those_of_the_example_that_is_run():
    first = examples(ROOT / "README.md")[0]
    example = QUICK_START.read_text(encoding="utf-8")
    assert ast.dump(ast.parse(first)) == ast.dump(ast.parse(example))


def test_readme(workplace, capsys):
    assert (workplace / "build" / "mine" / "accelerator.v").is_file()
    assert (workplace / "build" / "mine" / "build" / "ecp5-25k" / "utilisation.json").is_file()


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_page(page, workplace, monkeypatch):
    """Names that a page takes as given: the reader's network and images."""
    found = examples(page)
    if page.name in LEFT_OUT:
        assert len(found) == LEFT_OUT[page.name]
        for example in found:
            compile(example, page.name, "exec")
        return
    monkeypatch.chdir(workplace)
    network = workplace / "network.safetensors"
    network.write_bytes((workplace / "build" / "mine.safetensors").read_bytes())
    for example in found:
        exec(example, {"images": np.zeros((2, 8, 8), np.uint8)})


def test_there_are_examples():
    counts = {page.name: len(examples(page)) for page in PAGES}
    assert counts["arithmetic.md"] and counts["cosimulation.md"] and counts["cost-model.md"]
