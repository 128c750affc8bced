"""The fast reference against the rules as plain loops, and the rules one by one."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hw.random_networks import conv_network, dense_network, float_network, random_images

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.layers import Conv2d, Dense, Flatten, Pool2d
from sstdp_hw.network.network import Network
from sstdp_hw.reference import firing
from sstdp_hw.reference import inference as reference
from sstdp_hw.reference import plain as reference_plain
from sstdp_hw.reference.inference import arriving_spikes, sent_spikes

IDENTITY = np.minimum(np.arange(256), 8).astype(np.uint8)  # a pixel's value is its spike time


def assert_equal(network, images):
    """Class, decision time, silent flag and every spike time equal the plain loops'."""
    result = reference.run(network, images)
    for number, image in enumerate(images):
        wanted, decision_time, silent, history = reference_plain.infer(network, image)
        for layer, times in enumerate(history):
            found = result.spike_times[layer][number]
            for neuron, time in times.items():
                assert found[neuron] == time, (
                    f"image {number}, entering layer {layer}, neuron {neuron}: expected {time}, "
                    f"got {found[neuron]}"
                )
        found = result.classes[number], result.decision_times[number], result.silent[number]
        assert found == (wanted, decision_time, silent), f"image {number}"
    return result


@pytest.mark.parametrize("seed", range(30))
def test_dense_equals_plain_loops(seed):
    rng = np.random.default_rng(seed)
    network = dense_network(rng)
    assert_equal(network, random_images(rng, network, 6 if network.t_max > 16 else 12))


@pytest.mark.parametrize("seed", range(20))
def test_convolution_equals_plain_loops(seed):
    rng = np.random.default_rng(100 + seed)
    network = conv_network(rng)
    assert_equal(network, random_images(rng, network, 4))


@pytest.mark.parametrize("planes", [2, 3, 4])
@pytest.mark.parametrize("make", [dense_network, conv_network])
def test_planes_equal_plain_loops(make, planes):
    rng = np.random.default_rng(planes)
    network = make(rng, t_max=6, planes=planes)
    images = random_images(rng, network, 5)
    found = assert_equal(network, images)
    # Channel c becomes the spike channels c * planes + p, each by the table of its plane.
    channels = network.input_shape[0]
    for channel in range(channels):
        for plane, table in enumerate(network.encoder):
            times = found.spike_times[0][:, channel * planes + plane]
            assert np.array_equal(times, table[images[:, channel]])


@pytest.mark.parametrize("make", [dense_network, conv_network])
def test_spike_times_equal_plain_loops(make):
    rng = np.random.default_rng(17)
    network = replace(make(rng, t_max=6), encoder=None)
    times = rng.integers(0, 7, (5, *network.input_shape)).astype(np.uint8)
    times[rng.random(times.shape) < 0.4] = 6
    found = assert_equal(network, times)
    assert np.array_equal(found.spike_times[0], times)


def test_random_networks_reach_every_case():
    """The comparison above is worth nothing if all images were silent."""
    silent = ties = spontaneous = hidden_silent = late = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        network = dense_network(rng)
        result = reference.run(network, random_images(rng, network, 12))
        outputs = result.spike_times[-1]
        silent += int(result.silent.sum())
        ties += int(((outputs == outputs.min(axis=1, keepdims=True)).sum(axis=1) > 1).sum())
        spontaneous += sum(bool((layer.threshold < 0).any()) for _, layer in network.weighted)
        late += int((result.decision_times[~result.silent] > 1).sum())
        hidden_silent += int((result.spike_times[2] == network.t_max).sum())
    assert min(silent, ties, spontaneous, hidden_silent, late) > 10


def dense(weight, threshold, t_max=8, encoder=IDENTITY, width=8):
    weight = np.array(weight, np.int8)
    return Network(
        "hand-made", t_max, (1, 1, weight.shape[1]), tuple("abcdefgh"[: len(weight)]), encoder,
        (Flatten(), Dense(weight, np.array(threshold, np.int32), width)),
    )  # fmt: skip


def run(network, *pixels):
    return reference.run(network, np.array([[[list(pixels)]]], np.uint8))


