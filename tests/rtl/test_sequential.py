"""The sequential architecture in Amaranth's simulator: answers, every spike, and every cycle.

`SSTDP_SEQUENTIAL_CASES=60 pytest tests/rtl/test_sequential.py -k many` runs as many random networks
of each kind.
"""

import os
import random
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Fragment
from support import networks
from support.conv_networks import random_conv, random_conv_case
from support.corner_networks import corner_case, traffic_of
from support.loading import for_all, loads_of, sibling
from support.networks import random_case, random_dense, small_network, with_spikes
from support.simulation import Load, expected_spikes, expected_words, run

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.blocks.pipeline import BANK_ROWS
from sstdp_hw.blocks.presets import preset
from sstdp_hw.contract.answer import LOAD, pack_answers
from sstdp_hw.contract.memory_image import memory_image
from sstdp_hw.models.cost import cycle_bound, layer_work
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.network.layers import Dense, Flatten, Pool2d
from sstdp_hw.reference import inference as reference
from sstdp_rtl.gateware.sequential.memories import memories

CASES = int(os.environ.get("SSTDP_SEQUENTIAL_CASES", "0"))
#: In the suite: of those that are simulated fast.
CORNERS = (3, 6)


def sequential(case, lanes=None):
    """The same case for one engine; by default with a number of lanes that follows its seed."""
    most = max(layer.outputs for _, layer in case.network.weighted)
    lanes = 1 + 7 * case.seed % min(most, 17) if lanes is None else lanes
    return replace(
        case, configuration=replace(case.configuration, lanes=(lanes,), architecture="sequential")
    )


def check(case, *, stalls=0.0, traffic=None, **options):
    """Answers, without early exit every spike, and without stalls every cycle. ``traffic`` are
    packets, some of a wrong length, in place of the images' own."""
    network, configuration, images = case.network, case.configuration, case.images
    inference = reference.run(network, images, present=traffic.present if traffic else None)
    wanted = expected_words(inference)
    if traffic:
        options["packets"] = traffic.packets
        errors = pack_answers({"frame_error": traffic.errors}).tolist()
        wanted = [word | error for word, error in zip(wanted, errors, strict=True)]
    seen = run(network, configuration, images, stalls=stalls, seed=case.seed, **options)
    assert seen.words == wanted
    if not configuration.early_exit and not options.get("resets"):
        wanted = [expected_spikes(network, inference, image) for image in range(len(images))]
        assert set(seen.spikes) == set.union(*wanted)
        assert len(seen.spikes) == sum(map(len, wanted)), "a spike came twice"
    if not stalls and not options:
        parameters = AcceleratorParameters(network, configuration)
        predicted = cycles_per_image(parameters, inference)
        assert predicted.tolist() == np.diff(seen.cycles, prepend=-1).tolist()


def directed(seed, *layers, lanes=2, **options):
    return sequential(networks.directed(seed, *layers, **options), lanes)


@pytest.mark.parametrize("seed, early_exit", [(6, False), (9, True)])
def test_random_networks(seed, early_exit):
    check(sequential(random_case(seed, early_exit=early_exit, images=4)))


@pytest.mark.parametrize("seed, early_exit", [(1, True), (3, False), (4, True)])
def test_random_conv_networks(seed, early_exit):
    """Among them pools in front of all layers, and several behind one."""
    check(sequential(random_conv_case(seed, early_exit=early_exit, images=3)))


def test_stalls():
    case = random_case(8, early_exit=True, images=9)  # more than there are tags
    check(sequential(case), stalls=0.4)


@pytest.mark.skipif(not CASES, reason="SSTDP_SEQUENTIAL_CASES is not set")
@pytest.mark.parametrize("seed", range(CASES))
@pytest.mark.parametrize("make", [random_case, random_conv_case])
def test_many_random_networks(make, seed):
    case = make(seed, early_exit=seed % 2 > 0, images=4, planes=1 + (seed % 5 == 4))
    if seed % 7 == 3 and case.network.planes == 1:
        case = with_spikes(case)
    check(sequential(case), stalls=(0.0, 0.0, 0.4)[seed % 3])


def check_corner(seed):
    """A network of extreme shape; of every seed other traffic: back pressure, wrong packets, resets
    in the middle, spikes as input."""
    case = corner_case(seed, early_exit=seed % 2 > 0)
    stalls, resets = (0.0, 0.0, 0.4)[seed % 3], 2 * (seed % 5 == 4)
    options = {"resets": resets} if resets else {}
    if seed % 4 == 3:
        check(with_spikes(case), stalls=stalls, **options)
    else:
        traffic = traffic_of(case) if seed % 3 else None
        check(case, stalls=stalls, traffic=traffic, **options)


