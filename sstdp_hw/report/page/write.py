"""Fills the template: sections in, one HTML file out. The same sections give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import vl_convert
from altair.utils.schemapi import debug_mode
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .accuracy import accuracy
from .energy import energy
from .evidence import Evidence
from .hardware import explored, hardware
from .head import head
from .life import life
from .mismatch import mismatch
from .parts import PageSection
from .search import searched
from .study import study
from .training import provenance, summary_line, training
from .weights import weights

FOLDER = Path(__file__).with_name("template")
TEMPLATE, STYLE, SCRIPT = "page.html.jinja", "page.css", "page.js"


def sections(evidence: Evidence) -> list[PageSection]:
    """What can be shown, in order; what is wrong comes first."""
    with debug_mode(False):  # the tests check charts against the schema, which takes seconds
        return _sections(evidence)


def _sections(evidence: Evidence) -> list[PageSection]:
    made = (
        mismatch(evidence), head(evidence), life(evidence), accuracy(evidence), weights(evidence),
        hardware(evidence), energy(evidence), explored(evidence), searched(evidence),
        training(evidence), study(evidence), provenance(evidence),
    )  # fmt: skip
    return [section for section in made if section is not None]


def page(title: str, evidence: Evidence, *, library: str | None = None) -> str:
    """The whole file.

    Parameters
    ----------
    library : str, optional
        JavaScript in the place of `plotting_library`.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["json"] = as_json
    numbers: Iterator[int] = iter(range(1 << 30))
    return environment.get_template(TEMPLATE).render(
        title=title, summary=summary_line(evidence.report), sections=sections(evidence),
        number=lambda: next(numbers),
        style=Markup((FOLDER / STYLE).read_text(encoding="utf-8")),
        script=Markup((FOLDER / SCRIPT).read_text(encoding="utf-8")),
        library=Markup(plotting_library() if library is None else library),
    )  # fmt: skip


def as_json(value: Any) -> Markup:
    """JSON that can stand in a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, sort_keys=True)
    return Markup(text.replace("<", "\\u003c"))


@cache
def plotting_library() -> str:
    """Vega, Vega-Lite and vega-embed as one text, 0.9 MB: the wheel holds them, nothing is
    fetched. ``window.vegaEmbed`` is what it leaves behind."""
    text = str(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # it has a default
    return text.replace("</script", "<\\/script")


def written(parts: Sequence[Any]) -> Iterator[Any]:
    """All parts of a section, also those to choose from."""
    for part in parts:
        yield part
        if part.kind == "choice":
            for option in part.options:
                yield from written(option.parts)
