"""What every node of a NIR graph becomes, or why it cannot: rule by rule, on small graphs."""
# ruff: noqa: E501 - a table of rules reads best with one rule, and its whole message, a line

from fractions import Fraction
from itertools import pairwise

import nir
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sstdp_hw import Conv2d, Dense, Flatten, Pool2d, infer, quantize, read_nir
from sstdp_hw.base.errors import UserError
from sstdp_hw.exchange.graph import GRAPH
from sstdp_hw.exchange.mapping import KINDS, UNMAPPED
from sstdp_hw.exchange.neurons import below
from sstdp_hw.exchange.reading import look_at
from sstdp_hw.exchange.state import Reading

LOW = -1000.0
EYE = np.eye(3, dtype=np.float32)
EYE.setflags(write=False)


def fires(shape=(3,), threshold=0.5, reset=LOW, r=1.0):
    full = [np.broadcast_to(np.float32(value), shape).copy() for value in (r, threshold, reset)]
    return nir.IF(r=full[0], v_threshold=full[1], v_reset=full[2])


def conv(weight=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=None):
    weight = np.ones((1, 1, 2, 2), np.float32) if weight is None else weight
    bias = np.zeros(len(weight), np.float32) if bias is None else bias
    return nir.Conv2d(None, weight, stride, padding, dilation, groups, bias)


def pool(kernel=(2, 2), stride=None, padding=(0, 0)):
    return nir.SumPool2d(np.array(kernel), np.array(stride or kernel), np.array(padding))


def chain(shape, *nodes):
    """A graph of nodes one after the other, called a, b, ..."""
    names = [chr(ord("a") + place) for place in range(len(nodes))]
    whole = {"in": nir.Input(np.array(shape)), **dict(zip(names, nodes, strict=True))}
    whole["out"] = nir.Output(np.array([3]))
    order = ["in", *names, "out"]
    return nir.NIRGraph(whole, list(pairwise(order)), type_check=False)


def dense(shape, *nodes):
    """The same with fully connected neurons behind a flatten."""
    cells = int(np.prod(shape))
    return [
        nir.Flatten({"input": np.array(shape)}, 0, -1),
        nir.Linear(np.ones((3, cells), np.float32)),
        fires(),
    ]


def refusals(graph, reading=None):
    looked = look_at(graph, reading)
    return {f.node: "; ".join(f.refusals) for f in looked.chain.findings if f.refusals}


def test_every_kind_of_nir_is_mapped_or_refused():
    kinds = {name for name in nir.ir.__all__ if isinstance(getattr(nir, name), type)}
    kinds = {name for name in kinds if issubclass(getattr(nir, name), nir.NIRNode)} - {"NIRNode"}
    assert kinds == set(KINDS) | set(UNMAPPED) | {GRAPH}


