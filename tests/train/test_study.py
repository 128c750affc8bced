"""A study trains what is missing, and nothing else; its table says what the runs say."""

from __future__ import annotations

import json
import pickle
import statistics
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.study import STUDIES, Entry, FineTuning, Study, __main__, plot, studies, table
from benchmarks.study.run import run_study
from sstdp_hw.base.errors import UserError
from sstdp_hw.data.datasets import Samples
from sstdp_hw.engine.turns import Turns
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.network import Network
from sstdp_hw.reference.evaluation import evaluate
from sstdp_train import recipe_for

COLUMNS = ("validation", "test", "ties", "additions", "macs", "ratio", "spikes", "decision")


@pytest.fixture(scope="module")
def study(bars, tiny, tmp_path_factory) -> Study:
    """Two entries of one epoch on 240 images, one with a fine-tuning."""
    folder = tmp_path_factory.mktemp("data")
    for name, part in (("train", slice(0, 160)), ("test", slice(160, None))):
        np.savez(folder / f"{name}.npz", images=bars.images[part], labels=bars.labels[part])
    data, test = str(folder / "train.npz"), str(folder / "test.npz")
    recipe = tiny.with_(epochs=1)
    return Study(
        "trial",
        "A trial",
        (
            Entry("small", data, recipe, ((4,),), test),
            Entry("smaller", data, recipe.with_(layers=(6,)), test_dataset=test),
        ),
        COLUMNS,
    )


@pytest.fixture(scope="module")
def done(study, tmp_path_factory):
    """The study, run once with two seeds."""
    out = tmp_path_factory.mktemp("study")
    return out, run_study(study, out, seeds=(0, 1), jobs=0)


def without_seconds(result):
    """The result without time, and without the code, which may be edited while tests run."""
    return json.loads(
        json.dumps(result),
        object_hook=lambda item: {
            key: value for key, value in item.items() if key not in ("seconds", "code")
        },
    )


def trainings(monkeypatch) -> list:
    """What is trained from here on: folder and whether resumed."""
    import sstdp_train

    real, calls = sstdp_train.train, []

    def counted(*arguments, **options):
        calls.append(("/".join(options["out"].parts[-3:]), options["resume"]))
        return real(*arguments, **options)

    monkeypatch.setattr(sstdp_train, "train", counted)
    return calls


def test_figures_are_those_of_the_runs(study, done):
    out, result = done
    assert [(row["entry"], row["run"]) for row in result["rows"]] == [
        ("small", "float"), ("small", "4-bit"), ("smaller", "float")
    ]  # fmt: skip
    for row in result["rows"]:
        found = []
        for seed in row["seeds"]:
            trained = json.loads((out / "trial" / seed["folder"] / "train.json").read_text())
            assert trained["seed"] == seed["seed"]
            assert seed["figures"]["test_accuracy"] == trained["test_accuracy"]
            ties = seed["figures"]["test_accuracy_ties_counted"]
            assert ties == trained["test_accuracy_ties_counted"]
            assert seed["figures"]["validation_accuracy"] == trained["validation_accuracy"]
            found.append(trained["test_accuracy"])
        assert row["mean"]["test_accuracy"] == statistics.fmean(found)
        assert row["spread"]["test_accuracy"] == pytest.approx(
            abs(found[0] - found[1]) / np.sqrt(2)
        )
    saved = json.loads((out / "trial" / "study.json").read_text())
    assert saved == {key: value for key, value in result.items() if key != "died"}


def test_activity_is_that_of_the_exported_network(bars, done):
    out, result = done
    test = Samples("test", bars.images[160:], bars.labels[160:], bars.class_names)
    for row, load in zip(result["rows"], (FloatNetwork, Network, FloatNetwork), strict=True):
        for seed in row["seeds"]:
            folder = out / "trial" / seed["folder"]
            path = folder / "network.safetensors" if load is Network else folder
            expected, figures = evaluate(load.load(path), test), seed["figures"]
            assert figures["kind"] == expected.kind
            assert figures["images"] == 80
            assert figures["additions"] == expected.additions
            assert figures["mean_decision_time"] == expected.mean_decision_time
            assert figures["spikes"] == sum(
                layer.spikes_until_decision for layer in expected.layers
            )
            ratio = expected.multiply_accumulates / expected.additions
            assert figures["multiply_accumulates_per_addition"] == ratio


