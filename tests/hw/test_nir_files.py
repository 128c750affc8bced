"""NIR files: those of other frameworks' exporters, our own and back, and those that nobody should
trust."""

import copy
import json
import os
import random
import time
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from hw.random_networks import conv_network, dense_network, float_network
from hw.test_fuzz import VALUES, damaged, places

from sstdp_hw import FloatNetwork, Network, infer, quantize, read_nir, to_nir, write_nir
from sstdp_hw.base.errors import UserError
from sstdp_hw.exchange import refiring
from sstdp_hw.exchange.around import sidecar_path
from sstdp_hw.exchange.hdf5 import MOST_BYTES, read_graph
from sstdp_hw.exchange.reading import build, choose, look_at
from sstdp_hw.exchange.state import Reading
from sstdp_hw.network.ready_files import names

FILES = Path(__file__).parent / "nir_files"
COUNT = int(os.environ.get("SSTDP_FUZZ", "200"))
STEPS = 6  # of tools/make_nir_files.py
SLOWEST = 5.0  # seconds of processor time for one file


def imported(name, *, at_threshold=False, spike_once=False):
    graph = look_at(FILES / f"{name}.nir", Reading(None, at_threshold, False, spike_once, STEPS))
    around = choose(None, t_max=STEPS, cutoff=None, encoder=np.zeros(256, np.uint8))
    return graph, build(graph, around, input_shape=(1, 8, 8))


@pytest.mark.parametrize("name", ["snntorch-dense", "norse-dense"])
def test_neurons_that_fire_again_are_played_as_their_framework_does(name):
    """Every spike of every neuron in all steps; made to fire once, the first layer keeps its first
    spikes."""
    graph, network = imported(name, spike_once=True)
    answers = np.load(FILES / f"{name}.npz")
    _, resets = refiring._neurons(network, graph.layers)
    fired, first, _ = refiring.play(network, resets, answers["times"])
    for place, index in enumerate(resets):
        assert np.array_equal(fired[index], answers[f"count_{place}"])
    assert np.array_equal(first, answers["first_1"]) and answers["count_0"].max() > 1
    once = infer(network, answers["times"]).spike_times
    assert np.array_equal(once[2], answers["first_0"])
    with pytest.raises(UserError, match="may fire again after its reset to 0"):
        imported(name)


def test_convolutions_of_spikingjelly_fire_as_there():
    """Also at the threshold; with NIR's comparison some neurons fire later."""
    answers = np.load(FILES / "spikingjelly-conv.npz")
    equal = []
    for at_threshold in (True, False):
        _, network = imported("spikingjelly-conv", at_threshold=at_threshold)
        found = infer(network, answers["times"]).spike_times
        equal.append([
            np.array_equal(found[index + 1], answers[f"first_{place}"])
            for place, (index, _) in enumerate(network.weighted)
        ])  # fmt: skip
    assert equal == [[True] * 3, [False] * 3]


def test_pooling_of_sinabs():
    _, network = imported("sinabs-pool", spike_once=True)
    layers = ["conv4k3p1", "pool2", "flatten", "10"]
    assert [layer.name for layer in network.layers] == layers


def test_what_snntorch_writes_and_cannot_be_mapped():
    found = look_at(FILES / "snntorch-refused.nir").chain.findings
    assert [finding.node for finding in found if finding.refusals] == ["0", "2", "5"]
    assert [finding.kind for finding in found if finding.refusals] == ["Conv2d", "AvgPool2d", "LIF"]


@pytest.mark.parametrize("seed", range(12))
def test_exported_and_imported_is_the_same_network(tmp_path, seed):
    rng = np.random.default_rng(seed)
    make = dense_network if seed % 2 else conv_network
    network = make(rng, planes=int(rng.integers(1, 4)))
    write_nir(network, tmp_path / "g.nir")
    read_nir(tmp_path / "g.nir").save(tmp_path / "float.safetensors")
    read = FloatNetwork.load(tmp_path)
    assert (read.name, read.class_names) == (network.name, network.class_names)
    assert quantize(read)[0].digest == network.digest


@pytest.mark.parametrize("name", names())
def test_ready_networks_come_back(tmp_path, name):
    network = Network.load(f"ready:{name}")
    write_nir(network, tmp_path / "g.nir")
    assert quantize(read_nir(tmp_path / "g.nir"))[0].digest == network.digest


