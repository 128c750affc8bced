"""First-spike pooling: the earliest of a window, and the one cell that its error goes to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sstdp_hw.network.layers import Pool2d
from sstdp_hw.reference.firing import spike_times
from sstdp_train.network.layers import FirstSpikePool


def pooled(times, margin, kernel):
    """Pooled times and margins, and for every pooled cell an error of its own sent back."""
    times = times.clone().requires_grad_()
    found, answering = FirstSpikePool(kernel)(times, margin)
    errors = torch.arange(1, found.numel() + 1).view_as(found).to(torch.float32)
    found.backward(errors)
    return found.detach(), answering, errors, times.grad


@pytest.mark.parametrize("kernel", [(2, 2), (1, 3), (3, 2), (5, 7)])
@pytest.mark.parametrize("channels", [1, 3, 16])
@pytest.mark.parametrize("margins", [True, False])
def test_pooling_and_its_gradient_are_those_of_plain_loops(kernel, channels, margins):
    rng = np.random.default_rng(channels)
    times = torch.from_numpy(rng.integers(0, 4, (5, 5, 7, channels))).to(torch.float32)  # many ties
    margin = torch.from_numpy(rng.integers(-2, 3, times.shape)).to(torch.float32)  # of them too
    found, answering, errors, sent = pooled(times, margin if margins else None, kernel)
    expected = np.zeros(times.shape)
    for b, row, column, c in np.ndindex(found.shape):
        window = [
            (float(times[b, y, x, c]), -float(margin[b, y, x, c]) if margins else 0.0, y, x)
            for y in range(row * kernel[0], (row + 1) * kernel[0])
            for x in range(column * kernel[1], (column + 1) * kernel[1])
        ]
        earliest, least, y, x = min(window)  # the earliest, the largest margin, row, column
        assert found[b, row, column, c] == earliest
        if margins:
            assert answering[b, row, column, c] == -least
        expected[b, y, x, c] += errors[b, row, column, c]
    np.testing.assert_array_equal(sent.numpy(), expected)


def test_spikes_are_those_of_the_reference():
    rng = np.random.default_rng(3)
    times = rng.integers(0, 9, (6, 2, 7, 5)).astype(np.uint8)
    layer = Pool2d((2, 3))
    expected = spike_times(layer, times, layer.output_shape((2, 7, 5)), 8)
    found, _ = FirstSpikePool((2, 3))(torch.from_numpy(times).permute(0, 2, 3, 1), None)
    np.testing.assert_array_equal(found.permute(0, 3, 1, 2).numpy(), expected)


def test_a_silent_window_sends_its_error_to_the_neuron_closest_to_firing():
    margin = torch.tensor([[-3.0, -2.0, -4.0, -4.0], [-1.0, -5.0, -4.0, -9.0]])[None, :, :, None]
    found, answering, _, sent = pooled(torch.full((1, 2, 4, 1), 8.0), margin, (2, 2))
    assert found.flatten().tolist() == [8, 8]
    assert answering.flatten().tolist() == [-1, -4]
    assert sent[0, :, :, 0].tolist() == [[0, 0, 2, 0], [1, 0, 0, 0]]
