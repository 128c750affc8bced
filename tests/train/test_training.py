"""Whole runs: the same seed gives the same bits, interrupted or not; divergence is told."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from sstdp_hw.base.errors import UserError
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.load import load_network
from sstdp_hw.network.network import Network
from sstdp_hw.quantization.quantize import quantize
from sstdp_hw.reference import inference as reference
from sstdp_train import Recipe, fine_tuning, train
from sstdp_train.backends.choice import backend_for
from sstdp_train.network.encoder import ttfs_table
from sstdp_train.network.layers import DenseIF, SpikingNetwork, decide, initialize
from sstdp_train.rule.layer_rule import LayerRule
from sstdp_train.training.loop import Training, split
from sstdp_train.training.loss import loss_of
from sstdp_train.training.run import OUTPUTS

CPU = torch.device("cpu")


def weights(run):
    network = FloatNetwork.load(run)
    return [
        array
        for layer in network.layers
        if layer.kind == "dense"
        for array in (layer.weight, layer.threshold)
    ]


def same_weights(one, other):
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def history(run):
    """The history without what a clock says."""
    epochs = json.loads((run / "history.json").read_text())["epochs"]
    return [{key: value for key, value in epoch.items() if key != "seconds"} for epoch in epochs]


@pytest.fixture(scope="module")
def whole_run(tiny, bars, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    return out, train(tiny, bars, bars, out=out, device="cpu", command="sstdp-hw train")


def test_a_run_learns_and_writes_its_files(whole_run, bars):
    out, result = whole_run
    assert sorted(path.name for path in out.iterdir()) == sorted(OUTPUTS)
    assert json.loads((out / "train.json").read_text()) == result
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert result["validation_accuracy"] > 0.9
    assert result["training_images"] == 192
    assert result["validation_images"] == 48
    assert (
        result["exported_epoch"]
        == max(history(out), key=lambda entry: (entry["validation_accuracy"], entry["epoch"]))[
            "epoch"
        ]
    )
    network = FloatNetwork.load(out)
    assert [layer.kind for layer in network.layers] == ["flatten", "dense", "dense"]
    assert network.scales == (None, None, None)
    inference = reference.run(network, bars.images)
    assert result["test_accuracy"] == inference.accuracy(bars.labels)
    assert result["test_accuracy_ties_counted"] == inference.accuracy_ties_counted(bars.labels)
    for name in ("dataset", "recipe", "seed", "command", "versions", "test_accuracy"):
        assert network.provenance[name] == result[name]


def test_the_same_seed_gives_the_same_bits(whole_run, tiny, bars, tmp_path):
    train(tiny, bars, out=tmp_path / "again", device="cpu")
    assert same_weights(whole_run[0], tmp_path / "again")
    assert history(whole_run[0]) == history(tmp_path / "again")
    train(tiny.with_(seed=4), bars, out=tmp_path / "other", device="cpu")
    assert not same_weights(whole_run[0], tmp_path / "other")


def test_the_step_size_falls_along_a_cosine_or_stays(whole_run, tiny, bars, tmp_path):
    out, result = whole_run
    batches = math.ceil(result["training_images"] / tiny.batch_size)
    last = [((epoch + 1) * batches - 1) / (tiny.epochs * batches) for epoch in range(tiny.epochs)]
    expected = [tiny.learning_rate * 0.5 * (1 + math.cos(math.pi * done)) for done in last]
    assert [entry["learning_rate"] for entry in history(out)] == pytest.approx(expected)
    train(tiny.with_(schedule="constant", epochs=2), bars, out=tmp_path / "run", device="cpu")
    assert [entry["learning_rate"] for entry in history(tmp_path / "run")] == [0.03, 0.03]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_weight_decay_makes_smaller_weights(optimizer, tiny, bars, tmp_path):
    lengths = []
    for decay in (0.0, 1.0):
        recipe = tiny.with_(optimizer=optimizer, weight_decay=decay, epochs=1)
        train(recipe, bars, out=tmp_path / f"{decay}", device="cpu")
        lengths.append(np.linalg.norm(weights(tmp_path / f"{decay}")[0]))
    assert lengths[1] < 0.9 * lengths[0]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("widths", [(), (4, 4)])
@pytest.mark.parametrize("averaging", [0.0, 0.5])
def test_a_resumed_run_equals_an_uninterrupted_one(
    optimizer, widths, averaging, tiny, bars, tmp_path, interrupted_after
):
    recipe = tiny.with_(optimizer=optimizer, weight_widths=widths, averaging=averaging)
    train(recipe, bars, out=tmp_path / "whole", device="cpu")
    with interrupted_after(2):
        train(recipe, bars, out=tmp_path / "parts", device="cpu")
    assert not (tmp_path / "parts" / "float.safetensors").exists()
    train(recipe, bars, out=tmp_path / "parts", device="cpu", resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "parts")
    assert history(tmp_path / "whole") == history(tmp_path / "parts")


def test_a_resumed_fine_tuning_keeps_the_grids_it_began_with(
    tiny, bars, tmp_path, interrupted_after
):
    """Even where the network it started from has changed meanwhile."""
    train(tiny, bars, out=tmp_path / "float", device="cpu")
    tuning = fine_tuning(tiny.with_(cutoff=20), (4,)).with_(epochs=2)
    train(tuning, bars, out=tmp_path / "whole", device="cpu", init=tmp_path / "float")
    with interrupted_after(1):
        train(tuning, bars, out=tmp_path / "parts", device="cpu", init=tmp_path / "float")
    train(tiny.with_(seed=9), bars, out=tmp_path / "float", device="cpu", overwrite=True)
    train(tuning, bars, out=tmp_path / "parts", device="cpu", init=tmp_path / "float", resume=True)
    assert same_weights(tmp_path / "whole", tmp_path / "parts")


def test_a_resumed_fine_tuning_keeps_the_encoder_it_began_with(
    tiny, bars, tmp_path, interrupted_after
):
    train(tiny, bars, out=tmp_path / "float", device="cpu")
    tuning = fine_tuning(tiny, (4,)).with_(epochs=2)
    with interrupted_after(1):
        train(tuning, bars, out=tmp_path / "run", device="cpu", init=tmp_path / "float")
    train(tiny.with_(cutoff=99), bars, out=tmp_path / "float", device="cpu", overwrite=True)
    train(tuning, bars, out=tmp_path / "run", device="cpu", init=tmp_path / "float", resume=True)
    encoder = FloatNetwork.load(tmp_path / "run").encoder
    np.testing.assert_array_equal(encoder, ttfs_table(tiny.t_max, tiny.cutoff))


def test_a_run_that_is_replaced_takes_its_integers_along(tiny, bars, tmp_path, capsys):
    """The reader of a run folder prefers integers: those of an earlier run must not answer."""
    out = tmp_path / "run"
    train(tiny, bars, out=out, device="cpu")
    quantize(FloatNetwork.load(out), 4)[0].save(out / "network.safetensors")
    for name in ("quantize.json", "evaluate.json", "import.json"):
        (out / name).write_text("{}")
    with pytest.raises(UserError, match="must hold no earlier run"):
        train(tiny, bars, out=out, device="cpu")
    assert isinstance(load_network(out), Network)
    train(tiny.with_(seed=9), bars, out=out, device="cpu", overwrite=True)
    told = " ".join("".join(capsys.readouterr()).split())
    assert "earlier run: removed evaluate.json, quantize.json, network.safetensors" in told
    assert isinstance(load_network(out), FloatNetwork)
    assert not [name for name in ("quantize.json", "import.json") if (out / name).exists()]


def test_integers_alone_are_an_earlier_run(tiny, bars, tmp_path):
    (tmp_path / "network.safetensors").write_bytes(b"x")
    with pytest.raises(UserError, match=r"and holds network.safetensors; .*--overwrite"):
        train(tiny, bars, out=tmp_path, device="cpu")


def test_a_fine_tuning_does_not_replace_what_it_starts_from(whole_run, tiny, bars):
    """It could not be resumed, nor made again."""
    out, _ = whole_run
    before = weights(out)
    with pytest.raises(UserError, match="must not be the run that training starts from"):
        train(fine_tuning(tiny, (4,)), bars, out=out, init=out, device="cpu", overwrite=True)
    for one, other in zip(before, weights(out), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_start_is_drawn_on_one_thread_too(tiny, bars, tmp_path, monkeypatch):
    """The order of a long sum, and so its last bits, depends on how many threads share it."""
    seen = []
    monkeypatch.setattr(
        "sstdp_train.training.run.initialize",
        lambda *arguments: (seen.append(torch.get_num_threads()), initialize(*arguments)),
    )
    torch.set_num_threads(2)
    try:
        train(tiny.with_(epochs=1), bars, out=tmp_path / "run", device="cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert seen == [1]


def test_among_equally_good_epochs_the_later_is_exported(tiny, bars, tmp_path, monkeypatch):
    monkeypatch.setattr(Training, "_validate", lambda self: (0.5, 0.8, 0.7, 0.8, 0.6)[self.epoch])
    assert train(tiny, bars, out=tmp_path / "best", device="cpu")["exported_epoch"] == 4
    last = train(tiny.with_(choose="last"), bars, out=tmp_path / "last", device="cpu")
    assert last["exported_epoch"] == 5


def test_a_finished_run_resumes_to_itself(whole_run, tiny, bars):
    out, _ = whole_run
    before = weights(out)
    train(tiny, bars, bars, out=out, device="cpu", resume=True, command="sstdp-hw train")
    for one, other in zip(before, weights(out), strict=True):
        np.testing.assert_array_equal(one, other)


def test_resuming_another_recipe_or_other_data_is_refused(whole_run, tiny, bars):
    out, _ = whole_run
    with pytest.raises(UserError, match=r"learning_rate was 0\.03, not 0\.02"):
        train(tiny.with_(learning_rate=0.02), bars, out=out, device="cpu", resume=True)
    with pytest.raises(UserError, match="data set must be the same to resume"):
        train(tiny, bars.first(200), out=out, device="cpu", resume=True)


def test_an_earlier_run_is_not_replaced_unasked(whole_run, tiny, bars):
    out, _ = whole_run
    with pytest.raises(UserError, match=r"must hold no earlier run, and holds float\.safetensors"):
        train(tiny, bars, out=out, device="cpu")


def test_nan_is_told_in_one_line(tiny, bars, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sstdp_train.training.loop.loss_of",
        lambda _recipe, _times, margin, _labels: margin.sum() * np.nan,
    )
    with pytest.raises(
        UserError,
        match=r"^Training diverged in epoch 1: the loss must be finite, not nan; lower "
        r"--learning-rate \(0.03\)$",
    ):
        train(tiny, bars, out=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("loss", ["decision", "relative-target"])
def test_a_network_that_overflows_is_told_in_one_line(loss, tiny, bars, tmp_path):
    """Silence hides it: where all weights are NaN no neuron fires, and the last loss is finite."""
    recipe = tiny.with_(loss=loss, optimizer="sgd", learning_rate=1e30, weight_decay=1e30)
    with pytest.raises(
        UserError,
        match=r"^Training diverged in epoch 1: .* must be finite.*; lower --learning-rate",
    ):
        train(recipe, bars, out=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_silent_layer_is_told_in_one_line(tiny, bars, tmp_path):
    silent = tiny.with_(output_drive=-3.0, learning_rate=1e-9)
    with pytest.raises(UserError, match=r"diverged in epoch 1: layer 2 of 2 must fire"):
        train(silent, bars, out=tmp_path / "run", device="cpu")


def test_silent_outputs_learn_by_the_loss_at_the_decision(tiny, bars, tmp_path):
    silent = tiny.with_(
        output_threshold=100.0, output_drive=0.0, output_spread=0.02, loss="decision"
    )
    train(silent, bars, out=tmp_path / "run", device="cpu")
    history = json.loads((tmp_path / "run" / "history.json").read_text())["epochs"]
    assert history[0]["firing"][-1] == 0
    assert history[-1]["train_accuracy"] > history[0]["train_accuracy"]
    with pytest.raises(UserError, match=r"diverged in epoch 1: layer 1 of 2 must fire"):
        train(silent.with_(hidden_drive=-3.0, wake_silent=False, homeostasis=0.0), bars,
              out=tmp_path / "hidden", device="cpu")  # fmt: skip


def test_homeostasis_pushes_neurons_that_rarely_fire():
    """No error reaches these two neurons; the one that rarely fires gets more weight anyway."""
    layer = DenseIF(
        3, 2, threshold=1.0, rule=LayerRule(t_max=4, gate=0.1), homeostasis=0.5,
        homeostasis_rate=0.1, backend=backend_for("auto", torch.device("cpu")),
    )  # fmt: skip
    layer.firing_rate.copy_(torch.tensor([0.04, 0.5]))
    times = torch.tensor([[0, 3, 4], [2, 4, 4]])
    layer.train()
    spike_times, _ = layer(times)
    spike_times.sum().backward()
    # 0.5 * (0.1 - 0.04) per image in which the input spiked, as a mean over two images.
    expected = torch.tensor([[-0.03, 0.0], [-0.015, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(layer.weight.grad, expected)
    torch.testing.assert_close(layer.firing_rate, torch.tensor([0.0396, 0.495]))


def test_the_output_layer_has_no_gate_and_no_homeostasis():
    recipe = Recipe(layers=(), t_max=4, gate=1e-9, homeostasis=5.0)
    network = SpikingNetwork((1, 1, 3), 2, recipe, backend_for("auto", CPU)).train()
    network.layers[0].firing_rate.zero_()
    _, margin = network(torch.zeros(2, 3, dtype=torch.uint8))
    margin.sum().backward()
    assert torch.equal(network.layers[0].weight.grad, torch.full((3, 2), 2.0))  # of two images


def test_potentials_end_at_the_start_where_the_recipe_wants_them():
    """Drive and spread in thresholds, of hidden and of output neurons, on the spikes there are."""
    recipe = Recipe(
        layers=(3000,), t_max=8, hidden_drive=1.2, hidden_spread=0.3, output_drive=0.8,
        output_spread=0.4,
    )  # fmt: skip
    network = SpikingNetwork((1, 1, 500), 3000, recipe, backend_for("auto", CPU))
    generator = torch.Generator().manual_seed(0)
    times = torch.randint(0, 16, (20, 500), generator=generator).clamp(max=8).to(torch.uint8)
    initialize(network, times, recipe, generator)
    for layer, theta, drive, spread in zip(
        network.eval().layers, (3, 6), (1.2, 0.8), (0.3, 0.4), strict=True
    ):
        final = (times < 8).to(torch.float32) @ layer.weight / theta
        assert final.mean().item() == pytest.approx(drive, rel=0.03)
        assert final.std(1).mean().item() == pytest.approx(spread, rel=0.05)
        times, _ = layer(times)


def test_fine_tuning_is_shorter_and_gentler():
    recipe = Recipe(epochs=40, pruning=0.3)
    assert fine_tuning(recipe, (4,)) == recipe.with_(
        name="default-qat", weight_widths=(4, 4), homeostasis=0.0, pruning=0.0, epochs=10,
        learning_rate=0.001,
    )  # fmt: skip


def decision_gradients(network, encoded, labels, recipe):
    network.zero_grad()
    network.train()
    times, margin = network(encoded, until_decision=True)
    loss_of(recipe, times[-1], margin, labels).backward()
    return [layer.weight.grad.clone() for layer in network.layers]


@pytest.mark.parametrize("backend", ["torch", "native"])
def test_the_decision_loss_learns_nothing_from_what_comes_after_the_decision(tiny, bars, backend):
    if backend == "native":
        pytest.importorskip("numba", reason="the native backend needs numba")
    recipe = tiny.with_(loss="decision", homeostasis=0.0, margin_scale=1.0)
    network = SpikingNetwork((1, 6, 6), 4, recipe, backend_for(backend, CPU))
    encoded = torch.from_numpy(ttfs_table(recipe.t_max, 32)[bars.images]).flatten(1)
    initialize(network, encoded, recipe, torch.Generator().manual_seed(0))
    network.eval()
    times, margin = network(encoded)
    classes, decision = decide(times[-1], margin, recipe.t_max)
    late = (encoded > decision[:, None]) & (encoded < recipe.t_max)
    assert late.any()
    assert (decision < recipe.t_max).float().mean() > 0.5

    truncated, potentials = network(encoded, until_decision=True)
    assert torch.equal(decide(truncated[-1], potentials, recipe.t_max)[1], decision)
    assert torch.equal(potentials.argmax(1), classes), "rule 6 is the largest V - theta there"

    labels = torch.from_numpy(bars.labels)
    without = encoded.masked_fill(late, recipe.t_max)
    for one, other in zip(
        decision_gradients(network, encoded, labels, recipe),
        decision_gradients(network, without, labels, recipe),
        strict=True,
    ):
        assert one.any()
        assert torch.equal(one, other)


def test_training_on_the_decision_loss_learns(tiny, bars, tmp_path):
    recipe = tiny.with_(loss="decision", margin_scale=0.5, gate=1.0, gate_shape="triangle")
    result = train(recipe, bars, bars, out=tmp_path / "run", device="cpu")
    assert result["test_accuracy"] > 0.9, "chance is 0.25"


def test_validation_images_are_never_trained_on():
    chosen, held_back = split(100, 0.2, seed=5)
    assert len(held_back) == 20
    assert sorted([*chosen, *held_back]) == list(range(100))
    assert not np.array_equal(held_back, split(100, 0.2, seed=6)[1])


def test_without_validation_images_the_last_epoch_is_exported(tiny, bars, tmp_path):
    result = train(tiny.with_(validation_share=0.0), bars, out=tmp_path / "run", device="cpu")
    assert result["validation_accuracy"] is None
    assert result["test_accuracy"] is None
    assert result["exported_epoch"] == tiny.epochs


def test_colour_images_and_deep_networks(tiny, bars, tmp_path):
    colour = Samples("colour", np.repeat(bars.images, 3, axis=1), bars.labels, bars.class_names)
    result = train(
        tiny.with_(layers=(20, 12), learning_rate=0.01),
        colour,
        colour,
        out=tmp_path / "run",
        device="cpu",
    )
    network = FloatNetwork.load(tmp_path / "run")
    assert network.input_shape == (3, 6, 6)
    assert result["test_accuracy"] > 0.7, "chance is 0.25"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t_max": 0}, "Recipe: t_max must be between 1 and 255, not 0"),
        ({"layers": (4, 0)}, "Layer 0: neurons must be between 1 and 65535, not 0"),
        ({"learning_rate": float("nan")}, "Recipe: learning_rate must be finite, not nan"),
        ({"learning_rate": -1.0}, "Recipe: learning_rate must be at least 1e-12, not -1"),
        ({"epochs": 1.5}, "Recipe: epochs must be of type int, not 1.5"),
        ({"seed": 1 << 32}, "Recipe: seed must be between 0 and 4294967295, not 4294967296"),
        (
            {"output_threshold": 1e39},
            r"output_threshold must be between -1e\+30 and 1e\+30, not 1e",
        ),
        ({"target_gap": 1e300}, r"target_gap must be between -1e\+30 and 1e\+30, not 1e\+300"),
        (
            {"loss": "hinge"},
            "Recipe: loss must be cross-entropy or decision or relative-target, not 'hinge'",
        ),
        ({"weight_widths": (4, 17)}, "Recipe: weight_widths must be between 1 and 16, not 17"),
        ({"weight_widths": (4,)}, "one width per weighted layer, 2, not 1"),
        ({"validation_share": 1.0}, "Recipe: validation_share must be between 0 and 0.9, not 1"),
    ],
)
def test_recipes_out_of_range_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        Recipe(**change)


def test_recipes_survive_json():
    recipe = Recipe(layers=(3, 4), weight_widths=(4, 2, 1))
    assert Recipe.from_dict(json.loads(json.dumps(recipe.as_dict())), "here") == recipe
    with pytest.raises(UserError, match="here: recipe must have no field 'speed'"):
        Recipe.from_dict({"speed": 1}, "here")


@pytest.mark.parametrize("name", ["normalize_error", "wake_silent"])
def test_the_published_formulation_runs(name, bars, tmp_path):
    recipe = Recipe(
        layers=(12,), t_max=20, epochs=2, batch_size=16, loss="relative-target", optimizer="sgd",
        schedule="constant", learning_rate=0.5, gate=0.0, homeostasis=0.0, target_gap=0.05,
        depression=0.2, **{name: True},
    )  # fmt: skip
    entry = train(recipe, bars, out=tmp_path / "run", device="cpu")
    assert entry["validation_accuracy"] is not None


def test_test_images_of_another_shape_are_refused(tiny, bars, tmp_path):
    other = Samples("other", bars.images[:, :, :5], bars.labels, bars.class_names)
    with pytest.raises(UserError, match=r"must have the shape of the training images, \[1, 6, 6\]"):
        train(tiny, bars, other, out=tmp_path / "run", device="cpu")


def test_test_labels_beyond_the_classes_are_told_before_training(tiny, bars, tmp_path):
    other = Samples("other", bars.images, bars.labels + 1, ("b", "c", "d", "e", "f"))
    with pytest.raises(UserError, match="Test data set other: labels must be below the 4 classes"):
        train(tiny, bars, other, out=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_told(tiny, bars, tmp_path):
    with pytest.raises(UserError, match="use --device cpu"):
        train(tiny, bars, out=tmp_path / "run", device="cuda")


def test_a_folder_that_cannot_be_made_is_told_before_training(tiny, bars, tmp_path, monkeypatch):
    monkeypatch.setattr(Training, "run_epoch", None)  # never reached
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="/file must be a folder to write into; choose another"):
        train(tiny, bars, out=tmp_path / "file" / "run", device="cpu")


def test_one_training_at_a_time_works_in_a_folder(tiny, bars, tmp_path, monkeypatch):
    """Two would mix their checkpoints and files."""
    seen = []
    original = Training.run_epoch

    def beside(training, advance):
        for resume in (False, True):
            with pytest.raises(UserError, match="another sstdp-hw works with it") as caught:
                train(tiny, bars, out=tmp_path / "run", device="cpu", resume=resume, overwrite=True)
            seen.append(str(caught.value))
        return original(training, advance)

    monkeypatch.setattr(Training, "run_epoch", beside)
    train(tiny.with_(epochs=1), bars, out=tmp_path / "run", device="cpu")
    assert len(seen) == 2
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(OUTPUTS)
