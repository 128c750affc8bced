"""The speed benchmark compares like with like: the transcription of the published formulation and
ours give the same spikes and gradients, and a run writes its figures. How fast they are is the
benchmark's business."""

from __future__ import annotations

import itertools
import json

import pytest
import torch

from benchmarks import candidates, published, training_speed
from benchmarks.batches import load_batches
from benchmarks.candidates import CANDIDATES, InEvents, InSteps, Setting, runnable
from benchmarks.comparison import compare, mixed_network

CPU = torch.device("cpu")
SMOKE = ["--quick", "--batch-size", "4", "--images", "synthetic"]


@pytest.fixture(params=("torch", "native"))
def backend(request):
    if request.param == "native":
        pytest.importorskip("numba", reason="the native backend needs numba")
    return request.param


def small_problem(t_max, seed):
    """A batch whose spikes lie in the simulated steps, and an integer network of 40-30-6."""
    generator = torch.Generator().manual_seed(seed)
    simulated = t_max - published.UNSIMULATED
    times = torch.randint(0, simulated + 1, (16, 40), generator=generator)
    times[times == simulated] = t_max
    weights, thresholds = mixed_network(times, (40, 30, 6), t_max, generator)
    labels = torch.randint(0, 6, (16,), generator=generator)
    return times, labels, Setting(t_max, weights, thresholds, CPU)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("t_max", [3, 4, 8, 16, 100, 255])
def test_published_formulation_and_ours_agree(t_max, seed, backend):
    times, labels, setting = small_problem(t_max, seed)
    expected = InSteps(setting).gradients(times, labels)
    found = InEvents(setting, backend).gradients(times, labels)
    comparison = compare(backend, found, expected, setting.weights, t_max)
    for layer in comparison.layers:
        assert layer.agrees, f"t_max {t_max}, seed {seed}: {comparison}"
        assert layer.bound < 1e-3 * layer.largest  # agreement means something
        assert 0.4 < layer.firing < 1


@pytest.mark.parametrize("depression", [0.0, 0.25])
def test_published_layer_equals_its_formulas(depression):
    """Every synapse of every sample in plain Python, silent neurons and inputs among them."""
    t_max, theta = 7, 4.0
    times = torch.tensor([[0, 3, 7, 4], [2, 2, 4, 1], [7, 7, 7, 7]], dtype=torch.float32)
    times.requires_grad_()
    weight = torch.tensor([[3.0, 2, 9, -1], [1, -2, 0, 2]], requires_grad=True)
    error = torch.tensor([[3.0, 4], [0, -2], [1, 0]])
    spike_times = published.SteppedLayer.apply(times, weight, theta, t_max, depression)
    assert spike_times.tolist() == [[3, 7], [4, 7], [7, 7]]
    spike_times.backward(error)

    unit = torch.tensor([[0.6, 0.8], [0, -1], [1, 0]])
    weight_gradient, input_error = torch.zeros(2, 4), torch.zeros(3, 4)
    for sample, neuron, i in itertools.product(range(3), range(2), range(4)):
        causal = times[sample, i] <= spike_times[sample, neuron] and times[sample, i] < t_max
        window = 1 if causal else -depression
        weight_gradient[neuron, i] -= window * unit[sample, neuron] / 3
        input_error[sample, i] += causal * unit[sample, neuron] * weight[neuron, i].detach()
    torch.testing.assert_close(weight.grad, weight_gradient)
    torch.testing.assert_close(times.grad, input_error)


def test_only_the_simulated_steps_count():
    late = torch.tensor([[5], [6], [4]])  # of 7 steps, 0 to 4 are simulated
    found = published.simulate(late, torch.ones(1, 1), 0.5, 7)
    assert found.tolist() == [[7], [7], [4]]


def test_encoder_of_the_published_formulation():
    pixels = torch.tensor([[255, 254, 128, 3, 2, 1, 0]], dtype=torch.uint8)
    assert published.encode(pixels, 255).tolist() == [[0, 1, 127, 251, 252, 255, 255]]
    assert published.encode(pixels, 16).tolist() == [[0, 0, 7, 16, 16, 16, 16]]