@pytest.mark.parametrize("seed", CORNERS)
def test_networks_of_extreme_shape(seed):
    check_corner(seed)


@pytest.mark.skipif(not CASES, reason="SSTDP_SEQUENTIAL_CASES is not set")
@pytest.mark.parametrize("seed", range(CASES))
def test_many_networks_of_extreme_shape(seed):
    check_corner(seed)


def test_the_extreme_shapes_are_drawn():
    cases = [corner_case(seed, early_exit=True) for seed in range(60)]
    engines = [AcceleratorParameters(case.network, case.configuration) for case in cases]
    layers = [layer for each in engines for layer in each.layers]
    assert {case.network.t_max for case in cases} == {1, 2, 7, 255}
    for reached in (
        [layer.channels == 1 for layer in layers],
        [layer.shape[1:] == (1, 1) and layer.kind == "conv2d" for layer in layers],
        [layer.kernel == layer.arriving[1:] and layer.kind == "conv2d" for layer in layers],
        [layer.lanes > layer.channels for layer in layers],
        [layer.lanes < layer.channels and layer.padding > 0 for layer in layers],
        [(layer.layer.threshold < 0).all() for layer in layers],
        [(layer.layer.threshold == 2**31 - 1).all() for layer in layers],
        [len(layer.pools) > 1 for layer in layers],
        [len(each.sequential.filters) > 1 for each in engines],
        [len(each.layers) == 1 for each in engines],
        [np.ptp(case.network.encoder) == 0 for case in cases],
        [traffic_of(case).errors.any() for case in cases],
    ):
        assert {True, False} <= set(map(bool, reached))
    for case in cases[:20]:
        traffic = traffic_of(case)
        assert (traffic.present.all(axis=(1, 2, 3)) | traffic.errors).all()


def test_more_initial_potentials_than_a_bank_holds():
    """Their rows are numbered by layer and group, so few neurons in many layers are enough."""
    rng = np.random.default_rng(1)
    shapes = ((514, 2), (3, 514), (3, 3))
    layers = [random_dense(rng, neurons, inputs, 3) for neurons, inputs in shapes]
    case = directed(1, Flatten(), *layers, shape=(1, 1, 2), lanes=1, images=2)
    case.images[0], case.images[1] = [[0, 255]], [[0, 0]]
    engine = AcceleratorParameters(case.network, case.configuration).engine
    assert engine.initial_depth > BANK_ROWS
    check(case)


def test_more_places_in_a_table_than_a_bank_holds():
    rng = np.random.default_rng(2)
    conv = random_conv(rng, 2, (1, 1, 257), kernel=(1, 1), stride=(1, 20), padding=(0, 0), width=3)
    shapes = ((3, 26), (3, 3), (3, 3), (3, 3))
    layers = [conv, *(random_dense(rng, neurons, inputs, 3) for neurons, inputs in shapes)]
    for layer in layers:
        layer.threshold[:] = 1
    case = directed(1, *layers, shape=(1, 1, 257), lanes=1, images=2)
    case.images[-1, ..., 240] = 255
    engine = AcceleratorParameters(case.network, case.configuration).engine
    assert len(engine.layers) << engine.in_widths[1] > BANK_ROWS
    check(case)


@pytest.mark.skipif(not CASES, reason="SSTDP_SEQUENTIAL_CASES is not set")
def test_more_weights_than_a_bank_holds():
    """Weights come a cycle later then, and marks of pooled cells with them."""
    rng = np.random.default_rng(2)
    conv = random_conv(rng, 4, (1, 9, 9), kernel=(2, 2), stride=(1, 1), padding=(0, 0), width=3)
    hidden, output = random_dense(rng, 66, 4 * 8 * 8, 3), random_dense(rng, 3, 66, 3)
    for layer in (conv, hidden, output):
        layer.threshold[:] = 2
    layers = (conv, Pool2d((1, 1)), hidden, output)
    case = directed(1, *layers, shape=(1, 9, 9), lanes=1, images=1)
    case.images[rng.random(case.images.shape) < 0.1] = 255
    engine = AcceleratorParameters(case.network, case.configuration).engine
    assert engine.weight_latency == 4
    check(case)


