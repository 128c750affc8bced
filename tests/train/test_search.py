"""``explore RUN --search N``, from a float network to the front: what is fine-tuned, on which
images, and what a trial is worth."""

import json
import shutil
import sys

import altair
import numpy as np
import pytest

pytest.importorskip("optuna")

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.tables import show, table
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.data import datasets
from sstdp_hw.models.area import predict_area
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.models.energy import energy_estimate
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.network import Network
from sstdp_hw.network.ttfs import ttfs_table
from sstdp_hw.reference import inference as reference
from sstdp_hw.reference.evaluation import evaluate
from sstdp_hw.report.page.evidence import gather
from sstdp_hw.report.page.search import searched
from sstdp_hw.report.run_report import collect
from sstdp_hw.search.front import HEADINGS, cells, network_file
from sstdp_train import recipe_for, train
from sstdp_train.training.loop import split
from sstdp_train.training.quick import QuickTuning

TRIALS = 3
SAMPLES = 40
OPTIONS = ("--search-epochs", "1", "--samples", str(SAMPLES))


def found_in(run):
    return json.loads((run / "search.json").read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A network of 8 hidden neurons, of which an eighth of the digits was held back."""
    folder = tmp_path_factory.mktemp("search") / "run"
    recipe = recipe_for("digits").with_(
        layers=(8,), t_max=6, epochs=1, validation_share=1 / 8, seed=4
    )
    train(
        recipe, datasets.load("digits", "train"), out=folder, asked={"dataset": "digits"}
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def done(run, tmp_path_factory):
    """The search, whose test images nobody may look at."""
    folder = tmp_path_factory.mktemp("done") / "run"
    shutil.copytree(run, folder)
    real = datasets.load

    def load(name, split="test"):
        assert split == "train", "a test image would be looked at"
        return real(name, split)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load", load)
        assert main(["explore", str(folder), "--search", str(TRIALS), *OPTIONS]) == 0
    return folder


def test_every_figure_is_that_of_the_network_that_is_kept(done):
    """On images that neither training has seen."""
    found, samples = found_in(done), datasets.load("digits", "train")
    places = split(len(samples), 1 / 8, 4)[1]
    images, labels = samples.images[places], samples.labels[places]
    assert found["made_of"]["held-back images"] == len(places)
    assert found["held_back_images_trained_on_before"] is False and found["training_seed"] == 4
    assert len(found["trials"]) == TRIALS and not found["failed"]
    for row in found["trials"]:
        network = Network.load(done / network_file(row["trial"]))
        assert [layer.weight_width for _, layer in network.weighted] == row["weight_widths"]
        assert network.t_max == row["t_max"]
        inference = reference.run(network, images)
        assert row["accuracy"] == pytest.approx(inference.accuracy(labels), abs=1e-6)
        configuration = Configuration(tuple(row["lanes"]), row["pixels_per_beat"])
        parameters = AcceleratorParameters(network, configuration)
        counted = inference.only(slice(SAMPLES))
        cycles = cycles_per_image(parameters, counted)[1:].mean()
        assert row["images_per_second"] == pytest.approx(100e6 / cycles, abs=0.1)
        assert row["lut"] == predict_area(parameters).lut
        energy = energy_estimate(parameters, counted).total
        assert row["energy_picojoules"] == round(energy.high, 1)


def test_the_same_bytes_again_and_no_test_image(run, done, tmp_path, capsys):
    """In two commands, the second with more trials."""
    again = tmp_path / "run"
    shutil.copytree(run, again)
    for count in (1, TRIALS):
        assert main(["explore", str(again), "--search", str(count), *OPTIONS]) == 0
    assert (again / "search.json").read_bytes() == (done / "search.json").read_bytes()
    said = capsys.readouterr()
    assert "no test image was looked at" in " ".join(said.out.split())
    following = [line for line in said.err.splitlines() if line.startswith("Next: ")][-1]
    assert f"generate {again}/search/trial-" in following
    other = ["explore", str(again), "--search", "9", "--search-epochs", "2"]
    assert main(other) == 2
    assert "is the journal of a search with another --search-epochs, 1, not 2" in (
        capsys.readouterr().err
    )


def test_the_front_fits_a_terminal_of_80_columns(done, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    rows = found_in(done)["trials"]
    show(table("T", HEADINGS, map(cells, rows)))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(lines)
    for row in rows:
        assert f"{row['lut']:,}" in text and f"{100 * row['accuracy']:.2f} %" in text


def test_the_page_draws_the_front_of_this_network(done, run, tmp_path):
    evidence = gather(collect(done), 1, None)
    section = searched(evidence)
    figures = [part for part in section.parts if part.kind == "figure"]
    assert len(figures) == 3
    for figure in figures:
        altair.Chart.from_dict({**figure.spec, "data": {"name": "rows"}})  # against the schema
        assert len(figure.spec["datasets"]["rows"]) == TRIALS
    (shown,) = [part for part in section.parts if part.kind == "table"]
    assert {row[1] for row in shown.rows} == {str(n) for n in found_in(done)["front"]}
    other = tmp_path / "run"
    shutil.copytree(done, other)
    network = FloatNetwork.load(run)
    network.layers[-1].threshold[:] += 1
    network.save(other / "float.safetensors")
    evidence = gather(collect(other), 1, None)
    assert searched(evidence) is None
    assert "is of another float network; search again" in evidence.missing["search"]


@pytest.fixture(scope="module")
def tuning(run):
    network = FloatNetwork.load(run)
    return QuickTuning(network, datasets.load("digits", "train"), "digits", 1)


def test_pruned_pixels_save_their_share_and_stay_pruned(tuning):
    tuned = tuning.tuned((4, 4), 0.4, 6)
    images = tuning.samples.images.reshape(len(tuning.samples), -1)
    rates = (tuned.encoder[images] < 6).mean(0)
    assert 0.54 < rates[tuned.live_inputs].sum() / rates.sum() < 0.62, "60 %, by whole pixels"
    assert tuning.network.live_inputs.all(), "the float network is left alone"


def test_other_steps_have_a_table_of_their_own(tuning):
    tuned = tuning.tuned((4, 4), 0.0, 9)
    assert tuned.t_max == 9
    np.testing.assert_array_equal(tuned.encoder, ttfs_table(9, tuning.recipe.cutoff))
    assert not tuning.seen and tuning.prunes and tuning.recodes
    assert tuned.provenance["recipe"]["epochs"] == 1 and tuned.provenance["test_images"] == 0


def test_fine_tuning_learns(tuning):
    """Better than the same network rounded, on images that are held back from both."""
    from sstdp_hw.quantization.quantize import quantize

    rounded, _ = quantize(tuning.network, (2, 2))
    tuned, _ = quantize(tuning.tuned((2, 2), 0.0, 6))
    assert evaluate(tuned, tuning.held_back).accuracy > evaluate(rounded, tuning.held_back).accuracy


def test_a_network_that_saw_all_images_is_told_so(run):
    network = FloatNetwork.load(run)
    network.provenance["recipe"]["validation_share"] = 0.0
    samples = datasets.load("digits", "train")
    found = QuickTuning(network, samples, "digits", 1)
    assert found.seen and len(found.held_back) == round(len(samples) / 6)
    network.provenance.pop("recipe")
    other = QuickTuning(network, samples, "digits", 1)
    assert not other.recodes, "nobody knows where its encoder comes from"
    with pytest.raises(UserError, match="must have images to hold back, and has 2"):
        QuickTuning(network, samples.first(2), "digits", 1)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["ready:digits-64-64-10-4bit"], "not ready:digits-64-64-10-4bit, which has integers"),
        (["EMPTY"], "holds none; train with `sstdp-hw train`"),
        (["INTEGERS"], "has integers; name the run that it comes from"),
        (["RUN", "--synthesize"], "--search must be without --synthesize"),
        (["RUN", "--cluster", "tcp://h:1"], "start the command on every machine"),
        (["RUN", "--plot", "front.png"], "report RUN --html` draws the front"),
        (["RUN", "--search-epochs", "0"], "--search-epochs must be at least 1, not 0"),
        (["RUN", "--seed", "-1"], "--seed must be between 0 and 4294967295, not -1"),
        (["RUN", "--dataset", "none.npz"], "none.npz: "),
        (["NAMELESS"], "does not tell its data set, and --search trains; add --dataset NAME"),
    ],
)
def test_what_cannot_be_searched_is_one_line(command, said, run, done, tmp_path, capsys):
    (tmp_path / "EMPTY").mkdir()
    network = FloatNetwork.load(run)
    network.provenance.clear()
    network.save(tmp_path / "NAMELESS")
    places = {"RUN": run, "INTEGERS": done / network_file(0)}
    first, *rest = command
    if first.isupper():
        first = str(places.get(first, tmp_path / first))
    assert main(["explore", first, *rest, "--search", "2"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert said in line
    assert not (run / "search").exists() and not list(tmp_path.glob("**/search*"))


@pytest.mark.parametrize("name", ["optuna", "torch"])
def test_what_is_not_installed_is_named(name, run, monkeypatch, capsys):
    for module in list(sys.modules):
        if module.startswith(("sstdp_hw.search.journal", "sstdp_train.training.quick")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["explore", str(run), "--search", "2"]) == 2
    error = capsys.readouterr().err
    assert f"the Python package {name}; pip install 'sstdp-hw[" in error and "search]'" in error
