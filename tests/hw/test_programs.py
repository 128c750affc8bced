"""Programs that are started: what they say, and that nothing of them stays when they are ended."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
from support.processes import LONGEST, Watched

from sstdp_hw.base import programs
from sstdp_hw.base.processes import in_processes
from sstdp_hw.base.programs import Stopped, run_program, working_threads
from sstdp_hw.base.waiting import mapped

# A script that leaves the work to a process of its own, and tells its number.
HANDED_ON = ["sh", "-c", "sleep 10000 & echo $!; wait"]


def run(command, folder, heard=lambda line: None, **options):
    return run_program(command, folder, dict(os.environ), heard=heard, **options)


def test_status_and_every_line(tmp_path):
    """Lines of both streams, whatever ends them, also one that has no end, and broken UTF-8."""
    heard = []
    script = r"printf 'one\r\ntwo'; printf ' and \303\274\n\377' >&2; pwd > where; exit 7"
    assert run(["sh", "-c", script], tmp_path, heard.append) == 7
    assert heard == ["one\n", "two and ü\n", "�"]
    assert (tmp_path / "where").read_text().strip() == os.path.realpath(tmp_path)
    with pytest.raises(FileNotFoundError):
        run(["./none"], tmp_path)


def test_temporary_files_go_with_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    heard = []
    assert run(["sh", "-c", "echo $TMPDIR"], "work", heard.append) == 0
    assert heard == [f"{tmp_path / 'work'}\n"]


def test_a_program_that_says_nothing_more_is_waited_for(tmp_path):
    """It has closed its output, and still works."""
    script = "exec >&- 2>&-; read line < fifo; exit 3"
    os.mkfifo(tmp_path / "fifo")
    feeder = threading.Thread(target=lambda: (tmp_path / "fifo").write_text("go on\n"))
    feeder.start()
    assert run(["sh", "-c", script], tmp_path) == 3
    feeder.join()


def test_what_a_program_leaves_behind_holds_nothing_up(tmp_path):
    """A compiler's cache that stays in memory has the pipe, too."""
    heard = []
    assert run(["sh", "-c", "sleep 10000 & echo $!"], tmp_path, heard.append) == 0
    os.kill(int(heard[0]), signal.SIGKILL)


def test_a_signal_that_another_thread_got_ends_all(tmp_path):
    """It does not wake the main thread, which waits for the program."""
    found = []

    def heard(line):
        found.append(Watched(int(line)))
        threading.Thread(target=signal.raise_signal, args=(signal.SIGINT,)).start()

    with pytest.raises(KeyboardInterrupt):
        run(HANDED_ON, tmp_path, heard)
    assert found[0].ended()


def test_who_does_not_listen_is_killed(tmp_path, monkeypatch):
    """And a second interrupt while it is ended leaves nothing behind."""
    monkeypatch.setattr(programs, "GRACE_SECONDS", 0.2)
    found = []

    def heard(line):
        found.append(Watched(int(line)))
        raise ZeroDivisionError

    wait, interrupts = subprocess.Popen.wait, iter([signal.SIGINT])

    def interrupted(process, *limit):
        for number in interrupts:
            signal.raise_signal(number)
        return wait(process, *limit)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    deaf = [sys.executable, "-c", "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
            "\nprint(os.getpid(), flush=True)\nwhile True: signal.pause()"]  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        run(deaf, tmp_path, heard)
    assert found[0].ended()


def test_leaving_the_block_ends_what_its_threads_run(tmp_path):
    """No failure that somebody might try again; and what has not begun does not begin."""
    begun, outcomes = threading.Semaphore(0), []
    watched = []

    def heard(line):
        watched.append(Watched(int(line)))
        begun.release()

    def work(_number):
        while True:
            try:
                run(HANDED_ON, tmp_path, heard)
            except Exception:
                outcomes.append("tried again")
            except Stopped:
                outcomes.append("stopped")
                raise

    with pytest.raises(ZeroDivisionError), working_threads(2) as pool:
        for number in range(5):
            pool.submit(work, number)
        assert begun.acquire(timeout=LONGEST) and begun.acquire(timeout=LONGEST)
        raise ZeroDivisionError
    assert outcomes == ["stopped"] * 5
    assert len(watched) == 2 and all(each.ended() for each in watched)


def test_a_worker_that_is_terminated_ends_what_it_started(tmp_path):
    """As the pool terminates all of them when one of them has ended."""
    os.mkfifo(tmp_path / "fifo")
    watched = []

    def terminate():
        worker, tool = map(int, (tmp_path / "fifo").read_text().split())
        watched.append(Watched(tool))
        os.kill(worker, signal.SIGTERM)

    listening = threading.Thread(target=terminate)
    listening.start()
    work = partial(run_program, folder=tmp_path, environment=dict(os.environ), heard=len)
    with pytest.raises(KeyboardInterrupt):
        in_processes(work, [["sh", "-c", "echo $PPID $$ > fifo; exec sleep 10000"]], 1)
    listening.join()
    assert watched[0].ended()


def test_threads_whose_work_is_done_are_left_in_peace(tmp_path):
    with working_threads(2) as pool:
        assert list(mapped(pool, lambda n: run(["sh", "-c", f"exit {n}"], tmp_path), [1, 2])) == [
            1,
            2,
        ]
    assert run(["true"], tmp_path) == 0


def test_processor_time_has_a_limit(tmp_path):
    start = time.process_time()
    assert run(["sh", "-c", "while :; do :; done"], tmp_path, processor_seconds=1) != 0
    assert time.process_time() - start < 1, "of this process, which only waits"
