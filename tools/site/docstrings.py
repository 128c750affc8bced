"""How docstrings are read for the site: an extension of Griffe, which mkdocstrings uses."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Members(griffe.Extension):
    """The section *Members* of this project under the name that numpy's style has for it."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"(?m)^Members\n-+$", "Attributes\n----------", obj.docstring.value
            )
