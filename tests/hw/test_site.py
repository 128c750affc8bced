"""The documentation as a site: what is drawn and what is generated is of today's sources; links
inside it are checked by `make docs`, which has a line of its own under long runs."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sstdp_hw.command.cli import find_verbs
from sstdp_hw.command.verb import with_subverbs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = {"cli.md", "api.md", "decisions/index.md"}
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tools" / "site")]

import diagrams  # noqa: E402
import pages  # noqa: E402


@pytest.mark.parametrize("source", diagrams.sources(), ids=lambda source: source.name)
def test_a_drawing_is_of_its_source(source):
    assert diagrams.is_current(source), "run python tools/diagrams.py"


def test_every_drawing_is_shown_somewhere():
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    shown = set(re.findall(r"\]\(diagrams/(\w+)\.svg\)", text))
    assert shown == {source.stem for source in diagrams.sources()}
    assert shown == {drawing.stem for drawing in (DOCS / "diagrams").glob("*.svg")}


def test_every_page_has_its_place_once():
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = re.findall(r"^ +- (\S+\.md)$", settings, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == {page.name for page in DOCS.glob("*.md")} | GENERATED


def test_the_command_line_page_has_every_option_of_every_verb():
    text = pages.cli()
    for name in with_subverbs(find_verbs()):
        assert f"\n## {name}\n" in text
    assert "--weight-width" in text and "--simulator NAME" in text
    assert max(map(len, re.findall(r"```text\n(.*?)```", text, re.DOTALL)[0].splitlines())) <= 80


def test_the_python_page_names_what_the_packages_offer():
    text = pages.api()
    for module in ("sstdp_hw", "sstdp_rtl", "sstdp_sim", "sstdp_train"):
        offered = [f"{module}.{name}" for name in import_module(module).__all__]
        assert [name for name in offered if name not in text] == []


def test_readme_leads_only_to_what_is_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target
    headings = {}
    for target, anchor in re.findall(r"\]\((docs/[^)#]+)#([^)]+)\)", text):
        found = headings.setdefault(target, (ROOT / target).read_text(encoding="utf-8"))
        slugs = [
            re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
            for line in found.splitlines()
            if line.startswith("#")
        ]
        assert anchor in slugs, (target, anchor)
