"""What a person sees at 80 columns, and progress on long work."""

import io
import re

import pytest
from rich.console import Console

from sstdp_hw import ready
from sstdp_hw.base import progress as module
from sstdp_hw.base import tables
from sstdp_hw.base.processes import in_processes
from sstdp_hw.base.progress import LINE_SECONDS, THEME, progress
from sstdp_hw.base.tables import counted, show, table
from sstdp_hw.command.cli import main
from sstdp_hw.report.document import Listing, Section, markdown

COLUMNS = 80


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """A pipe has no width; it is given that of a terminal."""
    monkeypatch.setattr(tables, "WIDTH_IN_A_PIPE", COLUMNS)


def test_names_of_ready_networks_are_whole(capsys):
    """They are what the other verbs are given."""
    assert main(["ready"]) == 0
    shown = capsys.readouterr().out
    assert all(f" {name} " in shown for name in ready.names())
    assert max(map(len, shown.splitlines())) <= COLUMNS
    assert "…" not in shown


def test_a_table_that_is_too_wide_loses_nothing(capsys):
    digest, figure = "0123456789abcdef" * 4, "1,234,567.8"
    headings = ("what it is and of whom", "pixels a beat", "block RAM built", "fmax", "digest")
    show(table("T", headings, [("a name", figure, figure, figure, digest)]))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= COLUMNS
    assert shown.count(figure) == 3, "figures are not broken"
    last_column = [line.rstrip(" │").rpartition("│")[2].strip() for line in shown.splitlines()]
    assert digest in "".join(last_column)


def test_columns_that_can_give_way_do(capsys):
    """As of `quantize`: one column more than the terminal, and figures whose width is needed."""
    headings = ("layer", "bits", "scale", "scale from", "weight error", "clipped", "zero", "moved")
    row = ("layers.1", "5", "0.0366025", "images", "10.67 %", "0.43 %", "6.99 %", "4.22 %")
    for more in range(1, 6):
        show(table("T", (*headings[:-1], f"spikes {'m' * more}"), [row]))
        _, *lines = capsys.readouterr().out.splitlines()
        assert {line[-1] for line in lines} <= set("┓┃┩│┘"), lines
        assert max(map(len, lines)) <= COLUMNS


def test_title_and_note_have_the_width_of_the_terminal(capsys):
    title = "A title that is longer than the figures below it"
    note = "A sentence that is much longer than the table above it, and fits a terminal."
    show(*Section(title, ("", "n"), [("a", "1")], note).shown())
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == title and lines[-1] == note
    assert sum("title" in line or "sentence" in line for line in lines) == 2, "each once"


def test_commands_are_never_broken(capsys):
    command = "sstdp-hw simulate " + "a/long/folder/" * 8 + "accelerator --dataset digits"
    parts = Section("T", ("", ""), [("a", "1")], "Next:", command), Listing("L", [("x", command)])
    show(*(shown for part in parts for shown in part.shown()))
    lines = capsys.readouterr().out.splitlines()
    assert command in lines and f"    {command}" in lines
    text = markdown("M", parts)
    assert text.count(f"\n\n    {command}\n") == 2, "code in Markdown, too"


def test_a_log_tells_progress_now_and_then(capsys):
    now = 0.0
    with progress("Working", 1000, clock=lambda: now) as advance:
        for _ in range(10):
            now += LINE_SECONDS / 4
            advance(100)
    assert capsys.readouterr().err.splitlines() == [
        "Working ...",
        "Working: 400 of 1,000 after 30 s, 13.3 a second, about 45 s left",
        "Working: 800 of 1,000 after 60 s, 13.3 a second, about 15 s left",
        "Working: 75.0 s",
    ]


def bar(monkeypatch):
    """What a bar writes to a terminal."""
    written = io.StringIO()
    console = Console(file=written, theme=THEME, force_terminal=True, color_system="standard")
    monkeypatch.setattr(module, "_console", console)
    with progress("Working", 4) as advance:
        advance(2)
        advance(2)
    return written.getvalue()


def colours(text):
    codes = {code for found in re.findall(r"\x1b\[([\d;]+)m", text) for code in found.split(";")}
    return codes - {"0", "1", "2"}


def test_a_bar_tells_the_rest_in_colours_that_all_people_tell_apart(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    drawn = bar(monkeypatch)
    assert "4/4" in drawn and "0:00:00" in drawn
    blue, cyan, grey, bright_blue = "34", "36", "90", "94"
    assert colours(drawn) and colours(drawn) <= {blue, cyan, grey, bright_blue}


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert colours(bar(monkeypatch)) == set()


def test_one_thing_is_not_several():
    assert [counted(n, "lane") for n in (0, 1, 1200)] == ["0 lanes", "1 lane", "1,200 lanes"]


def test_explore_says_something_before_it_begins(capsys, monkeypatch):
    class _Begun(Exception):
        pass

    def begin(*_arguments, **_options):
        raise _Begun

    for place in ("sstdp_hw.reference.inference.run", "sstdp_rtl.verbs.explore.estimate"):
        with monkeypatch.context() as patched:
            patched.setattr(place, begin)
            with pytest.raises(_Begun):
                main(["explore", "ready:digits-64-64-10-4bit", "--samples", "3"])
        said = capsys.readouterr().err.splitlines()[-1]
        assert re.fullmatch(r"(Counting the spikes of 3 images|Estimating \d+ .*) \.\.\.", said)


def test_processes_keep_the_order_and_tell_the_first_error():
    done = []
    assert in_processes(abs, [-3, 2, -1], 2, done=done.append) == [3, 2, 1]
    assert done == [1, 1, 1]
    with pytest.raises(ValueError, match="invalid literal"):
        in_processes(int, ["1", "x"], 1)
