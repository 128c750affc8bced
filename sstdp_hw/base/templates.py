"""Text with places to fill, kept in a file beside the module that fills it."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template


class VerilogTemplate(Template):
    """``@{name}``, which is nothing in Verilog, is a place. One that has a line to itself takes
    whole lines, with their indentation and ends, or none."""

    flags = re.MULTILINE | re.VERBOSE
    pattern = r"""
      ^\ *@\{(?P<named>[a-z_]+)\}\n
      | @\{(?P<braced>[a-z_]+)\}
      | (?P<invalid>@\{)
      | (?P<escaped>(?!))
    """  # type: ignore[assignment]  # which the base class compiles


def filled(file: Path, **values: str | int) -> str:
    """The text of a template in which every place has its value.

    Raises
    ------
    KeyError
        For a place without a value, and a value without a place: a slip in the caller.
    """
    template = VerilogTemplate(file.read_text(encoding="ascii"))
    if left := values.keys() - set(template.get_identifiers()):
        raise KeyError(f"{file.name}: no place for {', '.join(sorted(left))}")
    return template.substitute(values)