def test_table_shows_mean_and_spread(done):
    out, result = done
    row = result["rows"][1]
    text = (out / "trial" / "study.md").read_text()
    mean, spread = row["mean"], row["spread"]
    (line,) = [line for line in text.splitlines() if line.startswith("| small | 4-bit ")]
    assert f"| {100 * mean['test_accuracy']:.2f} ± {100 * spread['test_accuracy']:.2f} % |" in line
    assert f"| {mean['additions']:,.0f} ± {spread['additions']:,.0f} |" in line
    assert line.endswith("| 2 |")
    assert "ties counted as correct" in text
    assert "Mean ± sample standard deviation over seeds 0, 1." in text


def test_second_call_trains_nothing(study, done, monkeypatch):
    out, result = done
    calls = trainings(monkeypatch)
    again = run_study(study, out, seeds=(0, 1), jobs=0)
    assert calls == []
    assert again == result


def test_one_seed_has_no_spread(study, done):
    out, _ = done
    row = run_study(study, out, seeds=(1,), jobs=0)["rows"][0]
    assert row["spread"]["test_accuracy"] is None
    assert "±" not in (out / "trial" / "study.md").read_text()


def test_parallel_gives_what_serial_gives(study, done, tmp_path):
    _, result = done
    parallel = run_study(study, tmp_path, seeds=(0, 1), jobs=2)
    assert without_seconds(parallel) == without_seconds(result)


class Elsewhere:
    """A cluster as the front sees it: all that goes and comes is pickled."""

    remote = True

    def __init__(self, *, dies_of=()):
        self.dies_of, self.carried = dies_of, []

    @contextmanager
    def session(self, work, shared, *, jobs=None):
        self.work, self.shared = pickle.loads(pickle.dumps((work, shared)))
        yield self

    def map(self, items, *, done, after, lost):
        turns = Turns(len(items), after)
        while turns.waiting:
            number = turns.waiting.pop()  # the last first: any order will do
            if number in self.dies_of:
                lost(number, "last on worker a: killed")
                continue
            item = pickle.loads(pickle.dumps(items[number]))
            self.carried.append(item)
            with self.work.opened(self.shared) as opened:
                made = self.work.function(opened, item, lambda _count: None)
            done(number, pickle.loads(pickle.dumps(made)))
            turns.done(number)


def files_of(folder):
    """By name, except what tells the time, and the checkpoint, which stays where it was written."""
    leaves_out = {"checkpoint.pt", "history.json", "curves.png", "log.txt"}
    return {
        str(file.relative_to(folder)): file
        for file in sorted(folder.rglob("*")) if file.is_file() and file.name not in leaves_out
    }  # fmt: skip


def test_a_cluster_gives_what_this_machine_gives(study, done, tmp_path, monkeypatch):
    """Figures, weights and records; paths are those of the front."""
    out, result = done
    monkeypatch.setattr("time.monotonic", lambda: 5.0)  # seconds stand in the files, too
    there = Elsewhere()
    found = run_study(study, tmp_path, seeds=(0, 1), engine=there)
    assert without_seconds(found) == without_seconds(result)
    assert len(there.carried) == 6 and len(there.shared) == 2, "images go once, whoever needs them"
    here, come = files_of(out), files_of(tmp_path)
    assert set(here) == set(come)
    for name, file in come.items():
        if file.name == "train.json":
            summary = json.loads(file.read_text())
            assert summary["float_network"] == str(file.with_name("float.safetensors"))
            assert "sstdp-train-" not in file.read_text()
        if file.suffix == ".safetensors":
            loaded, other = (FloatNetwork if file.stem == "float" else Network), here[name]
            for one, two in zip(
                loaded.load(file).weighted, loaded.load(other).weighted, strict=True
            ):
                np.testing.assert_array_equal(one[1].weight, two[1].weight)
                np.testing.assert_array_equal(one[1].threshold, two[1].threshold)
    log = (tmp_path / "trial/small/seed-0/log.txt").read_text()
    assert log.index("float:") < log.index("epoch 1") < log.index("4-bit:")
    again = Elsewhere()
    run_study(study, tmp_path, seeds=(0, 1), engine=again)
    assert again.carried == []