@pytest.mark.parametrize("widths", [None, (4, 3)])
def test_a_float_network_comes_back(tmp_path, widths):
    network = float_network(np.random.default_rng(0), widths=widths)
    write_nir(network, tmp_path / "g.nir")
    read = read_nir(tmp_path / "g.nir")
    assert read.scales == network.scales
    for (_, mine), (_, theirs) in zip(network.weighted, read.weighted, strict=True):
        assert np.array_equal(mine.weight, theirs.weight)
        assert np.array_equal(mine.threshold, theirs.threshold)
        assert mine.weight_width == theirs.weight_width


def test_same_network_same_bytes(tmp_path):
    network = conv_network(np.random.default_rng(1))
    for name in ("a.nir", "b.nir"):
        write_nir(network, tmp_path / name)
    for suffix in ("", ".json"):
        pair = [(tmp_path / f"{name}.nir{suffix}").read_bytes() for name in "ab"]
        assert pair[0] == pair[1]


def test_nir_itself_reads_what_is_written(tmp_path):
    """And its types fit, with square kernels; for others nir computes wrong shapes."""
    network = Network.load("ready:mnist-conv-4bit")
    write_nir(network, tmp_path / "g.nir")
    graph = nir.read(tmp_path / "g.nir")
    assert graph.input_type["input"].tolist() == [1, 28, 28]
    (linear,) = (node for node in graph.nodes.values() if isinstance(node, nir.Linear))
    assert linear.weight.dtype == np.float32
    assert quantize(read_nir(graph, t_max=network.t_max), 4)[0].t_max == network.t_max
    assert set(to_nir(network).nodes) == set(graph.nodes)


def test_a_graph_that_was_trained_on_loses_its_width(tmp_path):
    network = dense_network(np.random.default_rng(1), neurons=(5, 3), widths=(4, 4))
    write_nir(network, tmp_path / "g.nir")
    graph = nir.read(tmp_path / "g.nir", type_check=False)
    changed = next(node for node in graph.nodes.values() if isinstance(node, nir.Linear))
    changed.weight = changed.weight + np.float32(0.3)
    nir.write(tmp_path / "g.nir", graph)
    assert [layer.weight_width for _, layer in read_nir(tmp_path / "g.nir").weighted] == [0, 4]
    beside = sidecar_path(tmp_path / "g.nir")  # integers still, and too large for the width
    beside.write_text(beside.read_text().replace('"weight_width": 4', '"weight_width": 2'))
    assert [layer.weight_width for _, layer in read_nir(tmp_path / "g.nir").weighted] == [0, 0]


SIDECARS = {
    "version": ({"sidecar_version": 2}, "sidecar_version must be 1, not 2"),
    "decision": ({"decision": "count"}, "decision must be 'earliest output spike, .*, not 'count'"),
    "t_max": ({"t_max": 0}, "t_max must be between 1 and 255, not 0"),
    "no t_max": ({"t_max": "8"}, "t_max must be an integer, not"),
    "encoder": ({"encoder": [[1, 2]]}, r"encoder must have shape \[256\], not \[2\]"),
    "encoder of text": ({"encoder": "x"}, "encoder must be tables of numbers from 0 to 255"),
    "layers": ({"layers": [{"kind": "dense"}]}, "layers must be those of the graph, dense, dense"),
    "layer entries": ({"layers": [5]}, "layers must be a list of objects"),
    "classes": ({"class_names": ["a"]}, "class_names must have one name per output neuron"),
}


@pytest.mark.parametrize("name", SIDECARS)
def test_sidecars_are_checked(tmp_path, name):
    change, text = SIDECARS[name]
    network = dense_network(np.random.default_rng(1), neurons=(5, 3), widths=(4, 4))
    beside = write_nir(network, tmp_path / "g.nir")
    assert beside == sidecar_path(tmp_path / "g.nir")
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **change}))
    with pytest.raises(UserError, match=text):
        read_nir(tmp_path / "g.nir")


def test_steps_and_encoder_against_the_sidecar(tmp_path):
    network = dense_network(np.random.default_rng(1), neurons=(5, 3), t_max=8)
    write_nir(network, tmp_path / "g.nir")
    assert np.array_equal(read_nir(tmp_path / "g.nir", t_max=8).encoder, network.encoder)
    other = read_nir(tmp_path / "g.nir", t_max=4, cutoff=9)
    assert other.t_max == 4 and other.encoder[8] == 4 and other.encoder[9] < 4
    with pytest.raises(UserError, match=r"Steps must be those of the encoder in .*, 8, not 4"):
        read_nir(tmp_path / "g.nir", t_max=4)


