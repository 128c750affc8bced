"""Evaluation in chunks gives the figures of the whole."""

import numpy as np
import pytest
from hw.random_networks import conv_network, dense_network, float_network, random_images

from sstdp_hw.base.errors import UserError
from sstdp_hw.data.datasets import Samples
from sstdp_hw.reference import evaluation
from sstdp_hw.reference import inference as reference
from sstdp_hw.reference.additions import additions


def samples_for(network, count):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, len(network.class_names), count)
    return Samples("random", random_images(rng, network, count), labels, network.class_names)


@pytest.mark.parametrize("make", [dense_network, conv_network, float_network])
def test_figures(monkeypatch, make):
    monkeypatch.setattr(evaluation, "CHUNK", 16)
    network = make(np.random.default_rng(2))
    samples = samples_for(network, 50)
    done = []
    found = evaluation.evaluate(network, samples, progress=done.append)
    assert sum(done) == found.images == 50
    whole = reference.run(network, samples.images)
    assert found.accuracy == whole.accuracy(samples.labels)
    assert found.accuracy_ties_counted == whole.accuracy_ties_counted(samples.labels)
    assert found.mean_decision_time == pytest.approx(whole.decision_times.mean())
    assert found.silent == whole.silent.mean()
    assert found.additions == pytest.approx(additions(network, whole).mean())
    assert found.additions_without_exit == pytest.approx(
        additions(network, whole, up_to_decision=False).mean()
    )
    assert found.layers[0].name == "input"
    for layer, place in zip(found.layers, [0, *(i + 1 for i, _ in network.weighted)], strict=True):
        times = whole.spike_times[place].reshape(50, -1)
        assert layer.neurons == times.shape[1]
        assert layer.spikes == pytest.approx((times < network.t_max).sum(axis=1).mean())
        until = (times <= whole.last_steps()[:, None]).sum(axis=1).mean()
        assert layer.spikes_until_decision == pytest.approx(until)
    assert found.kind == ("float" if make is float_network else "integer")


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (np.zeros((0, 1, 1, 20), np.uint8), [], "must have at least one image, not 0"),
        (np.zeros((1, 1, 4, 5), np.uint8), [0], r"input shape \[1, 1, 20\], not \[1, 4, 5\]"),
        (np.zeros((1, 1, 1, 20), np.uint8), [4], "labels must be below the network's 4 classes"),
    ],
)
def test_samples_that_do_not_fit(images, labels, message):
    network = float_network(np.random.default_rng(0))
    with pytest.raises(UserError, match=f"Data set x: .*{message}"):
        evaluation.evaluate(network, Samples("x", images, np.array(labels, int), ()))
