"""Independent tasks on this machine, and what ``--cluster`` refuses; tests/sim/test_cluster.py has
workers."""

import importlib.util
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext

import pytest
from support.chains import dies, endless
from support.processes import Began

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.cli import main
from sstdp_hw.command.interruption import Terminated, signals_raised
from sstdp_hw.engine.identity import difference, identity
from sstdp_hw.engine.local import Local
from sstdp_hw.engine.options import engine_of
from sstdp_hw.engine.speed import measured, speed_text
from sstdp_hw.engine.turns import Turns
from sstdp_hw.engine.work import Share, Work


@contextmanager
def _plus(shared):
    yield shared + 1


def _added(opened, item, advance):
    advance(item)
    return opened + item


@pytest.mark.parametrize("programs", [True, False])
def test_results_come_in_the_order_of_the_items(programs):
    told, progress = {}, []
    with Local(2).session(Work(_plus, _added, programs=programs), 10) as session:
        assert session.slots == 2
        made = session.map([3, 1, 2], done=told.__setitem__, advance=progress.append)
        assert session.map([]) == [] and session.shares() == []
    assert made == [14, 12, 13]
    assert told == dict(enumerate(made))
    assert sum(progress) == (6 if programs else 3)


def _fails(opened, item, _advance):
    if item == 1:
        raise UserError("one must not be")
    return item


def test_the_first_error_ends_all_and_what_was_done_was_told():
    told = {}
    work = Work(_plus, _fails)
    with pytest.raises(UserError, match="one must not be"), Local(1).session(work, 0) as session:
        session.map([0, 1, 2], done=told.__setitem__)
    assert told.get(0, 0) == 0 and 1 not in told


def test_a_process_that_dies_takes_no_other_task_with_it(monkeypatch, capfd):
    """What waits for it is lost with it, what waits for another begins when that is done."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    items = ["a", "dies", "behind it", "behind that", "raises", "behind a"]
    told, lost = {}, {}
    work = Work(nullcontext, dies, programs=False, apart=True)
    with Local(1).session(work, None) as session:
        made = session.map(
            items, after=[None, None, 1, 2, None, 0], done=told.__setitem__, lost=lost.__setitem__
        )
    assert list(told) == [0, 5] and [made[0], made[5]] == [told[0], told[5]]
    assert made[0] == made[5] and made[0][1] == "1", "one process, one thread"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert lost == {
        1: "its process ended with status 3", 2: "the one before it was lost",
        3: "the one before it was lost", 4: "its process ended with status 1",
    }  # fmt: skip
    assert "ValueError: raises" in capfd.readouterr().err


def test_what_was_begun_is_finished_first():
    turns = Turns(6, [None, None, 0, 0, 2, 1])
    assert list(turns.waiting) == [0, 1]
    turns.waiting.popleft()
    turns.done(0)
    assert list(turns.waiting) == [2, 3, 1]
    assert turns.lost(2) == [4] and turns.lost(1) == [5]


def test_a_signal_reaches_the_processes_and_they_clear_away(tmp_path, monkeypatch):
    began = Began(tmp_path, 1, signal.SIGTERM, monkeypatch)
    (tmp_path / "out").mkdir()
    work = Work(nullcontext, endless, programs=False, apart=True)
    with (
        pytest.raises(Terminated), signals_raised(),
        Local(1).session(work, tmp_path / "fifo") as session,
    ):  # fmt: skip
        session.map([tmp_path / "out" / "file"])
    assert began.all_ended()
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "text", ["", "host:8786", "tcp://host", "tcp://:1", "tcp:host:1", "slurm:", "http://host:1"]
)
def test_a_cluster_is_an_address_or_a_queue(text):
    said = r"must be tcp://HOST:PORT .* or slurm:FILE\.yaml, not"
    with pytest.raises(UserError, match=said), engine_of(text):
        pass


def test_without_the_extra_it_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("sstdp_hw.engine.cluster")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "sstdp_hw.engine.dispatch", raising=False)
    monkeypatch.delitem(sys.modules, "sstdp_hw.engine.worker", raising=False)
    said = r"pip install 'sstdp-hw\[cluster\]'"
    with pytest.raises(UserError, match=said), engine_of("tcp://127.0.0.1:1"):
        pass


def test_what_differs_is_named():
    here = identity(("numpy", "no-such-thing"))
    assert here["no-such-thing"] == "nothing" and "." in here["numpy"] and here["python"]
    assert difference(here, dict(here)) is None
    assert (
        difference(here, here | {"numpy": "1"}) == f"numpy must be {here['numpy']}, as here, not 1"
    )
    assert "sources of sstdp-hw must be" in difference(here, {**here, "sources of sstdp-hw": "0"})


class _Session:
    present = 2

    def shares(self):
        return [Share("a", 3, 90, 4.0), Share("b", 1, 10, 2.0)]


def test_speed_up_is_work_in_a_second():
    found = measured(_Session(), 4.0)["cluster"]
    assert (found["speed_up"], found["efficiency"]) == (1.5, 0.75)
    assert speed_text(found, "images") == (
        "images by worker: a 90, b 10; speed-up 1.50 of 2, efficiency 75%"
    )


QUEUE = """\
jobqueue:
  slurm:
    queue: short
    account: chip
    cores: 8
    processes: 8
    memory: 32 GB
    walltime: "04:00:00"
    interface: lo
    job_extra_directives: ["--exclusive"]
    job_script_prologue: ["source /opt/sstdp/bin/activate"]
