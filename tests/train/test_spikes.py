"""Training on spike times: the same network as on pixels with that table, without a table."""

import argparse

import numpy as np
import pytest

from sstdp_hw.base.errors import UserError
from sstdp_hw.data import datasets
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_train.network.encoder import earliness_table, ttfs_table
from sstdp_train.verbs.train import train

STEPS, CUTOFF = 6, 32
PLAIN = ("--recipe", "digits", "--layers", "20", "--steps", STEPS, "--epochs", 2, "--device", "cpu",
         "--shift", 0, "--rotation", 0, "--scaling", 0, "--shear", 0, "--bending", 0,
         "--encoding", "linear", "--cutoff", CUTOFF)  # fmt: skip


def run(*arguments):
    parser = argparse.ArgumentParser()
    train.configure(parser)
    return train.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The first digits as pixels and as their spike times."""
    folder = tmp_path_factory.mktemp("data")
    samples = datasets.load("digits", "train").first(400)
    np.savez(folder / "pixels.npz", images=samples.images, labels=samples.labels)
    times = ttfs_table(STEPS, CUTOFF)[samples.images]
    np.savez(folder / "spikes.npz", spike_times=times, labels=samples.labels, t_max=STEPS)
    return folder


def test_earliness_gives_spike_times_back():
    table = earliness_table(STEPS)
    assert [int(table[STEPS - time]) for time in range(STEPS + 1)] == [*range(STEPS + 1)]
    assert table[0] == STEPS, "what lies beyond a border is silent"


def test_the_same_weights_as_with_pixels(files, tmp_path):
    for kind in ("pixels", "spikes"):
        run("--dataset", files / f"{kind}.npz", *PLAIN, "--out", tmp_path / kind)
    pixels, spikes = (FloatNetwork.load(tmp_path / kind) for kind in ("pixels", "spikes"))
    assert spikes.encoder is None and spikes.input_kind == "spikes"
    for (_, one), (_, other) in zip(pixels.weighted, spikes.weighted, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_array_equal(one.threshold, other.threshold)


@pytest.mark.parametrize("options, message", [
    (("--steps", 5), "spike times must be in the recipe's 5 steps, not in 6; train with --steps 6"),
    (("--cutout", 2), "cutout must be left out for spike times"),
    (("--test-dataset", "digits"), "Data set digits: must hold spike times, not images"),
])  # fmt: skip
def test_what_does_not_go_together(files, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        run("--dataset", files / "spikes.npz", *PLAIN, *options, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
