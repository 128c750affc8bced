"""Which backend a training runs on, and that they are one function."""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np
import pytest
import torch

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_train import train
from sstdp_train.backends.choice import backend_for
from sstdp_train.training import checkpoint
from sstdp_train.verbs.train import train as verb

CPU = torch.device("cpu")


@pytest.fixture
def no_numba(monkeypatch):
    """As on a machine without numba: importing the native backend fails."""
    monkeypatch.setitem(sys.modules, "sstdp_train.backends.native.backend", None)


def test_auto_is_native_where_numba_is():
    pytest.importorskip("numba", reason="the native backend needs numba")
    assert backend_for("auto", CPU).name == "native"


def test_auto_falls_back_to_torch(no_numba):
    assert backend_for("auto", CPU).name == "torch"


def test_native_without_numba_is_told(no_numba):
    with pytest.raises(UserError, match="Backend native must have numba installed, and it is not"):
        backend_for("native", CPU)


def test_native_is_for_the_cpu():
    with pytest.raises(UserError, match="must run on device cpu, not cuda; use --backend torch"):
        backend_for("native", torch.device("cuda"))
    assert backend_for("auto", torch.device("cuda")).name == "torch"


def test_an_unknown_backend_is_told():
    with pytest.raises(UserError, match="Backend must be auto, torch or native, not 'fast'"):
        backend_for("fast", CPU)


@pytest.mark.parametrize("t_max", [1, 3, 16, 255])
@pytest.mark.parametrize("shape", [(9, 30, 7), (3, 5, 1), (40, 12, 90)])
def test_backends_agree_to_the_bit_on_integers(t_max, shape):
    """Sums of integers are exact in float32, so no order of summation can tell the two apart."""
    pytest.importorskip("numba", reason="the native backend needs numba")
    batch, fan_in, neurons = shape
    generator = torch.Generator().manual_seed(t_max)

    def draw(low, high, size):
        return torch.randint(low, high, size, generator=generator).float()

    times = draw(0, t_max + 1, (batch, fan_in))
    weight, threshold = draw(-8, 8, (fan_in, neurons)), draw(-4, 12, (neurons,))
    error = draw(-3, 4, (batch, neurons))
    one, other = (backend_for(name, CPU).dense_layer().fire(times, weight, threshold, t_max)
                  for name in ("torch", "native"))  # fmt: skip
    assert torch.equal(one.spike_times, other.spike_times)
    assert torch.equal(one.excess, other.excess)
    assert torch.equal(one.spiked, other.spiked)
    assert torch.equal(one.sum_over_samples(error), other.sum_over_samples(error))
    assert torch.equal(one.sum_over_neurons(error, weight), other.sum_over_neurons(error, weight))


def test_a_resumed_run_keeps_its_backend(tiny, bars, tmp_path, interrupted_after):
    """Potentials in float round differently, so another backend would end at other weights."""
    pytest.importorskip("numba", reason="the native backend needs numba")

    whole = train(tiny, bars, out=tmp_path / "whole", device="cpu", backend="torch")
    assert whole["backend"] == "torch"
    with interrupted_after(2):
        train(tiny, bars, out=tmp_path / "run", device="cpu", backend="torch")
    result = train(tiny, bars, out=tmp_path / "run", device="cpu", resume=True)
    assert result["backend"] == "torch"
    assert json.loads((tmp_path / "run" / "train.json").read_text())["backend"] == "torch"
    for one, other in zip(
        FloatNetwork.load(tmp_path / "whole").layers,
        FloatNetwork.load(tmp_path / "run").layers,
        strict=True,
    ):
        if one.kind == "dense":
            np.testing.assert_array_equal(one.weight, other.weight)


def test_a_run_from_when_backends_were_called_kernels_goes_on(
    tiny, bars, tmp_path, interrupted_after
):
    recipe = tiny.with_(epochs=2)
    whole = train(recipe, bars, out=tmp_path / "whole", device="cpu", backend="torch")
    with interrupted_after(1):
        train(recipe, bars, out=tmp_path / "run", device="cpu", backend="torch")
    path = tmp_path / "run" / checkpoint.FILE_NAME
    state = torch.load(path, weights_only=True)
    state["kernel"] = state.pop("backend")
    torch.save(state, path)
    result = train(recipe, bars, out=tmp_path / "run", device="cpu", resume=True)
    assert result["backend"] == "torch"
    assert result["validation_accuracy"] == whole["validation_accuracy"]


def test_the_earlier_name_of_the_option_works_and_is_not_shown():
    parser = argparse.ArgumentParser()
    verb.configure(parser)
    read = parser.parse_args
    assert read(["--out", "run"]).backend == "auto"
    assert read(["--out", "run", "--backend", "torch"]).backend == "torch"
    assert read(["--out", "run", "--kernel", "torch"]).backend == "torch"
    assert "--backend" in parser.format_help()
    assert "--kernel" not in parser.format_help()
