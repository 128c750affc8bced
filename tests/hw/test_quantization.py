"""From float to integers: exact thresholds, scales by a stated criterion, and an honest report."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hw.random_networks import float_network, random_images
from hypothesis import given, settings
from hypothesis import strategies as st

from sstdp_hw.base.errors import UserError
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.layers import Conv2d, Dense, Flatten
from sstdp_hw.quantization.quantize import (
    exact_thresholds,
    integer_range,
    integer_weights,
    quantize,
    quantize_layer,
    weight_scale,
)
from sstdp_hw.quantization.report import histogram, report
from sstdp_hw.reference import inference as reference

floats32 = st.floats(-1e6, 1e6, width=32)
scales = st.floats(1e-6, 1e3)


@given(floats32, scales)
def test_threshold_is_the_exact_floor(threshold, scale):
    (found,) = exact_thresholds(np.array([threshold], np.float32), scale)
    assert found * Fraction(scale) <= Fraction(threshold) < (found + 1) * Fraction(scale)


@given(floats32, scales, st.integers(-5, 5))
def test_same_comparison_in_float_and_integers(threshold, scale, offset):
    """For every integer potential, V * s > th is V > floor(th / s); tried around the border."""
    (found,) = exact_thresholds(np.array([threshold], np.float32), scale)
    potential = found + offset
    assert (potential * Fraction(scale) > Fraction(threshold)) == (potential > found)


def test_floor_that_rounded_division_gets_wrong():
    scale = 0.1  # a little more than a tenth
    (found,) = exact_thresholds(np.array([0.3], np.float64), scale)
    assert found == 2  # 0.3 is a little less than three of them
    threshold = float(np.nextafter(np.float64(7.0), 0))
    assert exact_thresholds(np.array([threshold]), 1.0) == [6]
    wrong = sum(
        math.floor(th / s) != exact_thresholds(np.array([th]), s)[0]
        for s in np.linspace(0.01, 0.2, 97)
        for th in [float(k * s) for k in range(1, 60)]
    )
    assert wrong > 0  # the naive division does differ, so exactness is worth its price


@settings(deadline=None)
@given(st.integers(1, 16), st.integers(0, 2**32 - 1), st.floats(0.01, 2))
def test_weights_fit_and_are_nearest(width, seed, scale):
    weight = np.random.default_rng(seed).normal(0, 1, (3, 7)).astype(np.float32)
    found = integer_weights(weight, width, scale)
    low, high = integer_range(width)
    assert found.dtype == (np.int8 if width <= 8 else np.int16)
    assert found.min() >= low and found.max() <= high
    if width == 1:
        assert np.array_equal(found, np.where(weight >= 0, 1, -1))
        return
    distance = np.abs(weight.astype(np.float64) / scale - found)
    inside = (found > low) & (found < high)
    assert (distance[inside] <= 0.5 + 1e-9).all()
    assert (weight[found == low] / scale <= low + 0.5).all()
    assert (weight[found == high] / scale >= high - 0.5).all()


def test_scale_of_least_weight_error():
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 1, (50, 40)).astype(np.float32)
    for width in (2, 3, 4, 8):
        chosen = weight_scale(weight, width)

        def loss(scale, width=width):
            return float(np.mean((integer_weights(weight, width, scale) * scale - weight) ** 2))

        full = np.abs(weight).max() / integer_range(width)[1]
        for share in np.linspace(0.1, 1.2, 40):
            assert loss(chosen) <= loss(full * share) * 1.02
    assert weight_scale(weight, 1) == pytest.approx(np.abs(weight).mean())
    assert weight_scale(np.zeros((2, 2), np.float32), 4) == 1.0


def test_quantization_is_deterministic(tmp_path):
    network = float_network(np.random.default_rng(0))
    images = random_images(np.random.default_rng(1), network, 50)
    for name in "ab":
        quantize(network, 3, calibration=images)[0].save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("widths", [(4, 4), (1, 1), (2, 7), (8, 1), (12, 12)])
def test_trained_scale_gives_the_same_network(widths):
    """After quantization-aware training nothing is lost: not one spike time moves."""
    network = float_network(np.random.default_rng(3), widths=widths)
    integers, layers = quantize(network)
    assert [layer.origin for layer in layers] == ["trained", "trained"]
    assert [layer.width for layer in layers] == list(widths)
    assert [layer.deviation for layer in layers] == [0.0, 0.0]
    images = random_images(np.random.default_rng(4), network, 200)
    one, other = reference.run(network, images), reference.run(integers, images)
    assert np.array_equal(one.classes, other.classes)
    for mine, theirs in zip(one.spike_times, other.spike_times, strict=True):
        assert np.array_equal(mine, theirs)


def test_weights_that_do_not_fit_their_trained_scale_are_refused():
    network = float_network(np.random.default_rng(3), widths=(4, 4))
    first = network.layers[1]
    weight = first.weight.copy()
    weight[0, 0] += np.float32(0.3 / 8)
    layers = (network.layers[0], replace(first, weight=weight), network.layers[2])
    with pytest.raises(UserError, match=r"layers\.1\.weight must be whole multiples of its scale"):
        quantize(replace(network, layers=layers))


def test_another_width_than_the_trained_one_searches_the_scale():
    network = float_network(np.random.default_rng(3), widths=(4, 4))
    _, layers = quantize(network, (4, 3))
    assert [layer.origin for layer in layers] == ["trained", "weights"]


def test_sixteen_bits_equal_float_closely():
    rng = np.random.default_rng(5)
    network = float_network(rng, sizes=(60, 40, 5), t_max=16)
    images = random_images(rng, network, 300)
    integers, layers = quantize(network, 16)
    one, other = reference.run(network, images), reference.run(integers, images)
    assert np.mean(one.classes == other.classes) > 0.99
    assert np.mean(one.spike_times[2] == other.spike_times[2]) > 0.999
    assert all(layer.error < 1e-3 for layer in layers)


def test_fewer_bits_move_more_spikes():
    rng = np.random.default_rng(6)
    network = float_network(rng, sizes=(60, 40, 5), t_max=16)
    images = random_images(rng, network, 300)
    wanted = reference.run(network, images).spike_times[2]
    moved = []
    for width in (2, 4, 6, 10):
        integers, _ = quantize(network, width)
        moved.append(np.mean(reference.run(integers, images).spike_times[2] != wanted))
    assert moved == sorted(moved, reverse=True)
    assert moved[0] > 10 * moved[-1]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_calibration_does_not_lose_to_the_weights_alone(width):
    """Its first candidate is the scale without it, so on its own images it can only gain."""
    rng = np.random.default_rng(8)
    network = float_network(rng, sizes=(40, 30, 5))
    images = random_images(rng, network, 300)
    wanted = reference.run(network, images).spike_times[2]

    def moved(calibration):
        integers, layers = quantize(network, width, calibration=calibration)
        assert layers[0].origin == ("weights" if calibration is None else "images")
        return np.mean(reference.run(integers, images).spike_times[2] != wanted)

    assert moved(images) <= moved(None)


def test_calibration_of_convolution_runs_its_pooling():
    rng = np.random.default_rng(9)
    from sstdp_hw.network.layers import Pool2d

    layers = (
        Conv2d(rng.normal(0, 1, (3, 1, 3, 3)).astype(np.float32), np.ones(3, np.float32), 0,
               padding=(1, 1)),
        Pool2d((2, 2)),
        Flatten(),
        Dense(rng.normal(0, 1, (4, 48)).astype(np.float32), np.ones(4, np.float32), 0),
    )  # fmt: skip
    encoder = ((255 - np.arange(256)) * 9 // 256).astype(np.uint8)
    network = FloatNetwork("c", 8, (1, 8, 8), tuple("abcd"), encoder, layers, (None,) * 4)
    images = random_images(rng, network, 40)
    integers, details = quantize(network, (8, 8), calibration=images)
    assert [detail.index for detail in details] == [0, 3]
    assert integers.layers[0].padding == (1, 1)
    one, other = reference.run(network, images), reference.run(integers, images)
    assert np.mean(one.spike_times[1] == other.spike_times[1]) > 0.95


def test_given_scales():
    network = float_network(np.random.default_rng(0))
    _, layers = quantize(network, 4, scales=[0.25, None])
    assert (layers[0].scale, layers[0].origin) == (0.25, "given")
    assert layers[1].origin == "weights"
    with pytest.raises(UserError, match=r"Scale of layers\.1 must be positive and finite, not 0"):
        quantize(network, 4, scales=[0.0, None])
    with pytest.raises(UserError, match="one for each of the 2 weighted layers, not 1"):
        quantize(network, 4, scales=[1.0])


@pytest.mark.parametrize("width", [0, -1, 17, 100])
def test_width_out_of_range(width):
    network = float_network(np.random.default_rng(0))
    with pytest.raises(UserError) as caught:
        quantize(network, (4, width))
    assert str(caught.value) == (f"Weight width of layers.2 must be between 1 and 16, not {width}")


def test_widths_for_each_layer():
    network = float_network(np.random.default_rng(0))
    with pytest.raises(UserError, match="one for each of the 2 weighted layers, not 3: 4,4,4"):
        quantize(network, (4, 4, 4))
    with pytest.raises(UserError, match="was not trained for a weight width"):
        quantize(network)
    assert [layer.weight_width for _, layer in quantize(network, (3,))[0].weighted] == [3, 3]


def test_threshold_beyond_int32_in_a_hidden_layer_acts_the_same():
    weight = np.array([[1.0, -1.0, 0.5]] * 4, np.float32)
    thresholds = np.array([1e30, -1e30, 1e12, 1.0], np.float32)
    quantized, moved = quantize_layer(
        Dense(weight, thresholds, 0), 4, 0.25, name="layers.1", output=False
    )
    assert moved == 3
    exact = exact_thresholds(thresholds, 0.25)
    for subset in range(8):
        potential = quantized.weight @ np.array([(subset >> bit) & 1 for bit in range(3)])
        assert [int(v) > th for v, th in zip(potential, exact, strict=True)] == (
            potential > quantized.threshold
        ).tolist()


def test_threshold_beyond_int32_in_the_output_layer_is_refused():
    layer = Dense(np.ones((2, 3), np.float32), np.array([1.0, 1e12], np.float32), 0)
    with pytest.raises(UserError) as caught:
        quantize_layer(layer, 4, 0.25, name="layers.2", output=True)
    assert str(caught.value) == (
        "Threshold of layers.2 must fit in 32 bits at scale 0.25, and one is 3999999983616; its "
        "margin decides between classes, so it cannot be moved; choose a smaller width"
    )


@pytest.mark.parametrize("width", range(1, 17))
def test_histogram_counts_every_weight(width):
    rng = np.random.default_rng(width)
    low, high = integer_range(width)
    weight = rng.choice([-1, 1], 500) if width == 1 else rng.integers(low, high + 1, 500)
    found = histogram(weight.astype(np.int16).reshape(10, 50), width)
    assert sum(found["counts"]) == 500
    if width <= 6:
        assert found["values"] == ([-1, 1] if width == 1 else list(range(low, high + 1)))
        assert found["counts"] == [int((weight == value).sum()) for value in found["values"]]
    else:
        assert found["edges"][0] == low and found["edges"][-1] == high + 1
        for place, count in enumerate(found["counts"]):
            lower, upper = found["edges"][place : place + 2]
            assert count == int(((weight >= lower) & (weight < upper)).sum())


def samples_for(network, count, seed=0):
    rng = np.random.default_rng(seed)
    classes = len(network.class_names)
    return Samples(
        "random", random_images(rng, network, count), rng.integers(0, classes, count),
        network.class_names,
    )  # fmt: skip


def test_report_counts_what_changed(monkeypatch):
    from sstdp_hw.reference import evaluation

    monkeypatch.setattr(evaluation, "CHUNK", 64)  # several chunks
    network = float_network(np.random.default_rng(0))
    integers, layers = quantize(network, 2)
    samples = samples_for(network, 150)
    found = report(network, integers, layers, samples, split="test")
    one, other = reference.run(network, samples.images), reference.run(integers, samples.images)
    assert found.images == 150
    assert found.before.rule_6 == one.accuracy(samples.labels)
    assert found.after.rule_6 == other.accuracy(samples.labels)
    assert found.before.ties_counted == one.accuracy_ties_counted(samples.labels)
    assert found.after.ties_counted == other.accuracy_ties_counted(samples.labels)
    assert found.after.silent == other.silent.mean()
    assert found.after.mean_decision_time == pytest.approx(other.decision_times.mean())
    assert found.changes.classes == np.mean(one.classes != other.classes) > 0
    assert found.changes.decision_times == np.mean(one.decision_times != other.decision_times)
    for place, layer in enumerate((2, 3)):
        wanted = np.mean(one.spike_times[layer] != other.spike_times[layer])
        assert found.changes.spikes[place] == pytest.approx(wanted)


def test_report_as_json():
    import json

    network = float_network(np.random.default_rng(0))
    integers, layers = quantize(network, (2, 9))
    value = report(network, integers, layers, samples_for(network, 20), split="train").to_json()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["split"] == "train"
    assert [layer["width"] for layer in value["layers"]] == [2, 9]
    assert "values" in value["layers"][0]["histogram"]
    assert "edges" in value["layers"][1]["histogram"]
    without = report(network, integers, layers).to_json()
    assert without["before"] is None and without["layers"][0]["spikes_moved"] is None


def test_shares_of_clipped_and_zero_weights():
    weight = np.array([[10.0, -10.0, 0.1, 1.0]], np.float32)
    layer = Dense(weight, np.zeros(1, np.float32), 0)
    network = FloatNetwork(
        "n", 2, (1, 1, 4), ("a",), np.zeros(256, np.uint8), (Flatten(), layer), (None, None)
    )
    _, (detail,) = quantize(network, 3, scales=[1.0])
    assert (detail.clipped, detail.zero) == (0.5, 0.25)
    assert detail.deviation == pytest.approx(0.1)


def test_one_bit_weight_of_zero_is_plus_one():
    assert integer_weights(np.array([-0.5, 0.0, 0.5]), 1, 1.0).tolist() == [-1, 1, 1]


def test_pruned_pixels_are_refused_at_width_1():
    network = float_network(np.random.default_rng(1))
    index, layer = network.weighted[0]
    weight = layer.weight.copy()
    weight[:, :2] = 0
    pruned = replace(network, layers=(
        *network.layers[:index], replace(layer, weight=weight), *network.layers[index + 1 :]
    ))  # fmt: skip
    with pytest.raises(UserError, match="must not be 0 at width 1, and 2 pixels are pruned"):
        quantize(pruned, 1)
    quantize(pruned, 2)
    quantize(network, 1)