distributed:
  adaptive:
    maximum: 40
"""


def library_or_skip():
    """Not by importing it, for then it takes SIGINT from the tests behind these."""
    if importlib.util.find_spec("dask_jobqueue") is None:
        pytest.skip("dask_jobqueue is not installed")


def test_the_library_of_queues_leaves_the_signals_alone():
    """In a process of its own, where it is imported for the first time."""
    library_or_skip()
    program = (
        "import signal; signal.signal(signal.SIGINT, mine := lambda *_: None)\n"
        "import sstdp_hw.engine.queues; assert signal.getsignal(signal.SIGINT) is mine"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_queue_gets_what_the_file_says(tmp_path):
    """By the script that dask-jobqueue submits."""
    library_or_skip()
    from sstdp_hw.engine.queues import configured

    file = tmp_path / "cluster.yaml"
    file.write_text(QUEUE)
    with configured("slurm", file) as cluster:
        lines = cluster.job_script().splitlines()
    for line in ("-p short", "-A chip", "--cpus-per-task=8", "--mem=30G", "-t 04:00:00"):
        assert f"#SBATCH {line}" in lines
    assert "#SBATCH --exclusive" in lines and "source /opt/sstdp/bin/activate" in lines
    (command,) = [line for line in lines if "distributed.cli.dask_worker" in line]
    assert "--nworkers 8" in command and "--nthreads 1" in command and "tcp://127.0.0.1" in command


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobqueue: [", "must be YAML"),
        ("jobqueue: {pbs: {}}", "must have the section jobqueue: slurm:"),
        ("- 1", "must have the section jobqueue: slurm:"),
        (QUEUE.replace("maximum: 40", "maximum: x"), "must be the number of workers"),
        (QUEUE.replace("    cores: 8\n", ""), "must say cores"),
    ],
)
def test_a_wrong_file_is_refused(text, said, tmp_path, capsys):
    library_or_skip()
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=said), engine_of(f"slurm:{file}"):
        pass


def test_verbs_take_the_option(capsys):
    for verb in (["simulate"], ["verify", "mutants"], ["verify", "stress"], ["explore"], ["build"]):
        with pytest.raises(SystemExit):
            main([*verb, "--help"])
        assert "--cluster WHERE" in capsys.readouterr().out, verb