def test_what_a_cluster_cannot_do_is_a_row_and_the_rest_goes_on(study, tmp_path):
    """A training that fails is a result, a worker that dies is none."""
    small, smaller = study.entries
    wild = replace(small, recipe=small.recipe.with_(learning_rate=1e30, optimizer="sgd"))
    there = Elsewhere(dies_of={2})
    result = run_study(
        replace(study, entries=(wild, smaller)), tmp_path, seeds=(0,), engine=there
    )  # fmt: skip
    states = [row["seeds"][0]["state"] for row in result["rows"]]
    assert states == ["failed", "failed", "not run"]
    first, tuned, _ = result["rows"]
    assert first["seeds"][0]["failure"].startswith("Training diverged in epoch 1")
    assert tuned["seeds"][0]["failure"] == "the run that it starts from, float, failed"
    assert result["died"] == ["smaller, seed 0: last on worker a: killed"]
    assert there.carried[1] is None, "nothing is sent for what cannot begin"


def test_changed_recipe_is_trained_again(study, tmp_path, monkeypatch):
    small, smaller = study.entries
    calls = trainings(monkeypatch)
    run_study(study, tmp_path, seeds=(0,), jobs=0)
    assert [place for place, _ in calls] == [
        "small/seed-0/float", "small/seed-0/4-bit", "smaller/seed-0/float"
    ]  # fmt: skip
    calls.clear()
    tuning = FineTuning((4,), {"learning_rate": 0.001})
    run_study(
        replace(study, entries=(replace(small, fine_tune=(tuning,)), smaller)),
        tmp_path, seeds=(0,), jobs=0,
    )  # fmt: skip
    assert calls == [("small/seed-0/4-bit", False)]
    calls.clear()
    # The recipe of fine-tuning has no weight decay either way, but it starts from other weights.
    changed = replace(small, recipe=small.recipe.with_(weight_decay=0.5), fine_tune=(tuning,))
    run_study(replace(study, entries=(changed, smaller)), tmp_path, seeds=(0,), jobs=0)
    assert calls == [("small/seed-0/float", False), ("small/seed-0/4-bit", False)]


def test_changed_images_are_trained_again(study, bars, tmp_path, monkeypatch):
    def run(brighter):
        np.savez(tmp_path / "d.npz", images=bars.images[:160] + brighter, labels=bars.labels[:160])
        moved = study.on(str(tmp_path / "d.npz"))
        assert moved.title.endswith("d.npz)")
        return run_study(replace(moved, entries=moved.entries[1:]), tmp_path, seeds=(0,), jobs=0)

    calls = trainings(monkeypatch)
    result = run(np.uint8(0))
    run(np.uint8(0))
    assert len(calls) == 1
    run(np.uint8(1))
    assert len(calls) == 2
    assert "test_accuracy" not in result["rows"][0]["mean"], "an .npz file has no test images"


def test_unfinished_run_goes_on_from_its_checkpoint(study, tmp_path, monkeypatch):
    import sstdp_train.training.run as run_module

    entry = replace(study.entries[1], recipe=study.entries[1].recipe.with_(epochs=3))
    study = replace(study, entries=(entry,))
    whole = run_study(study, tmp_path / "whole", seeds=(0,), jobs=0)

    real = run_module.Training.run_epoch

    def stopping(training, advance):
        if training.epoch == 2:
            raise KeyboardInterrupt
        return real(training, advance)

    monkeypatch.setattr(run_module.Training, "run_epoch", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, tmp_path / "cut", seeds=(0,), jobs=0)
    assert "Not run: smaller float." in (tmp_path / "cut" / "trial" / "study.md").read_text()
    monkeypatch.setattr(run_module.Training, "run_epoch", real)
    calls = trainings(monkeypatch)
    resumed = run_study(study, tmp_path / "cut", seeds=(0,), jobs=0)
    assert calls == [("smaller/seed-0/float", True)]
    assert without_seconds(resumed) == without_seconds(whole)


