"""`import --input spikes`: networks that take spike times, from a graph, a sidecar or another
network, and what contradicts them; and what becomes of an earlier run's integers."""

import json
from dataclasses import replace

import nir
import numpy as np
import pytest
from hw.nir_graphs import Shape, answers, random_graph
from hw.random_networks import conv_network, dense_network
from hw.test_import import run
from hw.test_nir_rules import LOW, chain, fires

from sstdp_hw import FloatNetwork, Network, quantize, read_nir, to_nir, write_nir
from sstdp_hw.base.errors import UserError
from sstdp_hw.reference import inference as reference

T_MAX, SAMPLES = 6, 12
READY = "ready:digits-64-64-10-4bit"


def spike_times(path, shape, t_max, classes, seed=0):
    """A data set of random first spikes, a fifth of them silent."""
    rng = np.random.default_rng(seed)
    times = rng.integers(0, t_max + 1, (SAMPLES, *shape)).astype(np.uint8)
    times[rng.random(times.shape) < 0.2] = t_max
    labels = rng.integers(0, classes, SAMPLES)
    np.savez(path, spike_times=times, labels=labels, t_max=t_max)
    return times, labels


@pytest.fixture
def graph(tmp_path):
    """Twelve inputs, whose hidden neurons fire again."""
    rng = np.random.default_rng(1)
    layers = (
        nir.Linear(rng.normal(0.3, 1, (9, 12))), fires((9,), 1, 0),
        nir.Linear(rng.normal(0.1, 1, (3, 9))), fires((3,), 1, LOW),
    )  # fmt: skip
    nir.write(tmp_path / "g.nir", chain((12,), *layers))
    return tmp_path / "g.nir"


@pytest.mark.parametrize("seed", range(8))
def test_random_graphs_through_import_quantize_evaluate(capsys, tmp_path, seed):
    """Equal to the model of the graph, which takes spike times anyway."""
    convs = ((), (True,), (False,), (False, True))[seed % 4]
    made, width = random_graph(Shape(seed, convs, 1 + seed % 3, scaled=seed % 2 == 1))
    nir.write(tmp_path / "g.nir", made)
    (first,) = (node for node in made.nodes.values() if isinstance(node, nir.Input))
    extents = tuple(int(extent) for extent in first.input_type["input"])
    image = extents if len(extents) == 3 else (1, 1, *extents)
    data = tmp_path / "d.npz"
    times, labels = spike_times(data, image, T_MAX, 2, seed)
    folder, file = tmp_path / "run", tmp_path / "run" / "network.safetensors"
    command = ["import", tmp_path / "g.nir", "--steps", T_MAX, "--input", "spikes"]
    command += ["--input-shape", ",".join(map(str, image)), "--out", folder]
    assert run(capsys, *command)[0] == 0
    assert json.loads((folder / "import.json").read_text())["input"] == {"kind": "spikes"}
    report = tmp_path / "q.json"
    command = ["quantize", folder, "--weight-width", width, "--dataset", data, "--calibration", 0]
    assert run(capsys, *command, "--out", file, "--json", report)[0] == 0
    scales = [(each["scale"], each["width"]) for each in json.loads(report.read_text())["layers"]]
    inputs = times.reshape(SAMPLES, *extents)
    wanted, spikes = answers(made, inputs, T_MAX, at_threshold=False, scales=scales)
    network = Network.load(file)
    assert network.input_kind == "spikes" and network.encoder is None
    found = reference.run(network, times)
    assert found.classes.tolist() == [answer[0] for answer in wanted]
    assert found.decision_times.tolist() == [answer[1] for answer in wanted]
    places = [place for place, layer in enumerate(network.layers) if layer.kind != "flatten"]
    for place, first in zip(places, spikes, strict=True):
        assert np.array_equal(found.spike_times[place + 1], first)
    assert run(capsys, "evaluate", file, "--dataset", data, "--json", report)[0] == 0
    assert json.loads(report.read_text())["accuracy"] == np.mean(found.classes == labels)


@pytest.mark.parametrize("seed", range(10))
def test_exported_and_imported_is_the_same_network(capsys, tmp_path, seed):
    make = conv_network if seed % 2 else dense_network
    network = replace(make(np.random.default_rng(seed)), encoder=None)
    network.save(tmp_path / "n.safetensors")
    file, sidecar = tmp_path / "g.nir", tmp_path / "g.nir.json"
    assert run(capsys, "export", tmp_path / "n.safetensors", "--out", file)[0] == 0
    told = json.loads(sidecar.read_text())
    assert told["input"] == {"kind": "spikes"} and "encoder" not in told
    for name, flags in (("a", []), ("b", ["--input", "spikes"])):
        assert run(capsys, "import", file, *flags, "--out", tmp_path / name)[0] == 0
        target = tmp_path / name / "network.safetensors"
        command = ["quantize", tmp_path / name, "--dataset", "none", "--out", target]
        assert run(capsys, *command)[0] == 0
        assert Network.load(target).digest == network.digest
    sidecar.unlink()
    command = ["import", file, "--encoder", tmp_path / "n.safetensors", "--out", tmp_path / "c"]
    assert run(capsys, *command)[0] == 0
    assert FloatNetwork.load(tmp_path / "c").encoder is None


