"""Presets: the lanes they give, on dense and convolutional networks."""

import numpy as np
import pytest
from hw.random_networks import conv_network

from sstdp_hw import AcceleratorParameters, Network, UserError
from sstdp_hw.blocks.presets import PRESETS, preset

DIGITS = "ready:digits-64-64-10-4bit"


@pytest.mark.parametrize(
    "name, lanes, pixels", [("tiny", (4, 1), 1), ("basic", (16, 10), 1), ("full", (64, 10), 8)]
)
def test_lanes_and_pixels(name, lanes, pixels):
    found = preset(name, Network.load(DIGITS), early_exit=False)
    assert (found.lanes, found.pixels_per_beat, found.early_exit) == (lanes, pixels, False)


@pytest.mark.parametrize("name", PRESETS)
def test_fit_every_network(name):
    rng = np.random.default_rng(0)
    for _ in range(10):
        network = conv_network(rng)
        AcceleratorParameters(network, preset(name, network))


def test_unknown_name_is_one_line():
    with pytest.raises(UserError) as caught:
        preset("huge", Network.load(DIGITS))
    assert str(caught.value) == "Preset must be tiny, basic or full, not 'huge'"