def test_loss_moves_outputs_to_targets_relative_to_the_first_spike():
    times = torch.tensor([[3.0, 5, 20], [20, 20, 20], [4, 2, 19]])
    labels = torch.tensor([1, 0, 1])
    target = torch.tensor([[8.0, 3, 20], [15, 20, 20], [7, 2, 19]])
    expected = ((times - target) ** 2).mean()
    assert published.loss_of(times, labels, 20) == expected


def test_every_candidate_takes_the_same_step():
    """The float network after an update: what is timed is the same work."""
    batches = load_batches("synthetic", 8, 2, 10, 3)
    setting = training_speed.network_in_training(8, 1, batches, 3, CPU)
    after = []
    for candidate in runnable(setting)[0]:
        contestant = candidate.make(setting)
        contestant.step(*batches[1])
        parameters = dict(contestant.network.named_parameters())
        after.append([entry for name, entry in parameters.items() if "weight" in name])
    start = setting.weights
    for ours in after[1:]:
        for reference, own, before in zip(after[0], ours, start, strict=True):
            assert not torch.equal(reference, before)
            torch.testing.assert_close(own.t(), reference, rtol=1e-5, atol=1e-4)


def test_a_difference_is_told_and_fails(monkeypatch, capsys):
    """Also proof that the comparison can fail: a threshold of the transcription off by one."""
    real = published.simulate

    def broken(times, weight, threshold, t_max):
        return real(times, weight, threshold + 1, t_max)

    monkeypatch.setattr(published, "simulate", broken)
    assert training_speed.main([*SMOKE, "--steps", "5"]) == 1
    assert "spike times or gradients differ" in capsys.readouterr().err


def test_smoke_run_writes_its_figures(tmp_path, capsys):
    out = tmp_path / "speed.json"
    arguments = [*SMOKE, "--steps", "16,5", "--rounds", "2", "--json", str(out)]
    assert training_speed.main(arguments) == 0

    result = json.loads(out.read_text())
    assert (result["images"], result["batch_size"], result["threads"]) == ("synthetic", 4, 1)
    assert [run["t_max"] for run in result["runs"]] == [16, 5]
    for run in result["runs"]:
        names = [speed["name"] for speed in run["speeds"]]
        assert names + list(run["left_out"]) == [candidate.name for candidate in CANDIDATES]
        assert run["speeds"][0]["ratio"] == 1
        assert all(speed["seconds_per_step"] > 0 for speed in run["speeds"])
        assert [len(turn) for turn in run["speeds"][0]["seconds"]] == [1, 1]
        assert [entry["name"] for entry in run["comparisons"]] == names[1:]
        assert all(entry["agrees"] for entry in run["comparisons"])
    shown = capsys.readouterr().out
    assert "T = 16" in shown
    assert "synthetic images" in " ".join(shown.split())


def test_candidate_that_cannot_run_is_left_out_with_its_reason(monkeypatch):
    real = candidates.backend_for

    def on_a_gpu(name, device):
        return real(name, torch.device("cuda"))

    monkeypatch.setattr(candidates, "backend_for", on_a_gpu)
    _, _, setting = small_problem(5, 0)
    able, unable = runnable(setting)
    assert [candidate.name for candidate in able] == ["published formulation", "torch backend"]
    assert "must run on device cpu" in unable["native backend"]


@pytest.mark.parametrize("steps", ["2", "256", "16;255", ""])
def test_bad_steps_are_refused(steps, capsys):
    with pytest.raises(SystemExit) as stopped:
        training_speed.parse(["--steps", steps])
    assert stopped.value.code == 2
    assert "must be numbers from 3 to 255 with commas between" in capsys.readouterr().err


def test_device_that_is_missing_is_refused_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training_speed.main(["--quick", "--device", "cuda"]) == 2
    error = capsys.readouterr().err.removeprefix("benchmarks.training_speed: ")
    assert error == "error: --device must be cpu, not cuda: torch finds no CUDA device\n"


def test_the_processor_clock_is_for_one_thread(capsys):
    assert training_speed.main([*SMOKE, "--clock", "processor", "--threads", "2"]) == 2
    assert "--clock must be wall with 2 threads" in capsys.readouterr().err
