"""The verification plan names tests that exist, all of them, and its status comes from a run."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from verification_status import PLAN, main, outcomes, rows, status  # noqa: E402

ROWS = rows(PLAN.read_text())


def test_every_named_test_exists():
    assert len(ROWS) > 50
    for row in ROWS:
        for test in row.tests:
            file, _, name = test.partition("::")
            path = ROOT / "tests" / file
            assert path.is_file(), f"{row.feature}: {file}"
            functions = [
                node.name for node in ast.parse(path.read_text()).body
                if isinstance(node, ast.FunctionDef)
            ]  # fmt: skip
            assert not name or name in functions, f"{row.feature}: {test}"


def test_every_test_file_is_in_the_plan():
    named = {test.partition("::")[0] for row in ROWS for test in row.tests}
    found = {str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_*.py")}
    assert found - named == set()


@pytest.fixture
def junit(tmp_path):
    case = '<testcase classname="tests.hw.test_a" name="{}">{}</testcase>'
    path = tmp_path / "tests.xml"
    path.write_text(
        "<testsuites><testsuite>" + case.format("test_x[1]", "")
        + case.format("test_x[2]", '<skipped message="no data"/>')
        + case.format("test_y", "<failure/>") + "</testsuite></testsuites>"
    )  # fmt: skip
    return path


def test_the_status_is_what_ran(junit):
    ran = outcomes(junit)
    row = ROWS[0].__class__
    assert status(row("f", "h", ("hw/test_a.py::test_x",)), ran) == "1 passed, 1 skipped"
    assert status(row("f", "h", ("hw/test_a.py",)), ran) == "1 passed, 1 failed, 1 skipped"
    assert status(row("f", "h", ("hw/test_b.py",)), ran) == "not run: hw/test_b.py"


def test_a_row_that_was_not_run_is_no_success(junit, capsys):
    assert main([str(junit)]) == 1
    assert "not run" in capsys.readouterr().out
    assert main(["nowhere.xml"]) == 2
