"""Random NIR graphs through import, quantize and evaluate: equal to a model of the graphs that
shares no code with them.

A few in the suite; `SSTDP_NIR=60 pytest tests/hw/test_nir_random.py` plays 60 of every kind.
"""

import json
import os

import nir
import numpy as np
import pytest
from hw.nir_graphs import Shape, answers, random_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.cli import find_verbs, run_verb
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference

COUNT = int(os.environ.get("SSTDP_NIR", "8"))
T_MAX, IMAGES, CUTOFF = 6, 12, 40
FLAG = st.booleans()
SHAPES = st.builds(
    Shape, st.integers(0, 2**32 - 1), st.lists(FLAG, max_size=2).map(tuple), st.integers(1, 3),
    FLAG, FLAG, FLAG, FLAG, FLAG, FLAG,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("nir")


@settings(
    max_examples=COUNT, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)  # fmt: skip
@given(SHAPES)
def test_import_quantize_evaluate(folder, shape):
    graph, width = random_graph(shape)
    nir.write(folder / "graph.nir", graph)
    rng = np.random.default_rng(shape.seed)
    verbs, flags = find_verbs(), []
    flags += ["--fires-at-threshold"] if shape.at_threshold else []
    flags += ["--bias-once"] if shape.biased else []
    arguments = ["import", str(folder / "graph.nir"), "--steps", str(T_MAX), "--overwrite", *flags]
    arguments += ["--cutoff", str(CUTOFF), "--out", str(folder / "run")]
    run_verb(verbs, arguments)
    data = folder / "data.npz"
    images = np.zeros(
        (IMAGES, *json.loads((folder / "run/import.json").read_text())["input_shape"])
    )
    images = rng.integers(0, 256, images.shape).astype(np.uint8)
    images[0], images[1] = 0, 255
    labels = rng.integers(0, 2, IMAGES)
    np.savez(data, images=images, labels=labels)
    file = folder / "run" / "network.safetensors"
    arguments = ["quantize", str(folder / "run"), "--weight-width", str(width), "--out", str(file)]
    quantized = run_verb(verbs, [*arguments, "--dataset", str(data), "--calibration", "0"])
    if shape.integers:
        assert [layer["scale"] for layer in quantized["layers"]] == [1.0] * len(quantized["layers"])
    evaluated = run_verb(verbs, ["evaluate", str(file), "--dataset", str(data)])
    network = Network.load(file)
    scales = [(layer["scale"], layer["width"]) for layer in quantized["layers"]]
    pixels = np.arange(256)
    table = np.where(pixels < CUTOFF, T_MAX, (255 - pixels) * T_MAX // 256)
    inputs = table[images].reshape(IMAGES, *_extents(graph))
    wanted, times = answers(graph, inputs, T_MAX, at_threshold=shape.at_threshold, scales=scales)
    found = reference.run(network, images)
    got = list(
        zip(
            found.classes.tolist(), found.decision_times.tolist(), found.silent.tolist(),
            strict=True,
        )
    )  # fmt: skip
    assert got == wanted
    layers = [place for place, layer in enumerate(network.layers) if layer.kind != "flatten"]
    for place, first in zip(layers, times, strict=True):
        assert np.array_equal(found.spike_times[place + 1], first)
    right = np.mean([answer[0] == label for answer, label in zip(wanted, labels, strict=True)])
    assert evaluated["accuracy"] == right


def test_the_model_can_disagree():
    """With the other comparison the spikes are others, for some of these graphs."""
    different = 0
    for seed in range(5):
        graph, width = random_graph(Shape(seed, (True,), 2))
        times = np.random.default_rng(seed).integers(0, T_MAX + 1, (8, *_extents(graph)))
        found = [
            answers(graph, times, T_MAX, at_threshold=at, scales=[(1.0, width)] * 3)[1]
            for at in (False, True)
        ]
        different += any(not np.array_equal(*pair) for pair in zip(*found, strict=True))
    assert different


def _extents(graph):
    (node,) = (node for node in graph.nodes.values() if isinstance(node, nir.Input))
    return tuple(node.input_type["input"])


def test_a_graph_that_fires_again_is_refused(tmp_path):
    graph, _ = random_graph(Shape(3, (), 2))
    for node in graph.nodes.values():
        if isinstance(node, nir.IF):
            node.v_reset[:] = 0
    nir.write(tmp_path / "g.nir", graph)
    command = ["import", str(tmp_path / "g.nir"), "--steps", "6", "--out", str(tmp_path / "run")]
    with pytest.raises(UserError, match=r"may fire again after its reset to 0 .*--spike-once"):
        run_verb(find_verbs(), command)
    assert not (tmp_path / "run").exists()