@pytest.mark.parametrize("early_exit", [True, False])
def test_events_as_input(early_exit):
    case = random_conv_case(6, early_exit=early_exit, images=4)
    check(with_spikes(sequential(case)))


def test_planes():
    check(sequential(random_conv_case(6, early_exit=False, images=3, planes=2)))


@pytest.mark.parametrize("lanes", [1, 3, 4])
def test_a_walk_follows_another_without_a_gap(lanes):
    """Several rows, columns and groups, and words that the walk before has just touched."""
    rng = np.random.default_rng(lanes)
    conv = random_conv(rng, 5, (1, 4, 4), kernel=(2, 3), stride=(1, 1), padding=(1, 0), width=4)
    conv.threshold[:] = 3
    shape = conv.output_shape((1, 4, 4))
    output = random_dense(rng, 3, int(np.prod(shape)), 3)
    check(directed(lanes, conv, output, shape=(1, 4, 4), lanes=lanes))


@pytest.mark.parametrize("kernels", [((2, 2),), ((2, 1), (1, 3))])
def test_pools_behind_a_layer(kernels):
    """Windows that leave a rest, one pool behind another; neurons of a window that fire in one step
    and in several."""
    rng = np.random.default_rng(len(kernels))
    layers = [random_conv(rng, 3, (1, 6, 6), kernel=(2, 2), stride=(1, 1), padding=(0, 0), width=3)]
    layers[0].threshold[:] = 2
    shape = layers[0].output_shape((1, 6, 6))
    for kernel in kernels:
        layers.append(Pool2d(kernel))
        shape = layers[-1].output_shape(shape)
    layers.append(random_dense(rng, 3, int(np.prod(shape)), 3))
    check(directed(1, *layers, shape=(1, 6, 6), lanes=2))


def test_a_list_has_room_for_every_position_of_a_window():
    """In one step each position lets another neuron of the group pass: more items than words."""
    rng = np.random.default_rng(5)
    conv = random_conv(rng, 4, (1, 5, 5), kernel=(2, 2), stride=(1, 1), padding=(0, 0), width=3)
    conv.weight[:] = np.eye(4, dtype=np.int8).reshape(4, 1, 2, 2)
    conv.threshold[:] = 0
    hidden, output = random_dense(rng, 6, 16, 3), random_dense(rng, 3, 6, 3)
    hidden.threshold[:] = 0
    layers = (conv, Pool2d((2, 2)), hidden, output)
    case = directed(5, *layers, shape=(1, 5, 5), t_max=1, lanes=4, images=8)
    case.images[:] = np.where(rng.random(case.images.shape) < 0.3, 255, 0)
    check(case)


def test_neurons_that_fire_without_input():
    """Hidden and output layers, in step 0, also of a dark image."""
    rng = np.random.default_rng(2)
    hidden, output = random_dense(rng, 6, 9, 3), random_dense(rng, 4, 6, 3)
    hidden.threshold[:], output.threshold[:] = 5, 9
    hidden.threshold[[1, 4]], output.threshold[2] = -2, -1
    check(directed(2, Flatten(), hidden, output, shape=(1, 3, 3), images=4))
    check(directed(2, Flatten(), hidden, output, shape=(1, 3, 3), early_exit=True, images=4))


def test_one_layer_whose_events_go_stale():
    """The rest of an image that is decided is dropped in front of the engine."""
    rng = np.random.default_rng(3)
    output = random_dense(rng, 5, 16, 4)
    output.threshold[:] = 2
    case = directed(3, output, shape=(1, 4, 4), images=12, early_exit=True)
    check(case)
    check(with_spikes(case))


def test_equal_margins_go_to_the_lowest_index():
    """In groups that became candidates in another order than theirs."""
    weight = np.zeros((6, 4), np.int8)
    weight[4, 0], weight[1, 1] = 3, 3
    output = Dense(weight, np.full(6, 2, np.int32), 3)
    case = directed(0, output, shape=(1, 1, 4), lanes=1, images=3, early_exit=True)
    case.images[:2] = 255
    assert reference.run(case.network, case.images).classes.tolist()[:2] == [1, 1]
    check(case)


def test_reset_at_any_moment_leaves_no_trace():
    check(sequential(random_case(6, early_exit=True, images=3)), resets=4)


