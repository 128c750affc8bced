"""Ready networks with convolutions on their test sets: the torch model that trains on the integers
and the integer reference are the same function, spike for spike.

Here on the first 500 images of each; SSTDP_IMAGES=10000 takes the whole sets (two minutes).
"""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from sstdp_hw import ready
from sstdp_hw.base.errors import UserError
from sstdp_hw.data import datasets
from sstdp_hw.network.layers import Conv2d
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_train import Recipe
from sstdp_train.backends.choice import backend_for
from sstdp_train.network.export import load_weights
from sstdp_train.network.layers import SpikingNetwork, decide
from sstdp_train.network.quantization import Grid

IMAGES = int(os.environ.get("SSTDP_IMAGES", "500"))
BATCH = 500


def _normalized(network: Network) -> bool:
    """Of those tests/train/test_normalized.py shows it: their model is on integers always."""
    recipe = network.provenance["ready"]["trainings"][-1]["recipe"]
    return bool(recipe.get("normalization", "none") != "none")


CONVOLUTIONAL = [
    name
    for name in ready.names()
    if any(isinstance(layer, Conv2d) for layer in ready.load(name).layers)
    and not _normalized(ready.load(name))
]


def torch_model(network: Network) -> SpikingNetwork:
    """The quantized model in torch: float weights on the recorded scales, as fine-tuning ends."""
    recipe = network.provenance["ready"]["trainings"][-1]["recipe"]
    model = SpikingNetwork(
        network.input_shape, len(network.class_names), Recipe.from_dict(recipe, network.source),
        backend_for("auto", torch.device("cpu")),
    )  # fmt: skip
    load_weights(model, network)
    scales = network.provenance["quantization"]["scales"]
    with torch.no_grad():
        for module, (_, layer), scale in zip(model.layers, network.weighted, scales, strict=True):
            module.weight *= scale
            module.threshold *= scale
            module.grid = Grid(layer.weight_width, scale)
    return model.eval()


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_every_spike_of_every_test_image_is_equal(name):
    network = ready.load(name)
    try:
        samples = datasets.load(network.provenance["dataset"])
    except UserError as error:
        pytest.skip(str(error))
    assert len(samples) == network.provenance["test_images"]
    samples = samples.first(IMAGES)
    model = torch_model(network)
    for start in range(0, len(samples), BATCH):
        expected = reference.run(network, samples.images[start : start + BATCH])
        with torch.no_grad():
            found, margin = model(torch.from_numpy(expected.spike_times[0]).flatten(1))
        for (index, _), times in zip(network.weighted, found, strict=True):
            if times.dim() == 4:
                times = times.permute(0, 3, 1, 2)  # channels are last in torch
            where = f"layers.{index}, from image {start}"
            np.testing.assert_array_equal(times, expected.spike_times[index + 1], where)
        classes, decision = decide(found[-1], margin, network.t_max)
        np.testing.assert_array_equal(classes, expected.classes)
        np.testing.assert_array_equal(decision, expected.decision_times)
