"""The shipped networks: whole, as their cards say, found under ready:NAME, and made again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hw.random_networks import dense_network, float_network

from sstdp_hw import ready
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.tables import number, percent
from sstdp_hw.command import cli
from sstdp_hw.data import datasets
from sstdp_hw.network import ready_files
from sstdp_hw.network.load import load_network
from sstdp_hw.network.network import Network
from sstdp_hw.ready import card, rebuild
from sstdp_hw.reference.evaluation import evaluate

NAMES = ready.names()
DIGITS = "digits-64-64-10-4bit"
SHIPPED = ready_files.FOLDER
MOST_WORK = 10**11  # multiply-accumulates on all test images, a minute or so
WHOLE = "SSTDP_IMAGES" in os.environ


def test_there_is_one_for_the_embedded_default():
    assert any(name.startswith("digits-") for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_a_network_with_a_card(name):
    network = ready.load(name)
    assert network.source == f"ready:{name}"
    digest = hashlib.sha256(ready.path(name).read_bytes()).hexdigest()
    written = ready.card_path(name).read_text(encoding="utf-8")
    assert written == card.card(name, network, digest), "python tools/ready_networks.py --refresh"
    assert digest in written and network.digest in written


def strings(value):
    """All text in a JSON value, keys included."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", NAMES)
def test_no_path_of_a_machine_is_told(name):
    texts = [*strings(ready.load(name).provenance), ready.card_path(name).read_text()]
    for text in texts:
        assert not re.search(r"(?<![\w}>.])/\w", text), text
        assert str(Path.home()) not in text


def figures_of(name: str) -> dict[str, str]:
    """The column of the integers in the card's table of figures."""
    text = ready.card_path(name).read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    return dict(rows)


@pytest.mark.parametrize("name", NAMES)
def test_card_says_what_evaluate_computes_now(name, monkeypatch):
    network = ready.load(name)
    dataset, images = network.provenance["dataset"], network.provenance["test_images"]
    if network.multiply_accumulates * images > MOST_WORK and not WHOLE:
        pytest.skip("minutes of work: SSTDP_IMAGES=10000 computes the figures of large networks")

    def no_download(*_arguments, **_options):
        raise OSError("not in a test")

    monkeypatch.setattr("urllib.request.urlopen", no_download)
    try:
        samples = datasets.load(dataset, "test")
    except UserError as error:
        pytest.skip(str(error))
    found, told = evaluate(network, samples), figures_of(name)
    assert told["images"] == number(len(samples))
    assert told["accuracy (rule 6)"] == percent(found.accuracy)
    assert told["accuracy, ties counted as correct"] == percent(found.accuracy_ties_counted)
    assert told["additions per image, up to the decision"] == number(found.additions)
    macs = number(found.multiply_accumulates)
    assert told["multiply-accumulates of the dense network"] == macs
    assert told["mean decision step"] == number(found.mean_decision_time, 2)
    assert told["silent images"] == percent(found.silent)
    inputs, *others = (layer.spikes_until_decision for layer in found.layers)
    spikes = f"{inputs:,.1f} + {sum(others):,.1f}"
    assert told["spikes per image up to the decision, input + neurons"] == spikes
    quantization = network.provenance["quantization"]["integer"]
    assert quantization["rule_6"] == found.accuracy


@pytest.mark.parametrize("name", NAMES)
def test_commands_are_ones_that_their_verbs_accept(name, tmp_path):
    parser = cli.make_parser(cli.find_verbs())
    steps = rebuild.chain(ready.load(name), tmp_path)
    assert [step[0] for step in steps] in (
        ["train", "quantize"], ["train", "train", "quantize"]
    )  # fmt: skip
    for step in steps:
        parser.parse_args(step)


def test_ready_name_stands_for_a_file_wherever_a_network_is_read():
    network = Network.load(f"ready:{DIGITS}")
    assert network.digest == Network.load(ready.path(DIGITS)).digest
    assert load_network(Path(f"ready:{DIGITS}")).digest == network.digest