@pytest.mark.parametrize("planes", [1, 2])
def test_a_network_of_pixels_without_its_encoder(tmp_path, planes):
    """Asked for spikes, the sidecar's encoder is left out: the same answers from spike times."""
    network = conv_network(np.random.default_rng(planes), t_max=8, planes=planes)
    write_nir(network, tmp_path / "g.nir")
    events, _ = quantize(read_nir(tmp_path / "g.nir", input_kind="spikes"))
    images = np.random.default_rng(0).integers(0, 256, (20, *network.input_shape)).astype(np.uint8)
    assert events.encoder is None and events.shapes == network.shapes
    times, pixels = reference.encode(network, images), reference.run(network, images)
    assert np.array_equal(reference.run(events, times).classes, pixels.classes)
    assert "asked" not in events.provenance


def test_spike_once_on_spike_times(capsys, tmp_path, graph):
    """What firing once changes is counted on spike times, against plain loops."""
    data = tmp_path / "d.npz"
    times, labels = spike_times(data, (1, 3, 4), T_MAX, 3)
    command = ["import", graph, "--steps", T_MAX, "--input", "spikes", "--spike-once"]
    status, out, error = run(capsys, *command, "--dataset", data, "--out", tmp_path / "run")
    assert status == 0, error
    assert f"Accuracy in float (rule 6) on {SAMPLES} train samples of" in " ".join(out.split())
    result = json.loads((tmp_path / "run" / "import.json").read_text())
    network = FloatNetwork.load(tmp_path / "run")
    assert network.input_shape == (1, 3, 4) and network.input_kind == "spikes"
    assert result["imported"]["encoder"] is None
    weight = network.weighted[0][1].weight.astype(float)
    again = 0
    for sample in times.reshape(SAMPLES, -1):
        volts, counts = np.zeros(9), np.zeros(9, int)
        for step in range(T_MAX):
            volts += weight @ (sample == step)
            counts, volts = counts + (volts > 1), np.where(volts > 1, 0, volts)
        again += int((counts > 1).sum())
    assert result["spike_once"]["layers"][0]["fired_again"] == again / SAMPLES > 0
    accuracy = np.mean(reference.run(network, times).classes == labels)
    assert result["accuracy"] == result["spike_once"]["accuracy_after"] == accuracy
    status, out, _ = run(capsys, "import", "--check", graph, "--input", "spikes", "--spike-once")
    assert status == 0 and "fire once now" in out
    assert run(capsys, "import", "--check", graph, "--input", "spikes")[0] == 1


def test_recordings(capsys, tmp_path):
    """A folder of events: binned as its options say, evaluated, noted for the verbs that follow."""
    event = [("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")]
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in "ab":
            (tmp_path / "r" / split / label).mkdir(parents=True)
            rows = [
                (rng.integers(4), rng.integers(4), time, rng.integers(2))
                for time in range(0, 10_000, 400)
            ]
            np.save(tmp_path / "r" / split / label / "0.npy", np.array(rows, event))
    weight = rng.normal(0.2, 1, (2, 32))
    nir.write(tmp_path / "g.nir", chain((2, 4, 4), nir.Flatten(
        input_type={"input": np.array([2, 4, 4])}, start_dim=0), nir.Linear(weight),
        fires((2,), 1, LOW)))  # fmt: skip
    data = f"{tmp_path / 'r'}:steps={T_MAX},window=10,size=4x4"
    command = ["import", tmp_path / "g.nir", "--input", "spikes", "--dataset", data]
    status, _, error = run(capsys, *command, "--steps", T_MAX, "--out", tmp_path / "run")
    assert status == 0, error
    file = tmp_path / "run" / "network.safetensors"
    assert run(capsys, "quantize", tmp_path / "run", "--weight-width", 4, "--out", file)[0] == 0
    assert run(capsys, "evaluate", tmp_path / "run")[0] == 0
    status, _, error = run(capsys, *command, "--steps", 3, "--out", tmp_path / "other")
    assert status == 2 and "spike times must be in the network's 3 steps, not in 6" in error


