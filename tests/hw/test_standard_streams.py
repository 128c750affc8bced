"""Output that nobody reads, that does not fit, or that has no such letters; and Ctrl-C at any time:
one line at most, and the right exit status."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import warnings

import pytest
from support.processes import started

from sstdp_hw.command import cli
from sstdp_hw.command.interruption import signals_raised
from sstdp_hw.command.verb import Verb

START = "import sys; from sstdp_hw.command.start import main; sys.exit(main())"


def with_verb(monkeypatch, action):
    verb = Verb("summary", "description", lambda parser: None, action)
    monkeypatch.setattr(cli, "find_verbs", lambda: {"try": verb})


def says(text):
    def action(_options):
        print(text)
        return {"answer": 42}

    return action


def program(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", START, *arguments], stderr=subprocess.PIPE, text=True, check=False,
        **options,
    )  # fmt: skip


def test_a_reader_that_went_away_ends_the_program_quietly():
    reader, writer = os.pipe()
    os.close(reader)
    answer = program("--help", stdout=writer)
    os.close(writer)
    assert (answer.returncode, answer.stderr) == (141, "")


def test_a_full_output_is_one_line():
    with open("/dev/full", "w") as full:
        answer = program("--help", stdout=full)
    assert (answer.returncode, answer.stderr) == (
        2, "sstdp-hw: error: standard output cannot be written: No space left on device\n",
    )  # fmt: skip


def test_where_all_is_full_the_status_tells(monkeypatch):
    with_verb(monkeypatch, says("text"))
    monkeypatch.setattr(sys, "stdout", Broken(errno.ENOSPC))
    monkeypatch.setattr(sys, "stderr", Broken(errno.ENOSPC))
    assert cli.main(["try"]) == 2


class Broken(io.StringIO):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, text):
        raise OSError(self.number, os.strerror(self.number))


def test_a_full_output_loses_no_result(tmp_path, monkeypatch, capsys):
    with_verb(monkeypatch, says("text"))
    monkeypatch.setattr(sys, "stdout", Broken(errno.ENOSPC))
    assert cli.main(["try", "--json", str(tmp_path / "j")]) == 2
    assert json.loads((tmp_path / "j").read_text()) == {"answer": 42}
    assert capsys.readouterr().err.endswith("cannot be written: No space left on device\n")


def test_messages_that_cannot_be_written_are_no_error(monkeypatch, capsys):
    with_verb(monkeypatch, lambda _: print("message", file=sys.stderr) or {})
    monkeypatch.setattr(sys, "stderr", Broken(errno.ENOSPC))
    assert cli.main(["try"]) == 0


def test_a_broken_pipe_is_not_taken_for_an_unwritable_file(monkeypatch, capsys):
    """A handler of OSError would name the file that is written at that moment."""

    def action(_options):
        try:
            print("text")
        except OSError:
            raise AssertionError("handled as that of a file") from None

    with_verb(monkeypatch, action)
    monkeypatch.setattr(sys, "stdout", Broken(errno.EPIPE))
    assert cli.main(["try"]) == 141


@pytest.mark.parametrize("encoding, shown", [("ascii", b"caf?.png"), ("utf-8", b"caf?.png")])
def test_letters_that_the_output_has_not_become_question_marks(encoding, shown, monkeypatch):
    """A name of a file that is not UTF-8 has surrogates, which no encoding takes."""
    held = io.BytesIO()
    with_verb(monkeypatch, says("caf\udce9.png"))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(held, encoding=encoding))
    assert cli.main(["try"]) == 0
    assert held.getvalue() == shown + b"\n"


def test_closed_streams_are_no_error(monkeypatch):
    with_verb(monkeypatch, says("text"))
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        assert cli.main(["try"]) == 0


def test_an_error_of_the_system_is_one_line(monkeypatch, capsys):
    def action(_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "there")

    with_verb(monkeypatch, action)
    assert cli.main(["try"]) == 2
    assert capsys.readouterr().err == (
        "sstdp-hw try: error: [Errno 30] Read-only file system: 'there'\n"
    )


def test_an_interrupt_while_libraries_are_read_ends_the_process(tmp_path):
    """Before the command line is there: no traceback of the library that was being read."""
    os.mkfifo(tmp_path / "fifo")
    code = f"""
import sys
from sstdp_hw.command.start import main
class Slow:
    def find_spec(self, name, path, target=None):
        if name == "sstdp_hw.command.cli":
            open({str(tmp_path / "fifo")!r}, "w").write("reading")
            while True: pass
sys.meta_path.insert(0, Slow())
main()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert started(process, tmp_path / "fifo") == "reading"
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    assert (process.returncode, error) == (-signal.SIGINT, "")


def test_an_interrupt_that_a_library_made_another_error_of_is_one(monkeypatch, capsys):
    def action(_options):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("numpy cannot be imported") from None

    with_verb(monkeypatch, action)
    assert cli.main(["try"]) == 130
    assert capsys.readouterr().err == "sstdp-hw try: interrupted\n"


def test_an_interrupt_that_is_to_be_ignored_is(monkeypatch):
    """As of a command in the background, or under nohup."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals_raised() as found:
            signal.raise_signal(signal.SIGINT)
        assert not found.interrupted
    finally:
        signal.signal(signal.SIGINT, before)
