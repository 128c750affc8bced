"""The report as one HTML file: what is on it, that it is whole, that nothing is outside of it."""

import json
import re
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace

import altair
import numpy as np
import pytest
from support.finished_run import IMAGES, finished_run, put

from sstdp_hw.base.progress import progress
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.data import datasets
from sstdp_hw.models.energy import energy_estimate
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_hw.report.page.accuracy import stop_curve
from sstdp_hw.report.page.evidence import gather
from sstdp_hw.report.page.hardware import explored, memory_name, slowest_path
from sstdp_hw.report.page.potentials import output_potentials
from sstdp_hw.report.page.timeline import shares
from sstdp_hw.report.page.write import page, written
from sstdp_hw.report.page.write import sections as sections_of
from sstdp_hw.report.run_report import collect
from sstdp_rtl.generator.generate import generate
from sstdp_sim.comparison.diagnosis import expected_spikes

VOID = {"meta", "link", "img", "input", "br"}
FIRST = {
    "image": 3, "layer": "layers.1", "step": 2, "neuron": 5, "expected": "a spike", "got": "none",
}  # fmt: skip


def spikes_of(directory, inference, image):
    """The hardware's spikes as `simulate` writes them, if it is right."""
    names = [probe["layer"] for probe in directory.manifest["probes"]]
    t_max = directory.network.t_max
    return {
        name: sorted([int(times[n]), int(n)] for n in np.flatnonzero(times < t_max))
        for name, times in zip(names, expected_spikes(directory, inference, image), strict=True)
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "run"
    finished_run(folder)
    return folder


def evidence_of(folder):
    return gather(collect(folder), IMAGES, progress)


@pytest.fixture(scope="module")
def evidence(run):
    return evidence_of(run)


@pytest.fixture(scope="module")
def text(evidence):
    return page("digits", evidence, library="")


class Document(HTMLParser):
    """Elements, and complaints about what is not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.texts.append((self.elements[-1][1], data))

    def specs(self):
        return {
            attributes["data-for"]: json.loads(data)
            for attributes, data in self.texts if attributes.get("class") == "spec"
        }  # fmt: skip


def fields(spec, data=None):
    """The fields that a chart shows, each with the name of its rows."""
    if isinstance(spec, list):
        for part in spec:
            yield from fields(part, data)
    elif isinstance(spec, dict):
        data = (
            spec.get("data", {}).get("name", data) if isinstance(spec.get("data"), dict) else data
        )
        if isinstance(spec.get("field"), str):
            yield data, spec["field"]
        for name, part in spec.items():
            if name not in ("datasets", "data"):
                yield from fields(part, data)


def test_every_chart_has_its_data(text):
    document = Document(text)
    ids = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    specs = document.specs()
    assert len(specs) > 25 and set(specs) <= set(ids)
    for name, spec in specs.items():
        assert spec["datasets"]["rows"], name
        computed = {
            step["as"] for part in [spec, *spec.get("layer", ())]
            for step in part.get("transform", ()) if "as" in step
        }  # fmt: skip
        for rows, field in fields(spec):
            there = {key for row in spec["datasets"][rows] for key in row} | computed
            assert field in there, (name, rows, field)


def test_charts_follow_the_schema(text):
    """One of each kind is enough: they differ in data only."""
    kinds = {}
    for spec in Document(text).specs().values():
        kinds.setdefault(json.dumps([*fields(spec)]), spec)
    for spec in kinds.values():
        altair.Chart.from_dict(spec, validate=True)


def test_nothing_is_outside(text):
    document = Document(text)
    for tag, attributes in document.elements:
        for name in ("src", "href", "action", "srcset", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert "url(" not in text and "@import" not in text
    [policy] = [a["content"] for _, a in document.elements if "http-equiv" in a]
    assert policy.startswith("default-src 'none';") and "http" not in policy


def test_same_inputs_same_bytes(run, text):
    assert page("digits", evidence_of(run), library="") == text


def test_sections_are_those_with_data(run, evidence, tmp_path):
    names = [section.name for section in sections_of(evidence)]
    assert names == [
        "answer", "life", "accuracy", "weights", "hardware", "energy", "exploration", "training",
        "provenance",
    ]  # fmt: skip
    alone = [section.name for section in sections_of(evidence_of(run / "accelerator"))]
    assert alone == [
        "answer", "life", "accuracy", "weights", "hardware", "energy", "provenance",
    ]  # fmt: skip
    put(tmp_path / "train.json", {"test_accuracy": 0.9})
    assert [s.name for s in sections_of(evidence_of(tmp_path))] == ["answer", "provenance"]


@pytest.mark.parametrize("weights", ["rom", "loadable"])
def test_a_sequential_accelerator_has_no_chain(tmp_path, weights):
    """But an area, block by block, loading among them where there is some."""
    network = Network.load("ready:digits-64-64-10-4bit")
    configuration = Configuration((4,), architecture="sequential", weights=weights)
    generate(network, configuration, tmp_path / "hw")
    made = {section.name: section for section in sections_of(evidence_of(tmp_path / "hw"))}
    assert "One engine computes all layers" in made["hardware"].parts[0].text
    lines = [line for part in made["provenance"].parts if part.kind == "commands"
             for _, line in part.commands]  # fmt: skip
    assert any("--architecture sequential" in line for line in lines)
    [area] = [
        part for part in made["hardware"].parts
        if part.kind == "table" and part.title == "Area by block"
    ]  # fmt: skip
    blocks = {row[0] for row in area.rows}
    assert {"the engine", "input and encoder"} <= blocks
    assert ("loading of weights" in blocks) == (weights == "loadable")


def test_head_tells_verdict_and_how_to_check(text, run):
    assert f"Hardware equals reference on all {IMAGES} test images of digits" in text
    assert f"sstdp-hw verify record {run / 'accelerator' / 'record.json'}" in text
    assert "sstdp-hw train --dataset digits" in text


def test_energy_is_called_an_estimate_wherever_it_is(evidence, run, tmp_path):
    [section] = [one for one in sections_of(evidence) if one.name == "energy"]
    beside, shares_, table = section.parts
    assert "estimate" in section.title and "estimate" in table.headings
    assert "Not measured" in table.note and "static power" in table.note
    own = energy_estimate(evidence.hardware.parameters, evidence.inference)
    bars = beside.spec["datasets"]["rows"]
    assert bars[0]["text"] == str(own.total) and bars[0]["own"] and len(bars) == 5
    whole = {}
    for row in shares_.spec["datasets"]["rows"]:
        whole[row["end"]] = whole.get(row["end"], 0) + row["share"]
    assert list(whole.values()) == pytest.approx([1, 1], abs=1e-3)
    [head] = [one for one in sections_of(evidence) if one.name == "answer"]
    cards = [part for part in head.parts if part.kind == "facts"]
    [card] = [fact for fact in cards[0].facts if "energy" in fact.name]
    assert card.name.endswith("estimate") and card.value == str(own.total)
    # What `simulate` wrote, of all its images, goes before the page's own.
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run" / "accelerator" / "results.json"
    wrote = own.to_json() | {"picojoules": {"low": 1000.0, "high": 2000.0}}
    put(path, json.loads(path.read_text()) | {"energy_estimate": wrote})
    assert "1.0 to 2.0 nJ" in page("digits", evidence_of(tmp_path / "run"), library="")


STUDY = {
    "title": "Parts", "seeds": [0, 1], "rows": [
        {"entry": name, "run": "float", "mean": {"validation_accuracy": mean, **more},
         "spread": {"validation_accuracy": 0.01},
         "seeds": [{"seed": n, "folder": f"{name}/seed{n}/float",
                    "figures": {"validation_accuracy": mean + shift}}
                   for n, shift in enumerate((-0.007, 0.007))]}
        for name, mean, more in (("all", 0.9, {}), ("less", 0.85, {"validation_difference": -0.05}))
    ],
}  # fmt: skip


def test_a_run_of_a_study_shows_all_of_it(tmp_path):
    folder = tmp_path / "parts" / "less" / "seed1" / "float"
    folder.mkdir(parents=True)
    put(folder / "train.json", {"test_accuracy": 0.9})
    put(tmp_path / "parts" / "study.json", STUDY)
    [section] = [one for one in sections_of(evidence_of(folder)) if one.name == "study"]
    assert section.title == "Study: Parts" and "less float" in section.intro
    figure, table = section.parts
    altair.Chart.from_dict(figure.spec, validate=True)
    bars = figure.spec["datasets"]["rows"]
    assert [(bar["mean"], bar["low"], bar["own"]) for bar in bars] == [
        (0.9, 0.89, False), (0.85, 0.84, True),
    ]  # fmt: skip
    assert len(figure.spec["datasets"]["dots"]) == 4
    assert table.rows[1] == ("less, float", "85.00 %", "-5.00", "2")
    assert table.rows[0][2] == "-" and "baseline" in table.note
    (tmp_path / "parts" / "other").mkdir()
    put(tmp_path / "parts" / "other" / "train.json", {"test_accuracy": 0.9})
    assert [s.name for s in sections_of(evidence_of(tmp_path / "parts" / "other"))] == [
        "answer", "provenance",
    ]  # fmt: skip
    put(tmp_path / "parts" / "study.json", {"rows": 3})
    assert "must have a list of rows" in evidence_of(folder).missing["study"]


def test_what_cannot_be_read_is_told(run, tmp_path):
    for name in ("results.json", "manifest.json", "accelerator.v", "network.safetensors"):
        (tmp_path / name).write_bytes((run / "accelerator" / name).read_bytes())
    np.savez(tmp_path / "results.npz", predicted=np.zeros(3))
    evidence = evidence_of(tmp_path)
    assert evidence.answers is None and "an entry for each of 80" in evidence.missing["answers"]
    assert "an entry for each of 80" in page("x", evidence, library="")


def test_a_mismatch_is_first(run, tmp_path):
    """Image, layer, step, neuron, expected and got, and both rasters."""
    hardware = run / "accelerator"
    for file in hardware.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    directory = GeneratedDirectory.load(hardware)
    inference = reference.run(directory.network, datasets.load("digits").first(4).images)
    spikes = spikes_of(directory, inference, 3)
    step, neuron = next(spike for spike in spikes["layers.1"] if spike[0] <= 2)
    spikes["layers.1"].remove([step, neuron])
    results = json.loads((hardware / "results.json").read_text())
    first = {**FIRST, "step": step, "neuron": neuron}
    put(tmp_path / "results.json", {
        **results, "mismatches": 2, "first_divergence": first, "first_divergence_spikes": spikes,
        "first_mismatch": "image 3",
    })  # fmt: skip
    made = sections_of(evidence_of(tmp_path))
    assert made[0].name == "mismatch" and made[0].tone == "bad"
    facts = {fact.name: fact.value for part in made[0].parts if part.kind == "facts"
             for fact in part.facts}  # fmt: skip
    assert facts == {name: str(value) for name, value in first.items()}
    charts = [part for part in made[0].parts if part.kind == "figure"]
    assert [chart.title for chart in charts] == [
        "input: 0 spikes missing, 0 not expected", "layers.1: 1 spikes missing, 0 not expected",
    ]  # fmt: skip
    rows = charts[1].spec["datasets"]["rows"]
    assert [row for row in rows if row["what"] == "missing"] == [
        {"step": step, "neuron": neuron, "what": "missing"}
    ]
    assert "differs from the integer reference in 2 of 80" in made[1].parts[0].text


def test_a_board_tells_no_cycles_and_may_leave_images_out(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    hardware = tmp_path / "run" / "accelerator"
    arrays = dict(np.load(hardware / "results.npz"))
    np.savez(hardware / "results.npz", **arrays | {"cycles": np.full(IMAGES, -1, np.int64)})
    results = json.loads((hardware / "results.json").read_text())
    lost = "1 sample was not answered; the first is 4"
    results |= {"cycles_per_image": None, "efficiency": None, "protocol_findings": [lost]}
    put(hardware / "results.json", results)
    text = page("digits", evidence_of(tmp_path / "run"), library="")
    assert f"No answer differs from the integer reference, but: {lost}." in text
    assert "Cycles per image" not in text and "images mismatch" not in text


def test_potentials_are_those_of_the_plain_reference(evidence):
    network, inference = evidence.network, evidence.inference
    layer = network.layers[-1]
    for image in range(3):
        arriving = inference.spike_times[-2][image].reshape(-1)
        v = output_potentials(network, arriving)
        for step in range(network.t_max):
            for neuron in range(10):
                inputs = np.flatnonzero(arriving <= step)
                assert v[step, neuron] == sum(int(layer.weight[neuron, i]) for i in inputs)
        margin = v[inference.last_steps()[image]] - layer.threshold
        assert margin.tolist() == inference.margins[image].tolist()


def test_stopping_at_the_last_step_is_the_network_itself(evidence):
    rows = stop_curve(evidence.network, evidence.inference, evidence.samples.labels)
    accuracy = evidence.inference.accuracy(evidence.samples.labels)
    assert rows[-1]["share"] == pytest.approx(accuracy, abs=1e-4)
    assert [row["additions"] for row in rows] == sorted(row["additions"] for row in rows)


def test_busy_blocked_and_starved_are_all_there_is(evidence):
    rows = shares(evidence.hardware.parameters, evidence.inference.only(slice(20)))
    for name in {row["name"] for row in rows}:
        own = {row["what"]: row["share"] for row in rows if row["name"] == name}
        assert sum(own.values()) == pytest.approx(1, abs=1e-3) and min(own.values()) >= 0, name
    busy = {row["name"]: row["share"] for row in rows if row["what"] == "busy"}
    assert busy["layers.1"] > 0.9 > busy["layers.2"]  # 16 of 64 lanes bound the rest


def test_the_images_shown_are_what_they_are_called(evidence):
    [life] = [section for section in sections_of(evidence) if section.name == "life"]
    [choice] = life.parts
    samples, inference = evidence.samples, evidence.inference
    for option in choice.options:
        image = int(re.search(r"no\. (\d+)", option.name)[1])
        right = inference.classes[image] == samples.labels[image]
        assert right or not option.name.startswith("right")
        assert not (right and option.name.startswith("wrong"))
        assert inference.silent[image] == option.name.startswith("silent")
        timeline = [part for part in written(option.parts) if part.kind == "figure"][-1]
        own = [r for r in timeline.spec["datasets"]["rows"] if r["what"] != OTHERS]
        assert min(row["from"] for row in own) == 0


OTHERS = "images before and behind"


def test_memories_and_paths_in_words():
    assert (
        memory_name("accelerator.layer_0.weights$44.rom.memory_3")
        == "layer 0, weights, rom, memory"
    )
    assert memory_name("accelerator.input_queue.fifo.storage") == "input queue"
    assert memory_name("serial.mine_accelerator.encoder.queue.fifo.storage") == "encoder, queue"
    path = {
        "start": "layer_1.weights$42.rom.memory_0.0.0.DOA1", "end": "layer_0.own_0_TRELLIS_FF_Q.M",
        "delay_ns": 7.277, "logic_ns": 5.609, "routing_ns": 1.668, "levels": 1,
    }  # fmt: skip
    told = slowest_path({"seeds": [{"fmax_mhz": 137.0, "critical_path": path}]})
    assert "7.28 ns" in told and "through 1 cell:" in told
    assert "from layer 1, weights, rom, memory 0 (DOA1) to layer 0, own 0 (M)" in told
    assert slowest_path({"seeds": []}) is None


def test_what_points_need_of_an_external_memory_is_shown():
    point = {
        "lanes": [4], "pixels_per_beat": 1, "architecture": "sequential", "weights": "external",
        "memory_width": 32, "potential_memory": 0, "cycles_per_image": 900.5, "lut": 1500,
        "ff": 900, "bram": 3, "bytes_per_image": 4321, "megabytes_per_second": 479.8,
    }  # fmt: skip
    points = [{**point, "weight_buffer": bits} for bits in (1000, 2000)]
    points.append({**points[1], "batch": 4})
    found = {
        "points": points, "front": points[1:], "clock_mhz": 100.0, "workload": "digits",
        "memory": {"latency": 40, "interval": 2},
    }  # fmt: skip
    *figures, table = explored(SimpleNamespace(explored=found)).parts
    assert len(figures) == 2
    rows = [row[2:4] for row in table.rows]
    assert rows == [("1", "2,000"), ("4", "2,000")], "the front's, not all of these lanes"
    assert table.rows[0][-2:] == ("4,321", "479.8")
    assert "latency of the memory 40 cycles, from beat to beat 2" in table.note