def test_refusals_in_one_line(capsys, tmp_path, graph):
    data, events = tmp_path / "d.npz", tmp_path / "e.safetensors"
    spike_times(data, (1, 3, 4), T_MAX, 3)
    Network.load(READY).save(tmp_path / "p.safetensors")
    network = dense_network(np.random.default_rng(0), inputs=(1, 3, 4), t_max=T_MAX)
    replace(network, encoder=None).save(events)
    once, out = [graph, "--spike-once"], ["--out", tmp_path / "x"]
    spikes, steps = ["--input", "spikes"], ["--steps", T_MAX]
    cases = {
        "Cutoff must be left out where the input is spikes": [*spikes, *steps, "--cutoff", 3],
        "the input of ready:digits-64-64-10-4bit is pixels": [*spikes, "--encoder", READY],
        f"the input of {events} is spikes": ["--input", "pixels", "--encoder", events],
        "Cutoff must be left out where the encoder": ["--encoder", events, "--cutoff", 3],
        "Time steps must be given": spikes,
        "Time steps must be between 1 and 255, not 300": [*spikes, "--steps", 300],
        f"Steps must be those of {events}, 6, not 5": [*spikes, "--encoder", events, "--steps", 5],
        "import with --input spikes": [*steps, "--dataset", data],
        "import with --input pixels": [*spikes, *steps, "--dataset", "digits"],
        "invalid choice: 'events'": [*steps, "--input", "events"],
    }
    for text, arguments in cases.items():
        status, _, error = run(capsys, "import", *once, *arguments, *out)
        lines = [line for line in error.splitlines() if not line.startswith("Evaluating")]
        assert (status, len(lines)) == (2, 1) and text in lines[0], (text, error)
        assert not (tmp_path / "x").exists()
    for flags in (["--cutoff", 3], ["--encoder", READY]):
        status, _, error = run(capsys, "import", "--check", *once, *spikes, *flags)
        assert (status, error.count("\n")) == (2, 1)
    with pytest.raises(UserError, match="Encoder must be left out where the input is spikes"):
        read_nir(to_nir(network), t_max=6, encoder=network.encoder, input_kind="spikes")
    with pytest.raises(UserError, match="Input must be pixels or spikes, not 'events'"):
        read_nir(to_nir(network), t_max=6, input_kind="events")


def test_the_sidecar_gives_way_to_the_kind_that_is_asked_for(tmp_path):
    network = dense_network(np.random.default_rng(0), t_max=T_MAX)
    write_nir(replace(network, encoder=None), tmp_path / "g.nir")
    assert read_nir(tmp_path / "g.nir").encoder is None
    pixels = read_nir(tmp_path / "g.nir", input_kind="pixels")
    assert pixels.encoder.shape == (256,) and pixels.t_max == T_MAX
    with pytest.raises(UserError, match=r"Steps must be those of .*json, 6, not 5; take the side"):
        read_nir(tmp_path / "g.nir", t_max=5)


def test_an_import_that_is_replaced_takes_its_integers_along(capsys, tmp_path, graph):
    """`evaluate RUN` prefers integers: those of the earlier graph must not answer."""
    folder, data = tmp_path / "run", tmp_path / "d.npz"
    spike_times(data, (1, 3, 4), T_MAX, 3)
    command = ["import", graph, "--steps", T_MAX, "--input", "spikes", "--spike-once"]
    command += ["--dataset", data, "--out", folder]
    assert run(capsys, *command)[0] == 0
    target, report = folder / "network.safetensors", folder / "evaluate.json"
    assert run(capsys, "quantize", folder, "--weight-width", 4, "--out", target)[0] == 0
    assert run(capsys, "evaluate", folder, "--split", "train", "--json", report)[0] == 0
    digest = json.loads(report.read_text())["digest"]
    (folder / "accelerator").mkdir()
    manifest = folder / "accelerator" / "manifest.json"
    manifest.write_text(json.dumps({"network": {"digest": digest}}))
    before = sorted(path.name for path in folder.iterdir())
    for flags in ([], ["--overwrite", "--samples", 99]):  # what is refused removes nothing
        assert run(capsys, *command, *flags)[0] == 2
        assert sorted(path.name for path in folder.iterdir()) == before
    for encoder in (folder, target):
        other = ["import", graph, "--spike-once", "--encoder", encoder, "--out", folder]
        status, _, error = run(capsys, *other, "--overwrite")
        assert status == 2 and "must not be the run that the encoder comes from" in error
    status, out, _ = run(capsys, *command, "--overwrite")
    gone = "of the earlier run: removed evaluate.json, quantize.json, network.safetensors; "
    gone += "accelerator is accelerator.earlier now"
    assert status == 0 and gone in " ".join(out.split())
    assert sorted(path.name for path in folder.iterdir()) == [
        "accelerator.earlier", "float.safetensors", "import.json",
    ]  # fmt: skip
    assert run(capsys, "evaluate", folder, "--split", "train", "--json", report)[0] == 0
    assert json.loads(report.read_text())["kind"] == "float"
    status, out, _ = run(capsys, "report", folder)
    assert status == 0 and "Import" in out and "Accelerator" not in out
    (folder / "accelerator").mkdir()
    manifest.write_text("{}")
    assert run(capsys, *command, "--overwrite")[0] == 0
    assert (folder / "accelerator.earlier-2" / "manifest.json").is_file()
    run(capsys, "evaluate", folder, "--split", "train", "--json", report)
    (folder / "float.safetensors").unlink()
    (folder / "import.json").unlink()
    status, _, error = run(capsys, *command)  # integers alone are an earlier run, too
    assert status == 2 and "must hold no earlier run, and holds evaluate.json" in error