def test_threshold_is_strict():
    assert run(dense([[3]], [3]), 2).silent[0]
    assert run(dense([[4]], [3]), 2).decision_times[0] == 2


def test_tested_once_after_all_events_of_a_step():
    """+5 and -5 in the same step never exceed a threshold of 0, in whatever order they come."""
    assert run(dense([[5, -5]], [0]), 1, 1).silent[0]
    assert run(dense([[5, -5]], [0]), 1, 2).decision_times[0] == 1


def test_negative_threshold_fires_in_step_0_without_input():
    result = run(dense([[1]], [-1]), 8)
    assert (result.decision_times[0], result.silent[0]) == (0, False)


def test_fires_at_most_once_and_is_not_reset():
    result = run(dense([[2, -9, 9]], [1]), 1, 2, 3)
    assert result.spike_times[-1][0, 0] == 1
    assert result.margins[0, 0] == 1


def test_decision_takes_largest_margin_then_lowest_index():
    assert run(dense([[3], [5], [5]], [1, 1, 1]), 0).classes[0] == 1
    assert run(dense([[3], [9], [5]], [1, 7, 1]), 0).classes[0] == 2  # margins 2, 2, 4
    assert run(dense([[4], [4]], [1, 1]), 0).classes[0] == 0


def test_earlier_spike_beats_larger_margin():
    assert run(dense([[2, 0], [0, 100]], [1, 1]), 3, 4).classes[0] == 0


def test_silent_takes_largest_margin_of_the_last_step():
    result = run(dense([[-5, 1], [-1, -9]], [50, 50]), 0, 7)
    assert (result.classes[0], result.decision_times[0], result.silent[0]) == (0, 8, True)
    assert result.margins[0].tolist() == [-54, -60]
    assert run(dense([[0], [0], [0]], [5, 3, 3]), 0).classes[0] == 1


def test_silent_pixels_never_arrive():
    result = run(dense([[1, 100]], [0]), 0, 8)
    assert result.margins[0, 0] == 1


def test_no_delay_between_layers():
    weight = np.array([[2]], np.int8)
    chain = tuple(Dense(weight, np.array([1], np.int32), 3) for _ in range(3))
    network = Network("chain", 8, (1, 1, 1), ("a",), IDENTITY, (Flatten(), *chain))
    assert run(network, 5).decision_times[0] == 5


def test_padding_is_no_spike():
    conv = Conv2d(np.full((1, 1, 3, 3), 1, np.int8), np.array([5], np.int32), 2, (1, 1), (1, 1))
    out = Dense(np.ones((1, 9), np.int8), np.array([0], np.int32), 2)
    network = Network("pad", 2, (1, 3, 3), ("a",), np.zeros(256, np.uint8), (conv, Flatten(), out))
    times = reference.run(network, np.zeros((1, 1, 3, 3), np.uint8)).spike_times[1][0, 0]
    assert times.tolist() == [[2, 0, 2], [0, 0, 0], [2, 0, 2]]  # corners see 4 spikes, edges 6


def test_pooling_takes_the_first_spike_and_drops_the_remainder():
    out = Dense(np.ones((1, 1), np.int8), np.array([0], np.int32), 2)
    network = Network("pool", 8, (1, 2, 3), ("a",), IDENTITY, (Pool2d((2, 2)), Flatten(), out))
    image = np.array([[[[6, 4, 0], [5, 7, 0]]]], np.uint8)
    assert reference.run(network, image).spike_times[1].tolist() == [[[[4]]]]


def border_network(weights, threshold):
    """One neuron whose potential passes the threshold by exactly one, or does not."""
    weight = np.array([weights, [0] * len(weights)], np.int32)
    return Network(
        "border", 2, (1, 1, len(weights)), ("a", "b"), np.zeros(256, np.uint8),
        (Flatten(), Dense(weight, np.array([threshold, 2**31 - 1], np.int32), 32)),
    )  # fmt: skip