def test_the_bound_is_the_work_of_all_layers():
    network = small_network()
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8)).astype(np.uint8)
    parameters = AcceleratorParameters(network, Configuration((4,), architecture="sequential"))
    inference = reference.run(network, images)
    work = layer_work(parameters, inference)
    hidden = (inference.spike_times[0].reshape(5, -1) < network.t_max).sum(axis=1) * 5
    assert work[:, 0].tolist() == hidden.tolist(), "hidden layers run to the end"
    bound = cycle_bound(parameters, inference)
    assert bound.tolist() == np.maximum(work.sum(axis=1), 64).tolist()
    assert (cycles_per_image(parameters, inference) >= bound)[1:].all()


@pytest.mark.parametrize("lanes, message", [
    ((4, 4), "Lanes must be one number in a sequential architecture"),
    ((21,), "Lanes must be between 1 and the 20 neurons or channels of the widest layer, not 21"),
    ((0,), "Lanes must be between 1 and the 20"),
])  # fmt: skip
def test_lanes_that_do_not_fit(lanes, message):
    configuration = Configuration(lanes, architecture="sequential")
    with pytest.raises(UserError, match=message):
        AcceleratorParameters(small_network(), configuration)


def test_what_is_not_built_is_refused():
    with pytest.raises(UserError, match="Architecture must be streaming or sequential"):
        Configuration((4,), architecture="systolic")


def loadable(case, **changes):
    configuration = replace(case.configuration, weights="loadable", **changes)
    return replace(case, configuration=configuration)


def reloaded(case, places, stalls):
    """Networks of one shape in turn in a running stream, one image of the memories wrong: answers
    are those of one of them, and nothing remains of the one before."""
    rng = random.Random(case.seed)
    networks = [case.network, *(sibling(case.network, case.seed + more) for more in (1, 2))]
    all_of_them = for_all(case.configuration, networks)
    loads, right = [], []
    for place in places:
        which = rng.randrange(3)
        words = memory_image(all_of_them[which])
        if place == places[-1]:
            broken = words.copy()
            broken[rng.randrange(3, len(words))] ^= 1 << rng.randrange(31)
            loads.append(Load(broken, place, waits=False))
        loads.append(Load(words, place, waits=False))
        right.append(which)
    seen = run(
        case.network, all_of_them[0].configuration, case.images, loads=loads, stalls=stalls,
        seed=case.seed,
    )  # fmt: skip
    each = [expected_words(reference.run(network, case.images)) for network in networks]
    found = loads_of(seen.words, [each[which] for which in right])
    assert len(seen.words) == len(case.images) and max(found) > 1


MAKERS = (corner_case, random_case, random_conv_case)


@pytest.mark.skipif(not CASES, reason="SSTDP_SEQUENTIAL_CASES is not set")
@pytest.mark.parametrize("seed", range(CASES))
def test_many_networks_that_are_loaded(seed):
    case = MAKERS[seed % 3](seed, early_exit=seed % 2 > 0, images=8)
    case = case if seed % 3 == 0 else sequential(case)
    reloaded(case, (0, 2, 3, 5), 0.3 if seed % 4 == 1 else 0.0)


def test_every_spike_of_a_loaded_network():
    case = sequential(random_conv_case(3, early_exit=False, images=3))
    network, images = case.network, case.images
    inference = reference.run(network, images)
    seen = run(network, loadable(case).configuration, images)
    assert seen.words == [word | 1 << LOAD.offset for word in expected_words(inference)]
    wanted = [expected_spikes(network, inference, image, np.True_) for image in range(len(images))]
    assert set(seen.spikes) == set.union(*wanted)


def test_weights_in_single_port_ram():
    """The engine's memory goes there whole or not at all."""
    configuration = Configuration((20,), weights="loadable", spram=5, architecture="sequential")
    parameters = AcceleratorParameters(small_network(), configuration)
    assert parameters.engine.weight_style == "spram"
    weights, initial = memories(parameters.engine)
    for memory in (weights, initial):
        Fragment.get(memory, None)  # Amaranth complains of what was made in vain
    assert "(* spram = 1, no_rw_check = 1 *)" in weights.verilog("weights")
    with pytest.raises(UserError, match="hold none: it takes 5 for engine; take fewer lanes"):
        _ = AcceleratorParameters(small_network(), replace(configuration, spram=4))


def test_presets():
    network = small_network()
    lanes = [preset(n, network, architecture="sequential").lanes for n in ("tiny", "full")]
    assert lanes == [(4,), (20,)]
