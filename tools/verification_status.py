"""The status of docs/verification.md from a real run of the tests.

    make test                                  # writes build/tests.xml
    .venv/bin/python tools/verification_status.py build/tests.xml

Each row of the plan is shown with how many of its tests passed, failed, were skipped; a row whose
tests were not run says so. Exit status 1 unless every row was run and nothing failed.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

PLAN = Path(__file__).parents[1] / "docs" / "verification.md"
_ROW = re.compile(r"^\| (?P<feature>.+?) \| (?P<how>.+?) \| (?P<tests>`.+`) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A row of the plan; ``tests`` are files below tests/, or ``file::test_name``."""

    feature: str
    how: str
    tests: tuple[str, ...]


def rows(text: str) -> list[Row]:
    """All rows of the plan's tables."""
    return [
        Row(found["feature"], found["how"], tuple(re.findall(r"`([^`]+)`", found["tests"])))
        for found in _ROW.finditer(text)
    ]


def outcomes(junit: Path) -> dict[str, Counter[str]]:
    """Outcomes by file and by ``file::test``, from pytest's JUnit file."""
    found: dict[str, Counter[str]] = {}
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        file = case.get("classname", "").removeprefix("tests.").replace(".", "/") + ".py"
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else (
            "skipped" if "skipped" in kinds else "passed"
        )  # fmt: skip
        name = case.get("name", "").partition("[")[0]
        for key in (file, f"{file}::{name}"):
            found.setdefault(key, Counter())[outcome] += 1
    return found


def status(row: Row, ran: dict[str, Counter[str]]) -> str:
    """``not run``, or counts: 12 passed, 1 skipped."""
    counts: Counter[str] = Counter()
    for test in row.tests:
        if test not in ran:
            return f"not run: {test}"
        counts += ran[test]
    return ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "skipped")
                     if counts[kind])  # fmt: skip


def main(arguments: list[str]) -> int:
    """Print the table; see the module."""
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        print("give the JUnit file of a run: pytest --junitxml FILE", file=sys.stderr)
        return 2
    ran = outcomes(Path(arguments[0]))
    good = True
    print("| feature | status |\n|---|---|")
    for row in rows(PLAN.read_text(encoding="utf-8")):
        told = status(row, ran)
        good &= "not run" not in told and "failed" not in told
        print(f"| {row.feature} | {told} |")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