@pytest.mark.parametrize("bits", [23, 24, 25, 30])
def test_sums_are_exact_around_the_mantissa_of_float32(bits):
    big = (1 << bits) - 1
    image = np.zeros((1, 1, 1, 2), np.uint8)
    for extra in (0, 1, 2):
        for below in (0, 1):
            network = border_network([big, extra], big + extra - below)
            result = reference.run(network, image)
            assert result.silent[0] == (below == 0), (extra, below)
            assert result.margins[0, 0] == below


def test_float32_is_used_only_below_its_mantissa():
    layer = Dense(np.full((1, 2), (1 << 23) - 1, np.int32), np.zeros(1, np.int32), 32)
    assert firing._arithmetic(layer)[1] is np.float32  # reach 2**24 - 2
    layer = Dense(np.full((1, 2), 1 << 23, np.int32), np.zeros(1, np.int32), 32)
    assert firing._arithmetic(layer)[1] is np.float64


def test_potential_beyond_int32():
    weights = [2**31 - 1] * 4
    result = reference.run(border_network(weights, 2**31 - 1), np.zeros((1, 1, 1, 4), np.uint8))
    assert result.margins[0, 0] == 4 * (2**31 - 1) - (2**31 - 1)


def test_huge_thresholds_keep_exact_margins():
    network = dense([[3], [2]], [2**31 - 1, 2**31 - 2])
    result = run(network, 0)
    assert result.margins[0].tolist() == [3 - (2**31 - 1), 2 - (2**31 - 2)]
    assert result.classes[0] == 0


def test_float_network_of_whole_numbers_equals_integers():
    """The same code runs both; with integers as floats the answers are the same."""
    from sstdp_hw.network.float_network import FloatNetwork

    for seed in range(10):
        rng = np.random.default_rng(seed)
        network = dense_network(rng)
        layers = tuple(
            Dense(layer.weight.astype(np.float64), layer.threshold.astype(np.float64), 0)
            if isinstance(layer, Dense)
            else layer
            for layer in network.layers
        )
        same = FloatNetwork(
            "f", network.t_max, network.input_shape, network.class_names, network.encoder, layers,
            (None,) * len(layers),
        )  # fmt: skip
        images = random_images(rng, network, 20)
        one, other = reference.run(network, images), reference.run(same, images)
        assert np.array_equal(one.classes, other.classes)
        for mine, theirs in zip(one.spike_times, other.spike_times, strict=True):
            assert np.array_equal(mine, theirs)


def test_batches_leave_no_trace():
    rng = np.random.default_rng(5)
    network = dense_network(rng, neurons=[7, 4], t_max=8)
    images = random_images(rng, network, 2 * reference.BATCH + 3)
    steps = []
    whole = reference.run(network, images, progress=steps.append)
    assert steps == [256, 256, 3]
    for number in (0, 255, 256, 511, 512, 514):
        alone = reference.run(network, images[number : number + 1])
        assert alone.classes[0] == whole.classes[number]
        assert np.array_equal(alone.margins[0], whole.margins[number])


@pytest.mark.parametrize("cells", [1, 300, 1000])
def test_windows_of_a_few_images_at_a_time_leave_no_trace(monkeypatch, cells):
    rng = np.random.default_rng(2)
    network = conv_network(rng)
    images = random_images(rng, network, 23)
    whole = reference.run(network, images)
    monkeypatch.setattr(firing, "WINDOW_CELLS", cells)
    parts = reference.run(network, images)
    for one, other in zip(whole.spike_times, parts.spike_times, strict=True):
        assert np.array_equal(one, other)


def test_no_images_at_all():
    network = dense([[1]], [0])
    result = reference.run(network, np.zeros((0, 1, 1, 1), np.uint8))
    assert len(result.classes) == 0
    assert [times.shape for times in result.spike_times] == [(0, 1, 1, 1), (0, 1), (0, 1)]


def test_images_are_checked():
    network = dense([[1, 1]], [0])
    with pytest.raises(UserError, match="Images must be uint8, not float64"):
        reference.run(network, np.zeros((1, 1, 1, 2)))
    with pytest.raises(UserError, match=r"input shape \[1, 1, 2\], not \[1, 2, 1\]"):
        reference.run(network, np.zeros((1, 1, 2, 1), np.uint8))
    assert len(reference.run(network, np.zeros((3, 1, 2), np.uint8)).classes) == 3


