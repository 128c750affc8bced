"""Tools are found, started with a clean environment, and their failures are one line."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sstdp_hw.base import fpga_tools
from sstdp_hw.base.clean_environment import changed_environment, clean_environment, disturbing
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.fpga_tools import ToolFailed, find_tool, run_tool


def script(folder, text):
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    "value, text",
    [
        ("/nonexistent", "YOSYS must name an executable yosys, not '/nonexistent'"),
        ("/etc/passwd", "YOSYS must name an executable yosys, not '/etc/passwd'"),
        ("'", 'YOSYS must be a command line, not "\'": No closing quotation'),
    ],
)
def test_a_variable_that_names_no_tool(value, text, monkeypatch):
    monkeypatch.setenv("YOSYS", value)
    with pytest.raises(UserError) as error:
        find_tool("yosys")
    assert str(error.value) == text


def test_a_tool_that_reads_its_input_gets_none(monkeypatch):
    """Else it would wait for the user's keyboard."""
    monkeypatch.setenv("YOSYS", "sh -c cat")
    assert find_tool("yosys").version == "version unknown"


@pytest.mark.parametrize(
    "text, told",
    [
        ("echo 'ERROR: boom'; exit 3", "ended with status 3: ERROR: boom"),
        ("exit 0", "ended well and did not write out.v: it said nothing"),
        ("while :; do :; done", "ended with status -24: it said nothing"),  # SIGXCPU
    ],
)
def test_a_failure_is_a_line_that_names_the_variable(text, told, tmp_path, monkeypatch):
    value = script(tmp_path, f'[ "$1" = --version ] && exit\n{text}')
    monkeypatch.setenv("YOSYS", value)
    with pytest.raises(ToolFailed) as error:
        run_tool(find_tool("yosys"), [], tmp_path, log="l", writes="out.v", processor_seconds=1)
    assert isinstance(error.value, UserError)
    assert str(error.value) == f"yosys (YOSYS={value}) {told}"


def test_the_users_variables_for_tools_stay_away(tmp_path, monkeypatch):
    for name in disturbing():  # those of `make test` itself, say
        monkeypatch.delenv(name)
    for name in (
        "COCOTB_TEST_FILTER",
        "MAKEFLAGS",
        "CXXFLAGS",
        "PYTHONWARNINGS",
        "AMARANTH_verbose",
    ):
        monkeypatch.setenv(name, "hostile")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/needed")
    monkeypatch.setenv("YOSYS", script(tmp_path, "env"))
    run_tool(find_tool("yosys"), [], tmp_path, log="log")
    seen = (tmp_path / "log").read_text()
    assert "hostile" not in seen and "LD_LIBRARY_PATH=/needed" in seen
    assert clean_environment() == {
        name: value for name, value in os.environ.items() if value != "hostile"
    }


def test_a_changed_environment_is_restored(monkeypatch):
    monkeypatch.setenv("KEPT", "before")
    monkeypatch.delenv("NEW", raising=False)
    with (
        pytest.raises(ZeroDivisionError),
        changed_environment({"KEPT": None, "NEW": "x", "NOT_THERE": None}),
    ):
        assert "KEPT" not in os.environ and os.environ["NEW"] == "x"
        raise ZeroDivisionError
    assert os.environ["KEPT"] == "before" and "NEW" not in os.environ


def test_a_tool_of_a_wheel_is_compiled_by_one_of_those_who_need_it(tmp_path, monkeypatch):
    """A cache that one process writes while another runs from it would end that one."""
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "cache"))
    happened = []

    def fake(command, folder, environment, **options):
        what = command[-1]
        happened.append(f"{what} begins")
        time.sleep(0.1)
        happened.append(f"{what} ends")
        return 0

    monkeypatch.setattr(fpga_tools, "run_program", fake)
    tool = find_tool("icepack")
    with ThreadPoolExecutor(4) as threads:
        for done in [
            threads.submit(run_tool, tool, ["work"], tmp_path, log=f"log{n}") for n in range(4)
        ]:
            done.result()
    run_tool(tool, ["work"], tmp_path, log="log")
    assert happened[:2] == ["--version begins", "--version ends"]
    assert happened.count("--version begins") == 1 and happened.count("work ends") == 5
