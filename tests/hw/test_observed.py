"""What each block is at, cycle by cycle: the model of the cycles, watched."""

from itertools import pairwise

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.networks import random_case

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.models.cost import layer_work
from sstdp_hw.models.cycles import cycles_per_image, observe
from sstdp_hw.models.cycles.observed import DECISION, INPUT, SORT
from sstdp_hw.reference import inference as reference

CASES = [(random_case, seed) for seed in (1, 4, 8)] + [(random_conv_case, seed) for seed in (0, 3)]


@pytest.mark.parametrize("early_exit", [True, False])
@pytest.mark.parametrize("make, seed", CASES)
def test_a_watch_changes_nothing(make, seed, early_exit):
    case = make(seed, early_exit=early_exit, images=6)
    parameters = AcceleratorParameters(case.network, case.configuration)
    inference = reference.run(case.network, case.images)
    answers, spans = observe(parameters, inference)
    predicted = cycles_per_image(parameters, inference)
    assert np.diff(answers, prepend=-1).tolist() == predicted.tolist()
    names = [INPUT, SORT, *(block.name for block in parameters.blocks), DECISION]
    assert {span.block for span in spans} == set(names)
    for name in names:
        own = [span for span in spans if span.block == name]
        for before, after in pairwise(own):
            assert after.first > before.last, (name, before, after)
        assert all(0 <= span.waited <= max(0, span.last - span.first + 1) for span in own), name


@pytest.mark.parametrize("seed", [1, 4, 8])
def test_dense_layers_are_busy_for_their_work(seed):
    """A word a cycle, and a cycle for the end of an image; neurons that fire by themselves add a
    walk over all groups, and so do the output layer's margins."""
    case = random_case(seed, early_exit=False, images=6)
    parameters = AcceleratorParameters(case.network, case.configuration)
    inference = reference.run(case.network, case.images)
    _, spans = observe(parameters, inference)
    work = layer_work(parameters, inference)
    for place, layer in enumerate(parameters.layers):
        own = [span for span in spans if span.block == layer.name]
        busy = sum(span.last - span.first + 1 - span.waited for span in own)
        ends = len(inference.classes) * (layer.groups if layer.output else 1)
        walks = len(inference.classes) * layer.groups * layer.spontaneous
        least = int(work[:, place].sum()) + ends
        assert least <= busy <= least + walks, layer.name