def link(file):
    file["node/nodes/a"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft(file):
    file["node/nodes/a"] = h5py.SoftLink("/node")


def circle(file):
    file["node/nodes/a"] = file["node"]


def outside(file):
    file.create_dataset("node/x", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file["node"].create_virtual_dataset("x", layout)


def bomb(file):
    file["node"].create_dataset("x", (1 << 40,), "f8", chunks=(1 << 16,), compression="gzip")


def chunk(file):
    file["node"].create_dataset("x", (4,), "u1", chunks=(MOST_BYTES + 1,), maxshape=(None,))


def record(file):
    file["node/x"] = np.zeros(2, [("a", "i4"), ("b", "f8")])


def deep(file):
    file.create_group("node/" + "g/" * 40)


def many(file):
    for number in range(30):
        file["node"].create_group(f"{number}")
        file[f"node/{number}"]["x"] = h5py.SoftLink("/")


def typeless(file):
    del file["node/type"]


def nowhere(file):
    del file["node/edges"]
    file["node"].create_dataset("edges", data=[["input", "nobody"]], dtype=h5py.string_dtype())


HOSTILE = {
    link: "/node/nodes/a must lie in the file itself, and is a link",
    soft: "/node/nodes/a must lie in the file itself, and is a link",
    circle: "must be in at most 16 groups",
    outside: "/node/x must have its data in the file itself",
    virtual: "/node/x must have its data in the file itself",
    bomb: r"/node/x must fit in 256 MiB with all before it, and has \[1099511627776\] elements",
    chunk: r"/node/x must fit in 256 MiB with all before it, and has \[4\] elements",
    record: "/node/x must be numbers or text, not",
    deep: "must be in at most 16 groups",
    many: "must lie in the file itself, and is a link",
    typeless: "must be a graph with nodes and edges, and its type is None",
    nowhere: "edges must join nodes of the graph, not nobody",
}


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_hostile_files(tmp_path, change):
    network = dense_network(np.random.default_rng(1), neurons=(5, 3))
    write_nir(network, tmp_path / "g.nir")
    with h5py.File(tmp_path / "g.nir", "a") as file:
        change(file)
    with pytest.raises(UserError, match=HOSTILE[change]) as caught:
        read_nir(tmp_path / "g.nir")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_files_that_are_none(tmp_path, content):
    (tmp_path / "g.nir").write_bytes(content)
    with pytest.raises(UserError, match="must be a whole NIR file, that is HDF5"):
        read_nir(tmp_path / "g.nir", t_max=4)
    with pytest.raises(UserError, match="no such NIR file"):
        read_nir(tmp_path / "other.nir", t_max=4)


def survives(read):
    """The reader succeeds or says why not, in one printable line, in time."""
    start = time.process_time()
    try:
        read()
    except UserError as error:
        assert str(error).isprintable() and len(str(error)) < 1200
    assert time.process_time() - start < SLOWEST


def test_damaged_files(tmp_path):
    good = [path.read_bytes() for path in sorted(FILES.glob("*.nir"))]
    path = tmp_path / "g.nir"
    for number in range(COUNT):
        chance = random.Random(number)
        path.write_bytes(damaged(chance, chance.choice(good)))
        survives(lambda: read_nir(path, t_max=4, spike_once=True))


ARRAYS = (
    np.zeros(0), np.array(5), np.full((4, 4), np.nan), np.array(["a"]), np.full(10, 1e300),
    np.array(-1), np.full(10, 1e-320), np.array([10**9] * 2), np.zeros((1,) * 20), np.array(2.5),
    np.zeros((10, 64), complex), "same", "IF", "Input", "NIRGraph", float("nan"), b"x",
)  # fmt: skip


def test_whole_files_with_anything_in_them():
    """Fields replaced, removed and renamed: HDF5's own checks do not see it."""
    good = [read_graph(path) for path in sorted(FILES.glob("*.nir"))]
    for number in range(2 * COUNT):
        chance = random.Random(number)
        graph = copy.deepcopy(chance.choice(good))
        for _ in range(chance.randint(1, 3)):
            *path, last = chance.choice([place for place in places(graph) if place])
            owner = graph
            for key in path:
                owner = owner[key]
            action = chance.randrange(4)
            if action == 0 and isinstance(owner, dict):
                del owner[last]
            elif action == 1 and isinstance(owner, dict):
                owner[str(chance.choice(VALUES))[:50]] = owner[last]
            else:
                owner[last] = copy.deepcopy(chance.choice(VALUES + ARRAYS))
        once, most = bool(chance.randrange(4)), chance.choice([None, 1e-4, 1e300, 5e-324])
        survives(lambda: read_nir(graph, t_max=4, spike_once=once, dt=most))  # noqa: B023
