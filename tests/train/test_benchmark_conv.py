"""The benchmark of convolutions: the published formulation and ours are the same step."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import conv_speed, published_conv
from sstdp_train.backends.torch.conv_layer import TorchConvPass

QUICK = ["--quick", "--images", "synthetic", "--batch-size", "3", "--warm-up", "1"]


@pytest.mark.parametrize("steps", ["3", "9"])
def test_formulations_agree_and_speeds_are_told(steps, tmp_path, capsys):
    file = tmp_path / "speed.json"
    assert conv_speed.main([*QUICK, "--steps", steps, "--json", str(file)]) == 0
    run = json.loads(file.read_text())["runs"][0]
    assert [entry["name"] for entry in run["speeds"]][:2] == [
        "published formulation",
        "torch backend",
    ]
    assert run["speeds"][0]["ratio"] == 1
    for agreement in run["comparisons"]:
        assert agreement["agrees"]
        assert all(0.05 < share < 1 for share in agreement["firing"]), "all cases of the rule occur"
    assert "images/s" in capsys.readouterr().out


def test_a_wrong_gradient_is_found(monkeypatch, capsys):
    right = TorchConvPass.sum_over_samples

    def wrong(pass_, error):
        total = right(pass_, error).clone()
        total[0, 0, 0, 0] += 0.01 * total.abs().max()
        return total

    monkeypatch.setattr(TorchConvPass, "sum_over_samples", wrong)
    assert conv_speed.main([*QUICK, "--steps", "5"]) == 1
    assert "spike times or gradients differ" in capsys.readouterr().err


def test_only_the_cpu_is_measured(capsys):
    assert conv_speed.main([*QUICK, "--device", "cuda"]) == 2
    assert capsys.readouterr().err == (
        "benchmarks.conv_speed: error: --device must be cpu, not cuda: only that is measured here\n"
    )


def test_the_published_step_by_hand():
    """Spikes at 0 and 2 of weight 1 pass a threshold of 1 at step 2; silent inputs add nothing."""
    times = torch.tensor([[[[0.0, 9.0], [2.0, 9.0]]]])
    found = published_conv.simulate(times, torch.ones(1, 1, 2, 2), 1.0, 9)
    assert found.tolist() == [[[[2.0]]]]