def test_diverging_run_is_a_row_that_says_so(study, tmp_path, monkeypatch):
    small, smaller = study.entries
    wild = replace(small, recipe=small.recipe.with_(learning_rate=1e30, optimizer="sgd"))
    study = replace(study, entries=(wild, smaller))
    result = run_study(study, tmp_path, seeds=(0,), jobs=0)
    first, tuned, other = result["rows"]
    assert first["seeds"][0]["state"] == tuned["seeds"][0]["state"] == "failed"
    assert first["seeds"][0]["failure"].startswith("Training diverged in epoch 1")
    assert tuned["seeds"][0]["failure"] == "the run that it starts from, float, failed"
    assert other["mean"]["test_accuracy"] > 0
    text = (tmp_path / "trial" / "study.md").read_text()
    assert "| small | float |" in text and "| 1 failed |" in text
    assert "small float, seed 0: Training diverged" in text
    calls = trainings(monkeypatch)
    assert run_study(study, tmp_path, seeds=(0,), jobs=0) == result
    assert calls == [], "the same code would fail again"


def test_study_without_test_never_loads_the_test_images(study, tmp_path, monkeypatch):
    from benchmarks.study import chain

    real, splits = chain.datasets.load, []
    monkeypatch.setattr(
        chain.datasets, "load", lambda name, split: splits.append(split) or real(name, split)
    )
    blind = replace(
        study, test=False, baseline="small", columns=("validation", "difference", "additions"),
        entries=(*study.entries[:-1], replace(study.entries[-1], counted=9)),
    )  # fmt: skip
    result = run_study(blind, tmp_path, seeds=(0, 1), jobs=0)
    assert set(splits) == {"train"}
    for row in result["rows"]:
        assert not [name for name in row["mean"] if name.startswith("test")]
        counted = 9 if row["entry"] == study.entries[-1].name else 32  # the validation images
        assert row["seeds"][0]["figures"]["images"] == counted
        trained = json.loads(
            (tmp_path / "trial" / row["seeds"][0]["folder"] / "train.json").read_text()
        )
        assert trained["test_images"] == 0
    small, _, smaller = result["rows"]
    differences = [
        seed["figures"]["validation_accuracy"] - base["figures"]["validation_accuracy"]
        for seed, base in zip(smaller["seeds"], small["seeds"], strict=True)
    ]
    assert smaller["mean"]["validation_difference"] == statistics.fmean(differences)
    assert "no test image was looked at" in (tmp_path / "trial" / "study.md").read_text()


def test_only_some_entries(study, tmp_path, monkeypatch):
    calls = trainings(monkeypatch)
    result = run_study(study, tmp_path, seeds=(0,), jobs=0, only=("smaller",))
    assert calls == [("smaller/seed-0/float", False)]
    assert [row["seeds"][0]["state"] for row in result["rows"]] == ["not run"] * 2 + ["finished"]
    with pytest.raises(UserError, match="must be one of small, smaller, not 'large'"):
        run_study(study, tmp_path, only=("large",))


def test_process_that_dies_is_told_and_the_rest_goes_on(study, tmp_path, monkeypatch, capfd):
    """A folder where a file has to be breaks one chain beyond what training can tell."""
    broken = tmp_path / "trial" / "small" / "seed-0" / "log.txt"
    broken.mkdir(parents=True)
    result = run_study(study, tmp_path, seeds=(0,), jobs=2)
    assert result["died"] == ["small, seed 0: its process ended with status 1"]
    assert "IsADirectoryError" in capfd.readouterr().err
    assert [row["seeds"][0]["state"] for row in result["rows"]] == ["not run"] * 2 + ["finished"]


