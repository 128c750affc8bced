"""A training that two processes share, as torchrun starts them."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from support.processes import LONGEST

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_train import RECIPES, train
from sstdp_train.training.ranks import Ranks, joined, own_device

# What each process does: every recipe as a whole, and stopped after each epoch and resumed.
TASK = """
import pickle, sys
from dataclasses import replace
from pathlib import Path
from sstdp_hw.base.errors import UserError
from sstdp_train import train
from sstdp_train.training.ranks import first_here

recipes, samples = pickle.loads(Path("task").read_bytes())
for name, recipe in recipes.items():
    whole = train(recipe, samples, out=name, device="cpu")
    assert whole["processes"] == 2
    parts = {"finished": False}
    while "checkpoint" in parts or "finished" in parts:
        going_on = "checkpoint" in parts
        parts = train(
            recipe, samples, out=name + "-parts", device="cpu", hours=1e-9, resume=going_on
        )
other = samples if first_here() else replace(samples, images=255 - samples.images)
try:
    train(recipe, other, out="other", device="cpu")
except UserError as error:
    Path("first" if first_here() else "second").write_text(str(error))
"""


@pytest.fixture(scope="module")
def recipes(tiny):
    still = {"shift": 0.0, "rotation": 0.0, "scaling": 0.0, "shear": 0.0, "bending": 0.0}
    exact = tiny.with_(
        **still, epochs=1, averaging=0.0, batch_size=65, validation_share=0.0, choose="last",
    )  # fmt: skip
    deep = RECIPES["cifar10"].with_(
        layers=("conv4k3p1", "pool2", 4), epochs=2, batch_size=65, crop=1, remeasured=50,
    )  # fmt: skip
    return {"all-additions": tiny.with_(epochs=2, averaging=1.0), "exact": exact, "deep": deep}


def played(folder, recipes, bars):
    """What two processes did in the folder."""
    (folder / "task").write_bytes(pickle.dumps((recipes, bars)))
    (folder / "task.py").write_text(TASK)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, "task.py"], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=LONGEST,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(recipes, bars, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    done = played(folder, recipes, bars)
    if "Signal 6 (SIGABRT)" in done.stderr:
        # Seldom, with all work done, a process of PyTorch 2.13 aborts as it ends ("terminate called
        # without an active exception"). Twice in a row would be something else.
        folder = tmp_path_factory.mktemp("again")
        done = played(folder, recipes, bars)
    assert done.returncode == 0, done.stderr
    return folder


def arrays(run):
    network = FloatNetwork.load(run)
    weighted = [layer for layer in network.layers if layer.kind in ("dense", "conv")]
    return [part for layer in weighted for part in (layer.weight, layer.threshold)]


@pytest.mark.parametrize("name", ["all-additions", "exact", "deep"])
def test_a_resumed_training_ends_at_the_same_bits(folder, name):
    for one, other in zip(arrays(folder / name), arrays(folder / f"{name}-parts"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_step_is_that_of_the_whole_batch(folder, recipes, bars, tmp_path):
    """But for roundings: 240 images are three batches of 65 and one of 45, so shares differ."""
    recipe = recipes["exact"]
    train(recipe, bars, out=tmp_path / "alone", device="cpu")
    alone, shared = arrays(tmp_path / "alone"), arrays(folder / "exact")
    moved = 0.0
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)
        moved = max(moved, float(np.abs(one - other).max()))
    assert moved > 0, "or the two processes were not two"


def test_processes_that_differ_are_told_in_every_one(folder):
    for who in ("first", "second"):
        assert (
            (folder / who)
            .read_text()
            .startswith("Process 2 of 2: data set must be that of the first, ")
        )
    assert not (folder / "other" / "float.safetensors").exists()


@pytest.fixture
def second_of_two(monkeypatch):
    for name, value in (
        ("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1"),
        ("MASTER_PORT", "nowhere"), ("LOCAL_RANK", "1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)


def test_others_that_cannot_be_met_are_told(second_of_two):
    with pytest.raises(UserError, match=r"within reach of 127\.0\.0\.1:nowhere"):
        joined(torch.device("cpu"))


def test_every_process_has_a_gpu_of_its_own(second_of_two, monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert own_device(torch.device("cuda")) == torch.device("cuda", 1)
    assert own_device(torch.device("cpu")) == torch.device("cpu")
    assert chosen == [1]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="at most its 1 GPUs, and this is number 2"):
        own_device(torch.device("cuda"))


def test_fewer_images_than_processes_count_for_less():
    chosen = torch.arange(7)
    shares = [Ranks(number, 3).share(chosen) for number in range(3)]
    assert [len(part) for part, _ in shares] == [3, 2, 2]
    assert torch.equal(torch.cat([part for part, _ in shares]), chosen)
    assert [counts for _, counts in shares] == [1.0] * 3
    for number in range(3):
        part, counts = Ranks(number, 3).share(chosen[:2])
        assert len(part) == 2 and counts == pytest.approx(1 / 3)