CASES = {
    "linear": ((3,), [nir.Linear(EYE), fires()], [Flatten, Dense]),
    "affine without bias": ((3,), [nir.Affine(EYE, np.zeros(3)), fires()], [Flatten, Dense]),
    "an image": ((1, 1, 3), [nir.Flatten({"input": np.array([1, 1, 3])}, 0, -1), nir.Linear(EYE), fires()], [Flatten, Dense]),
    "a batch of one left in front": ((1, 3), [nir.Linear(EYE), fires()], [Flatten, Dense]),
    "scalar parameters": ((3,), [nir.Linear(EYE), fires(())], [Flatten, Dense]),
    "leak without end": ((3,), [nir.Linear(EYE), nir.LIF(*(np.full(3, np.float32(v)) for v in (np.inf, np.inf, 0, 0.5, LOW)))], [Flatten, Dense]),
    "convolution and pooling": ((1, 5, 5), [conv(), fires((1, 4, 4)), pool(), fires((1, 2, 2)), *dense((1, 2, 2))], [Conv2d, Pool2d, Flatten, Dense]),
    "flatten between weights and neurons": ((1, 3, 3), [conv(), nir.Flatten({"input": np.array([1, 2, 2])}, 0, -1), fires((4,)), nir.Linear(np.ones((3, 4), np.float32)), fires()], [Conv2d, Flatten, Dense]),
    "padding in words": ((1, 3, 3), [conv(np.ones((1, 1, 3, 3), np.float32), padding="same"), fires((1, 3, 3)), *dense((1, 3, 3))], [Conv2d, Flatten, Dense]),
    "a kernel that is no square": ((1, 3, 4), [conv(np.ones((1, 1, 1, 3), np.float32), stride=(2, 1)), fires((1, 2, 2)), *dense((1, 2, 2))], [Conv2d, Flatten, Dense]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_mapped(name):
    shape, nodes, kinds = CASES[name]
    network = read_nir(chain(shape, *nodes), t_max=4)
    assert [type(layer) for layer in network.layers] == kinds


REFUSED = {
    "bias": ([nir.Affine(EYE, np.array([0, 1, -2.0])), fires()], "a", "bias must be 0, and goes from -2 to 1: it acts in every step"),
    "average": ([nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))], "a", "must be SumPool2d with an IF of threshold 0.5"),
    "leak": ([nir.Linear(EYE), nir.LIF(*(np.full(3, np.float32(v)) for v in (20, 1, 0, 1, LOW)))], "b", "must not leak, and has time constants down to 20"),
    "synapse": ([nir.Linear(EYE), nir.CubaLIF(*(np.ones(3),) * 5)], "b", "must not leak: a leak or a synapse"),
    "integrator": ([nir.Linear(EYE), nir.I(np.ones(3))], "b", "must fire: an integrator without threshold"),
    "delay": ([nir.Delay(np.ones(3))], "a", "must not delay"),
    "threshold alone": ([nir.Linear(EYE), nir.Threshold(np.ones(3))], "b", "must integrate"),
    "convolution of one dimension": ([nir.Conv1d(3, np.ones((1, 1, 2)), 1, 0, 1, 1, np.zeros(1))], "a", "must be Conv2d"),
    "reset to zero": ([nir.Linear(4 * EYE), fires(reset=0)], "b", "may fire again after its reset to 0 (3 of 3 neurons); fires once with v_reset up to -3"),
    "no finite threshold": ([nir.Linear(EYE), fires(threshold=np.nan)], "b", "v_threshold must be finite, and has NaN or infinity"),
    "reset that is none": ([nir.Linear(EYE), fires(reset=np.nan)], "b", "v_reset must be a number or minus infinity"),
    "negative r": ([nir.Linear(EYE), fires(r=-1)], "b", "r must be positive, not -1"),
    "r of an unknown step": ([nir.Linear(EYE), fires(r=3)], "b", "r must be 1 or 10000 for all neurons, and is 3; tell the graph's time step with --dt"),
    "weights behind weights": ([nir.Linear(EYE), nir.Linear(EYE), fires()], "b", "must take spikes, and takes the sums of a; an IF must stand between"),
    "neurons without weights": ([fires()], "a", "must have Linear, Affine, Conv2d or SumPool2d before it, and takes spikes"),
    "no neurons at the end": ([nir.Linear(EYE)], "out", "must take spikes, and takes the sums of a without IF"),
    "scale at the end": ([nir.Linear(EYE), fires(), nir.Scale(np.ones(3))], "out", "must take spikes, and takes them scaled"),
    "nothing at all": ([], "out", "must end a dense layer, whose neurons are the classes, not no layer"),
    "too many columns": ([nir.Linear(np.ones((2, 4))), fires((2,))], "a", "weight must be [outputs, inputs] with 3 inputs, not [2, 4]"),
    "a stack of matrices": ([nir.Linear(np.ones((2, 3, 3))), fires()], "a", "weight must have 2 axes, not [2, 3, 3]"),
    "a threshold too many": ([nir.Linear(EYE), fires((4,))], "b", "r must have the shape of the signal, [3], not (4,)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    nodes, node, text = REFUSED[name]
    found = refusals(chain((3,), *nodes))
    assert list(found) == [node]
    assert text in found[node]


IMAGE = {
    "groups": ([conv(np.ones((2, 1, 2, 2)), groups=2)], "a", "groups must be 1, not 2"),
    "dilation": ([conv(dilation=(2, 2))], "a", "dilation must be 1, not [2, 2]"),
    "channels": ([conv(np.ones((1, 3, 2, 2)))], "a", "weight must have as many input channels as its input, 2, not 3"),
    "large kernel": ([conv(np.ones((1, 2, 5, 5)))], "a", "kernel must not be larger than the padded input 4x4, not 5x5"),
    "even kernel": ([conv(np.ones((1, 2, 2, 2)), padding="same")], "a", "padding 'same' must be the same on both sides, and is not with a kernel of 2x2"),
    "bias of a convolution": ([conv(np.ones((1, 2, 2, 2)), bias=np.ones(1))], "a", "bias must be 0, and goes from 1 to 1"),
    "thresholds within a channel": ([conv(np.ones((1, 2, 2, 2))), nir.IF(np.ones((1, 3, 3)), np.arange(9.0).reshape(1, 3, 3), np.full((1, 3, 3), LOW))], "b", "v_threshold must be one for all neurons of a channel, and in channel 0 goes from 0 to 8"),
    "scale within a channel": ([conv(np.ones((1, 2, 2, 2))), nir.Scale(np.arange(9.0).reshape(1, 3, 3)), fires((1, 3, 3))], "c", "gain (r, scale) must be one for all neurons of a channel"),
    "overlapping windows": ([pool((2, 2), (1, 1))], "a", "stride must be the window, [2, 2]"),
    "padded windows": ([pool(padding=(1, 1))], "a", "padding must be 0, not [1, 1]"),
    "two of a window": ([pool(), fires((2, 2, 2), 1.5)], "b", "v_threshold must be one that every single spike of a window reaches and none does not, such as 0.5, not 1.5"),
    "none of a window": ([pool(), fires((2, 2, 2), -0.5)], "b", "such as 0.5, not -0.5"),
    "windows that fire again": ([pool(), fires((2, 2, 2), 0.5, 0)], "b", "may fire again after its reset to 0 (8 of 8 neurons); fires once with v_reset up to -2.5"),
    "not flat": ([nir.Linear(np.ones((3, 32))), fires()], "a", "must take one row of inputs, not [2, 4, 4]; a Flatten must stand before"),
    "half flat": ([nir.Flatten({"input": np.array([2, 4, 4])}), nir.Linear(np.ones((3, 32))), fires()], "a", "must make one row of [2, 4, 4], and makes [2, 16]"),
    "no axis": ([nir.Flatten({"input": None}, 0, 7)], "a", "start_dim and end_dim must be axes of [2, 4, 4], not 0 and 7"),
    "an image as classes": ([conv(np.ones((1, 2, 2, 2))), fires((1, 3, 3))], "out", "must end a dense layer, whose neurons are the classes, not conv2d"),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGE)
def test_refused_of_images(name):
    nodes, node, text = IMAGE[name]
    found = refusals(chain((2, 4, 4), *nodes))
    assert list(found) == [node]
    assert text in found[node]


def test_recurrence_branches_and_what_lies_apart():
    graph = chain((3,), nir.Linear(EYE), fires(), nir.Linear(EYE))
    graph.edges += [("b", "a")]
    found = refusals(graph)
    assert found["a"] == "must have one input in a chain, not 2 (in, b): no recurrence, no branches"
    assert found["b"] == "must have one output in a chain, not 2 (c, a): no recurrence, no branches"
    graph = chain((3,), nir.Linear(EYE), fires())
    graph.nodes |= {"x": nir.Linear(EYE), "y": nir.Linear(EYE)}
    graph.edges += [("x", "y"), ("y", "x")]
    text = "must be on the one way from input to output, and is apart from it or in a circle"
    assert refusals(graph) == {"x": text, "y": text}
    graph.edges = graph.edges[:-2]
    assert refusals(graph)["x"].startswith("must have an input")


def test_every_node_is_told_of_and_not_only_the_first():
    again = nir.Linear(np.ones((3, 3))), fires(reset=0, threshold=0.4)
    graph = chain((3,), nir.Affine(EYE, np.ones(3)), fires(), *again)
    found = refusals(graph)
    assert list(found) == ["a", "d"]
    with pytest.raises(UserError) as caught:
        read_nir(graph, t_max=4)
    assert "graph: node a (Affine) bias must be 0" in str(caught.value)
    assert str(caught.value).endswith("; and 1 more; `sstdp-hw import --check` tells of every node")


def test_a_bias_that_acts_once_is_a_shift_of_the_threshold():
    graph = chain((3,), nir.Affine(EYE, np.array([0.25, -1, 0], np.float32)), fires(threshold=0.5))
    expected = [0.25, 1.5, 0.5]
    assert read_nir(graph, t_max=4, bias_once=True).layers[1].threshold.tolist() == expected
    assert read_nir(graph, t_max=1).layers[1].threshold.tolist() == expected  # one step: once
    with pytest.raises(UserError, match="bias must be 0"):
        read_nir(graph, t_max=2)


def test_scale_and_r_go_into_threshold_or_weights():
    weights = [2 * EYE, np.array([1, 2, 4.0]), np.full(3, 0.5)]
    graph = chain((3,), nir.Linear(EYE), nir.Scale(weights[2]), fires(threshold=1.25))
    (_, layer) = read_nir(graph, t_max=2).layers
    assert np.array_equal(layer.weight, EYE) and layer.threshold.tolist() == [2.5] * 3
    graph = chain((3,), nir.Linear(EYE), nir.Scale(weights[1]), fires(threshold=1.25))
    (_, layer) = read_nir(graph, t_max=2).layers
    assert (
        np.array_equal(layer.weight, np.diag([1, 2, 4])) and layer.threshold.tolist() == [1.25] * 3
    )
    graph = chain((3,), nir.Scale(weights[1]), nir.Linear(EYE), fires())
    assert np.array_equal(read_nir(graph, t_max=2).layers[1].weight, np.diag([1, 2, 4]))
    graph = chain((3,), nir.Linear(EYE), fires(threshold=1.5, r=3))
    assert read_nir(graph, t_max=2, dt=0.5).layers[1].threshold.tolist() == [1.0] * 3
    for r in (1, 1e4):  # those of the frameworks: no gain
        graph = chain((3,), nir.Linear(EYE), fires(threshold=1.5, r=r))
        assert read_nir(graph, t_max=2).layers[1].threshold.tolist() == [1.5] * 3


@pytest.mark.parametrize("at_threshold", [False, True])
def test_strictness(at_threshold):
    """Two inputs of weight 0.5 lead exactly to 1.0."""
    graph = chain((2,), nir.Linear(np.full((1, 2), 0.5, np.float32)), fires((1,), 1.0))
    network = read_nir(graph, t_max=3, fires_at_threshold=at_threshold)
    times = np.array([[[[0, 1]]]], np.uint8)
    wanted = 1 if at_threshold else 3
    assert infer(network, times).decision_times.tolist() == [wanted]
    integers, _ = quantize(network, 4)
    assert infer(integers, times).decision_times.tolist() == [wanted]


@given(st.fractions(-100, 100), st.booleans())
def test_below_is_the_nearest_float(value, strict):
    found = below(value, strict=strict)
    after = Fraction(np.nextafter(found, np.inf))
    assert Fraction(found) <= value < after if strict else Fraction(found) < value <= after


def test_sums_in_float32_are_exact_where_weights_are_multiples_of_a_power_of_two():
    """The frameworks add in float32, this project in float64: one and the same as long as every
    sum is exact. Where it is not, a neuron within round-off of its threshold may differ."""
    rng = np.random.default_rng(0)
    weight = (rng.integers(-64, 64, (3, 200)) / 32).astype(np.float32)
    added = np.zeros(3, np.float32)
    for column in rng.permutation(200):
        added += weight[:, column]
    assert np.array_equal(added, weight.astype(np.float64).sum(axis=1))
    tiny = np.array([1, 2.0**-25], np.float32)
    assert not tiny.sum() > 1  # rounded to 1 in float32
    network = read_nir(chain((2,), nir.Linear(tiny[None]), fires((1,), 1.0)), t_max=1)
    assert not infer(network, np.zeros((1, 1, 1, 2), np.uint8)).silent[0]


def test_integer_weights_of_the_width_are_kept():
    weight = np.array([[3, -4, 0], [1, 2, 3.0]])
    network = read_nir(chain((3,), nir.Linear(weight), fires((2,), 2.5)), t_max=2)
    integers, (layer,) = quantize(network, 3)
    assert (layer.scale, layer.origin) == (1.0, "integers")
    assert np.array_equal(integers.layers[1].weight, weight) and integers.layers[
        1
    ].threshold.tolist() == [2, 2]
    assert quantize(network, 2)[1][0].origin == "weights"


def test_order_of_axes():
    """Rows come before columns: in weights, stride and padding, and flattened in C order."""
    kernel = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    nodes = [conv(kernel, stride=(2, 1), padding=(1, 0)), fires((1, 3, 3)), *dense((1, 3, 3))]
    nodes[3].weight[:] = np.arange(27).reshape(3, 9)
    network = read_nir(chain((1, 5, 5), *nodes), t_max=2)
    assert network.shapes[1] == (1, 3, 3)
    assert (network.layers[0].stride, network.layers[0].padding) == ((2, 1), (1, 0))
    assert np.array_equal(network.layers[0].weight, kernel)
    assert np.array_equal(network.layers[2].weight, np.arange(27).reshape(3, 9))


@pytest.mark.parametrize("reset", [-np.inf, LOW, -3.0])
def test_resets_that_fire_once(reset):
    graph = chain((3,), nir.Linear(4 * EYE), fires(reset=reset))
    assert not refusals(graph)
    reading = Reading(at_threshold=True)
    assert bool(refusals(graph, reading)) == (reset == -3.0)  # on the border, and reaching it fires
    assert refusals(chain((3,), nir.Linear(4 * EYE), fires(reset=-2.9)))


def test_a_graph_in_the_graph_is_laid_open():
    inner = chain((3,), nir.Linear(EYE), fires())
    graph = chain((3,), inner, nir.Linear(EYE), fires())
    network = read_nir(graph, t_max=2)
    assert [layer.name for layer in network.layers] == ["flatten", "3", "3"]
    names = [finding.node for finding in look_at(graph).chain.findings]
    assert names == ["in", "a.in", "a.a", "a.b", "a.out", "b", "c", "out"]


def test_shapes_that_nobody_can_hold():
    huge = chain((1, 60000, 60000), conv(), fires(()))
    assert "must have at most 4194304 inputs or neurons" in refusals(huge)["in"]
    padded = chain((1, 3, 3), conv(padding=(60000, 60000)), fires(()))
    assert "must have at most 4194304 inputs or neurons" in refusals(padded)["a"]


def test_the_image_of_a_flat_input():
    graph = chain((12,), nir.Linear(np.ones((3, 12))), fires())
    assert read_nir(graph, t_max=2).input_shape == (1, 1, 12)
    assert read_nir(graph, t_max=2, input_shape=(3, 2, 2)).input_shape == (3, 2, 2)
    planes = np.zeros((3, 256), np.uint8)
    assert read_nir(graph, t_max=2, encoder=planes).input_shape == (1, 2, 2)
    with pytest.raises(
        UserError, match=r"three numbers with 12 pixels, as its Input has, not .1, 5, 5"
    ):
        read_nir(graph, t_max=2, input_shape=(1, 5, 5))
    with pytest.raises(
        UserError, match=r"Input must have a multiple of the encoder's 3 planes, not .16"
    ):
        read_nir(chain((16,), nir.Linear(np.ones((3, 16))), fires()), t_max=2, encoder=planes)
    with pytest.raises(UserError, match="Encoder must be an array of numbers, not str"):
        read_nir(graph, t_max=2, encoder="bright")
    with pytest.raises(UserError, match="Time steps must be given"):
        read_nir(graph)