def test_accuracy_by_rule_6_and_with_ties_counted():
    network = dense([[5], [4], [0]], [1, 1, 1])
    images = np.zeros((3, 1, 1, 1), np.uint8)
    result = reference.run(network, images)
    labels = np.array([0, 1, 2])
    assert result.accuracy(labels) == pytest.approx(1 / 3)
    assert result.accuracy_ties_counted(labels) == pytest.approx(2 / 3)  # 0 and 1 tie, 2 is silent


def test_pixels_without_a_weight_are_not_sent():
    network = dense([[3, 0, 1, 0], [0, 0, 1, 0]], [1, 1])
    result = run(network, 2, 1, 2, 3)
    assert result.spike_times[0].reshape(-1).tolist() == [2, 1, 2, 3]
    for sent in (sent_spikes(network, result, 0), arriving_spikes(network, result, 1)):
        assert sent.tolist() == [[2, 8, 2, 8]]
    assert sent_spikes(network, result, 2).tolist() == result.spike_times[2].tolist()


def test_margins_of_a_float_network_are_float():
    network = float_network(np.random.default_rng(0))
    assert reference.run(network, np.zeros((1, 1, 1, 20), np.uint8)).margins.dtype == np.float64


SPEED = """
import sys, time
import numpy as np
from sstdp_hw.reference import firing
from sstdp_hw.reference import inference as reference
from sstdp_hw.network.layers import Conv2d, Dense, Flatten, Pool2d
from sstdp_hw.network.network import Network
rng = np.random.default_rng(0)

def weights(*shape):
    return rng.integers(-8, 8, shape).astype(np.int8), np.full(shape[0], 18, np.int32), 4

layers = {
    "dense": (Flatten(), Dense(*weights(400, 784)), Dense(*weights(10, 400))),
    "conv": (
        Conv2d(*weights(16, 1, 5, 5)), Pool2d((2, 2)), Conv2d(*weights(32, 16, 5, 5)),
        Pool2d((2, 2)), Flatten(), Dense(*weights(10, 512)),
    ),
}[sys.argv[1]]
encoder = ((255 - np.arange(256)) * 9 // 256).astype(np.uint8)
network = Network("speed", 8, (1, 28, 28), tuple("0123456789"), encoder, layers)
images = rng.integers(0, 256, (1024, 1, 28, 28), dtype=np.uint8)
best = min(
    (lambda start: (reference.run(network, images), time.process_time() - start)[1])(
        time.process_time()
    )
    for _ in range(3)
)
print(len(images) / best)
"""


@pytest.mark.parametrize(("layers", "least"), [("dense", 1000), ("conv", 300)])
def test_speed_on_one_core(layers, least):
    """784-400-10 makes 2,000 images a second at t_max 8, conv16k5-pool2-conv32k5-pool2-10 more than
    1,000; less is asked for, as the machine may be shared."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", SPEED, layers], env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert float(answer.stdout) > least


def test_products_take_one_thread_and_leave_the_others(monkeypatch):
    """Threads of two programs that wait for each other take ten times the time of one."""
    seen = []
    batch = reference._infer_batch
    monkeypatch.setattr(
        reference, "_infer_batch", lambda *given: (seen.append(blas_threads()), batch(*given))[1]
    )
    with reference._multiplication().limit(limits=2):
        run(dense([[1], [0]], [5, 5]), 0)
        after = blas_threads()
    assert seen == [{1}]
    assert after == {2}


def blas_threads():
    return {pool["num_threads"] for pool in reference._multiplication().info()}


def test_silent_images_are_no_tie():
    """All output neurons "tie" at t_max; only the class by rule 6 counts there."""
    result = run(dense([[1], [0]], [5, 5]), 0)
    assert result.silent[0]
    assert result.accuracy_ties_counted(np.array([0])) == 1
    assert result.accuracy_ties_counted(np.array([1])) == 0