def test_folder_that_cannot_be_made_is_told_before_training(study, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.study.run.carry_out_all", None)  # never reached
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/trial: must be a folder to write into") as caught:
        run_study(study, tmp_path / "file", seeds=(0,), jobs=0)
    assert "\n" not in str(caught.value)


def test_plot_is_the_same_bytes_again(study, done, tmp_path):
    _, result = done
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        plot.draw(study, result["rows"], tmp_path / folder)
    for name in ("pareto.png", "pareto.svg"):
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes()
        assert len(content) > 5000


def test_chained_fine_tuning(study):
    small = study.entries[0]
    tunings = (FineTuning((4,), {"epochs": 7}), FineTuning((4, 2), start="4-bit"))
    runs = replace(small, fine_tune=tunings).runs(seed=5)
    assert [(run.name, run.start) for run in runs] == [
        ("float", None), ("4-bit", "float"), ("4-2-bit", "4-bit")
    ]  # fmt: skip
    assert [run.recipe.seed for run in runs] == [5, 5, 5]
    assert runs[1].recipe.epochs == 7
    with pytest.raises(UserError, match="must be a run before it, float, not '2-bit'"):
        replace(small, fine_tune=(FineTuning((4,), start="2-bit"),)).runs(0)
    with pytest.raises(UserError, match="must have different names, not '4-bit'"):
        replace(small, fine_tune=((4,), (4,))).runs(0)


@pytest.mark.parametrize("name", STUDIES)
def test_declared_studies_are_sound(name):
    """Every recipe and fine-tuning passes its checks; names are unique; columns exist."""
    declared = STUDIES[name]
    assert declared.name == name
    names = [entry.name for entry in declared.entries]
    assert len(set(names)) == len(names)
    assert all(entry.runs(0, epochs=1) for entry in declared.entries)
    assert set(declared.columns) <= set(table.COLUMNS)
    assert declared.baseline in (None, *names)


def test_ablation_changes_one_thing_at_a_time():
    full, *others = STUDIES["ablation"].entries
    augmentation = {
        name: 0.0 for name in studies.NO_AUGMENTATION if getattr(full.recipe, name) != 0
    }
    assert not full.recipe.with_(**studies.NO_AUGMENTATION).augments
    assert full.recipe == recipe_for("mnist").with_(epochs=full.recipe.epochs)
    together = (
        {"optimizer", "learning_rate"}, {"gate", "gate_shape"}, {"loss", "margin_scale"},
        {"encoding", "resampling"}, set(augmentation),
    )  # fmt: skip
    for entry in others:
        if not entry.name.startswith("published"):
            changed = {
                name
                for name, value in entry.recipe.as_dict().items()
                if value != full.recipe.as_dict()[name]
            }
            assert len(changed) == 1 or changed in together, entry.name


def test_the_study_of_deep_networks_changes_one_thing_at_a_time():
    full, *others = STUDIES["deep"].entries
    whole = full.recipe.as_dict()
    together = {"crop", "flip"}, {"bright", "dark"}, {"encoding", "bright", "dark", "cutoff"}
    for entry in others:
        changed = {name for name, value in entry.recipe.as_dict().items() if value != whole[name]}
        assert len(changed) == 1 or changed in together, entry.name


def test_command_line(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(STUDIES, "trial", study)
    monkeypatch.setattr("sstdp_hw.engine.apart.Apart._start", None)  # nothing may be left to train
    run_study(study, tmp_path, seeds=(0,), jobs=0)
    assert __main__.main(["trial", "--out", str(tmp_path), "--seeds", "0"]) == 0
    assert "test (rule 6)" in capsys.readouterr().out
    assert __main__.main(["trial", "--out", str(tmp_path), "--only", "x"]) == 2
    assert "error: Entry of study trial must be one of" in capsys.readouterr().err
    for wrong in (["--seeds", "0,0"], ["--jobs", "0"], ["--epochs", "x"]):
        with pytest.raises(SystemExit):
            __main__.main(["trial", *wrong])