def call(capsys, *arguments):
    status = cli.main([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


@pytest.mark.parametrize(
    "arguments",
    [
        ("ready", "nothing"),
        ("ready", "ready:nothing"),
        ("ready", "../ready/" + DIGITS),
        ("evaluate", "ready:nothing"),
        ("generate", "ready:nothing", "--out", "out"),
        ("quantize", "ready:nothing", "--out", "out.safetensors"),
    ],
)
def test_unknown_name_is_told_in_one_line(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, error = call(capsys, *arguments)
    assert status == 2
    (line,) = error.splitlines()
    asked = arguments[1].removeprefix("ready:")
    hint = f"; did you mean {DIGITS}?" if DIGITS in asked else ""
    assert line.endswith(
        f"error: Ready network must be one that `sstdp-hw ready` lists, not {asked!r}{hint}"
    )
    assert not list(tmp_path.iterdir())


def test_one_name_in_all_results(tmp_path, monkeypatch):
    """Also of a copy; a network of other weights has its own."""
    network = ready.load(DIGITS)
    network.save(tmp_path / "copy.safetensors")
    assert ready.known_as(Network.load(tmp_path / "copy.safetensors")) == f"ready:{DIGITS}"
    first, layer = network.weighted[0]
    layers = list(network.layers)
    layers[first] = replace(layer, threshold=layer.threshold + 1)
    changed = replace(network, layers=tuple(layers))
    assert ready.known_as(changed) == network.name != f"ready:{DIGITS}"
    monkeypatch.setattr(ready, "load", None)  # nothing is read for networks of another kind
    assert ready.known_as(replace(network, provenance={})) == network.name


def test_integers_are_not_quantized_again(capsys, tmp_path):
    out = tmp_path / "n.safetensors"
    status, _, error = call(capsys, "quantize", f"ready:{DIGITS}", "--out", out)
    assert status == 2
    assert error.splitlines()[-1].endswith("and is one of integers already")


def test_list(capsys, tmp_path):
    status, out, _ = call(capsys, "ready", "--json", tmp_path / "list.json")
    assert status == 0
    entries = json.loads((tmp_path / "list.json").read_text())["networks"]
    assert [entry["name"] for entry in entries] == list(NAMES)
    for entry in entries:
        assert entry["name"] in out
        assert percent(entry["accuracy"]) in out
        assert percent(entry["accuracy"]) == figures_of(entry["name"])["accuracy (rule 6)"]


def test_card_is_shown(capsys):
    status, out, _ = call(capsys, "ready", DIGITS)
    assert status == 0
    assert out == ready.card_path(DIGITS).read_text(encoding="utf-8")


def test_copy(capsys, tmp_path):
    status, _, _ = call(capsys, "ready", DIGITS, "--out", tmp_path / "copy")
    assert status == 0
    copied = sorted(tmp_path.joinpath("copy").iterdir())
    assert [file.name for file in copied] == [f"{DIGITS}.md", f"{DIGITS}.safetensors"]
    assert Network.load(copied[1]).digest == ready.load(DIGITS).digest
    (tmp_path / "file").touch()
    status, _, error = call(capsys, "ready", DIGITS, "--out", tmp_path / "file")
    assert status == 2 and "must be a folder" in error
    status, _, error = call(capsys, "ready", "--out", tmp_path / "none")
    assert status == 2 and "must be named" in error


def test_evaluate_and_generate_take_it(capsys, tmp_path):
    status, out, _ = call(capsys, "evaluate", f"ready:{DIGITS}", "--json", tmp_path / "e.json")
    assert status == 0
    assert figures_of(DIGITS)["accuracy (rule 6)"] in out
    status, _, _ = call(capsys, "generate", f"ready:{DIGITS}", "--out", tmp_path / "a")
    assert status == 0
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["network"]["digest"] == ready.load(DIGITS).digest


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A ready network of one's own, and verbs that write what its chain would, or nearly so."""
    rng = np.random.default_rng(3)
    recipe = {"name": "tiny", "seed": 1, "epochs": 2}
    told = {
        "dataset": "digits",
        "versions": {"torch": "9"},
        "quantization": {"integer": {"rule_6": 0.5}},
        "ready": {
            "chain": [
                ["train", "--out", "{out}/1"],
                ["quantize", "{out}/1", "--out", "{out}/network.safetensors"],
            ],
            "trainings": [{"recipe": recipe}],
            "training_data": datasets.load("digits", "train").digest,
        },
    }
    network = dense_network(rng, neurons=[5, 10], inputs=(1, 8, 8), t_max=8, provenance=told)
    monkeypatch.setattr(ready_files, "FOLDER", tmp_path / "shipped")
    network.save(tmp_path / "shipped" / "mine.safetensors")
    made = {"recipe": dict(recipe), "network": network}

    def run(_verbs, command):
        out = Path(command[command.index("--out") + 1])
        if command[0] == "train":
            out.mkdir(parents=True)
            (out / "train.json").write_text(json.dumps({"recipe": made["recipe"]}))
        else:
            made["network"].save(out)
        return {}

    monkeypatch.setattr(cli, "run_verb", run)
    return made


def test_rebuild_says_that_all_is_the_same(recorded, capsys, tmp_path):
    status, out, error = call(capsys, "ready", "mine", "--rebuild", tmp_path / "again")
    assert status == 0
    assert f"[1/2] sstdp-hw train --out {tmp_path}/again/1" in error
    assert out.endswith("are those of ready:mine\n")


def changed(network, weight):
    hidden = replace(network.layers[1], weight=weight)
    return replace(network, layers=(network.layers[0], hidden, network.layers[2]))


def test_rebuild_finds_a_single_weight(recorded, capsys, tmp_path):
    network = recorded["network"]
    weight = network.layers[1].weight.copy()
    weight[0, 0] = -1 if weight[0, 0] == 0 else 0
    recorded["network"] = changed(network, weight)
    arguments = ("ready", "mine", "--rebuild", tmp_path / "again", "--json", tmp_path / "j")
    status, out, _ = call(capsys, *arguments)
    assert status == 0, "one weight of a corner pixel changes no answer"
    assert re.search(
        r": 1 of \d+ values differ from ready:mine, and it is as good: [\d.]+ %, ", out
    )
    assert "made with PyTorch 9 on AVX512" in out
    result = json.loads((tmp_path / "j").read_text())
    assert result["identical"] is False and result["as_good"] is True
    assert result["differing"] == {"layers.1.weight": 1}


def test_rebuild_of_a_worse_network_is_a_no(recorded, capsys, tmp_path):
    samples = datasets.load("digits", "test")
    good = Network.load(SHIPPED / f"{DIGITS}.safetensors")
    told = recorded["network"].provenance
    replace(good, provenance=told).save(tmp_path / "shipped" / "mine.safetensors")
    recorded["network"] = changed(
        replace(good, provenance=told), np.zeros_like(good.layers[1].weight)
    )
    status, _, error = call(capsys, "ready", "mine", "--rebuild", tmp_path / "again")
    assert status == 1
    assert re.search(
        r"values differ from ready:mine, and it is worse: [\d.]+ %, shipped 97.16 %", error
    )
    assert f"of {len(samples)} test images" in error


@pytest.mark.parametrize(
    ("lost", "won", "as_good"),
    [(0, 0, True), (4, 0, True), (5, 0, False), (60, 40, True), (61, 39, False), (0, 90, True)],
)
def test_worse_than_chance_explains(lost, won, as_good):
    assert rebuild.Verdict(100, 0.9, 0.9, lost, won).as_good is as_good


def test_rebuild_asks_for_the_instructions_that_were_used(recorded, capsys, tmp_path, monkeypatch):
    seen = []
    run = cli.run_verb

    def looking(verbs, command):
        seen.append(os.environ.get("ATEN_CPU_CAPABILITY"))
        return run(verbs, command)

    monkeypatch.setattr(cli, "run_verb", looking)
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    assert call(capsys, "ready", "mine", "--rebuild", tmp_path / "again")[0] == 0
    assert seen == ["avx512", "avx512"]
    assert "ATEN_CPU_CAPABILITY" not in os.environ


def test_rebuild_of_another_encoder_or_shape_is_different(recorded):
    network = recorded["network"]
    dark = replace(network, encoder=np.full(256, 8, np.uint8))
    assert list(rebuild.compare(network, dark).differing) == ["encoder"]
    shorter = replace(network, encoder=np.minimum(network.encoder, 8), t_max=9)
    assert rebuild.compare(network, shorter).differing == {"t_max or layers": 1}
    assert rebuild.compare(network, network).identical


def test_rebuild_refuses_what_cannot_come_out_the_same(recorded, capsys, tmp_path, monkeypatch):
    def refused():
        status, _, error = call(capsys, "ready", "mine", "--rebuild", tmp_path / "again")
        shutil.rmtree(tmp_path / "again", ignore_errors=True)
        assert status == 2
        return error.splitlines()[-1]

    recorded["recipe"]["epochs"] = 3
    assert "epochs must be the recorded 2, and is 3 in this version" in refused()
    recorded["recipe"]["epochs"] = 2
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "float.safetensors").touch()
    assert "must be a new or empty folder" in refused()
    real = datasets.load
    monkeypatch.setattr(datasets, "load", lambda name, split: real(name, split).first(100))
    assert "training images must be those that ready:mine was made of, and differ" in refused()


def test_a_float_network_is_no_ready_network(tmp_path, monkeypatch):
    """The folder is for integers; a stray float network is refused like any other file."""
    monkeypatch.setattr(ready_files, "FOLDER", tmp_path)
    float_network(np.random.default_rng(0)).save(tmp_path / "stray.safetensors")
    with pytest.raises(UserError, match="must be a network of integers, and is a float network"):
        ready.load("stray")
