"""`sstdp_train.nn` in a training loop of one's own: the same rule as recipes, ordinary modules."""

from __future__ import annotations

import copy
import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.models import PLANES, SHAPE, convolutional, dense, if_layers, images
from torch import nn

from sstdp_hw.base.errors import UserError
from sstdp_hw.reference import inference as reference
from sstdp_train.backends.choice import backend_for
from sstdp_train.network.layers import SpikingNetwork
from sstdp_train.nn import (
    DecisionLoss,
    FirstSpikeLoss,
    FirstSpikePool2d,
    Flatten,
    IFConv2d,
    IFLinear,
    IFOutput,
    RelativeTargetLoss,
    SpikeInput,
    Spikes,
    TTFSEncoder,
    UntilDecision,
    decide,
    initialize,
    quantize_aware,
    to_network,
)
from sstdp_train.recipes.recipe import Recipe
from sstdp_train.training.loop import encode
from sstdp_train.training.loss import loss_of


def labels(count=40, classes=3):
    return torch.arange(count) % classes


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(4)


def assert_close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4 * float(theirs.abs().max()))


LOSSES = {
    "decision": lambda recipe: DecisionLoss(recipe.margin_scale, recipe.silent_class),
    "cross-entropy": lambda recipe: FirstSpikeLoss(recipe.sharpness, recipe.margin_scale),
    "relative-target": lambda recipe: RelativeTargetLoss(recipe.target_gap),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "layers", [(9,), ("conv6k3p1", "pool2", "conv4k2s1x2", 9)], ids=["dense", "conv"]
)
@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize("width", [None, 4], ids=["float", "4bit"])
def test_gradients_are_those_of_the_recipe(loss, layers, backend, width):
    recipe = Recipe(
        name="same", layers=layers, t_max=5, loss=loss, gate=0.8, depression=0.2, margin_scale=1.0,
        normalize_error=loss == "relative-target", learn_thresholds=True, homeostasis=0.05,
        homeostasis_rate=0.6, silent_class=True,
    )  # fmt: skip
    of_recipe = SpikingNetwork(SHAPE, 3, recipe, backend_for(backend, torch.device("cpu")))
    settings = {
        "gate": 0.8, "gate_shape": "rectangle", "depression": 0.2, "learn_threshold": True,
        "normalize_error": recipe.normalize_error, "homeostasis": 0.05, "homeostasis_rate": 0.6,
    }  # fmt: skip
    model = (dense if len(layers) == 1 else convolutional)(backend, **settings)
    model[-1][-1].rule = replace(
        model[-1][-1].rule, depression=0.2, normalize_error=recipe.normalize_error
    )
    model[-1][-1].threshold.requires_grad_()
    initialize(model, images(), spread=0.5)
    if width:
        quantize_aware(model, width)
    for ours, theirs in zip(if_layers(model), of_recipe.layers, strict=True):
        theirs.weight.data.copy_(ours.rows())
        theirs.grid = ours.grid
        ours.firing_rate.fill_(0.3)
        theirs.firing_rate.fill_(0.3)
    until_decision = loss == "decision"
    if not until_decision:  # the same layers without the cut
        model = nn.Sequential(*model[:-1], *model[-1])

    found = LOSSES[loss](recipe)(model(images()), labels())
    found.backward()
    times, margin = of_recipe(encode(model[0].table, images()), until_decision)
    wanted = loss_of(recipe, times[-1], margin, labels())
    wanted.backward()

    assert float(found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    for ours, theirs in zip(if_layers(model), of_recipe.layers, strict=True):
        rows = ours.weight.grad.permute(1, 0) if ours.weight.dim() == 2 else (
            ours.weight.grad.permute(2, 3, 1, 0)
        )  # fmt: skip
        assert rows.abs().max() > 0
        # Sums of floats in another order: the native backend takes all layers in one pass.
        assert_close(rows, theirs.weight.grad)
        assert_close(ours.threshold.grad, theirs.threshold.grad)
        torch.testing.assert_close(ours.firing_rate, theirs.firing_rate)


def test_it_trains_as_torch_does_and_leaves_with_four_bits(bars):
    pixels, truth = torch.from_numpy(bars.images), torch.from_numpy(bars.labels)
    model = nn.Sequential(
        TTFSEncoder(6, 32), Flatten(), UntilDecision(IFLinear(36, 12), IFOutput(12, 4))
    )
    initialize(model, pixels)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    loss_of_batch = DecisionLoss(margin_scale=1.0)

    def epochs(count):
        for _ in range(count):
            for chosen in torch.randperm(200).split(10):
                optimizer.zero_grad()
                loss_of_batch(model(pixels[chosen]), truth[chosen]).backward()
                optimizer.step()

    epochs(6)
    quantize_aware(model, 4)
    epochs(2)
    model.eval()
    with torch.no_grad():
        classes, times = decide(model(pixels[200:]))
    assert (classes == truth[200:]).float().mean() > 0.85  # of four classes, unseen

    network = to_network(model, class_names=bars.class_names)
    assert [layer.weight_width for _, layer in network.weighted] == [4, 4]
    assert all(np.abs(layer.weight).max() <= 8 for _, layer in network.weighted)
    inference = reference.run(network, bars.images[200:])
    assert np.array_equal(inference.classes, classes.numpy())
    assert np.array_equal(inference.decision_times, times.numpy())


def test_a_state_goes_round_with_its_integers():
    model = quantize_aware(convolutional(), (4, 3, 2, 5))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = convolutional()
    other.load_state_dict(torch.load(file, weights_only=True))
    for ours, theirs in zip(if_layers(model), if_layers(other), strict=True):
        assert theirs.grid == ours.grid
        assert theirs.weight.shape == ours.weight.shape
    digests = {
        to_network(one, input_shape=SHAPE).digest
        for one in (model, other, copy.deepcopy(other), pickle.loads(pickle.dumps(other)))
    }
    assert len(digests) == 1


def test_modes_and_rates_are_as_the_user_left_them():
    model = convolutional()
    frozen = model[1][0].eval()
    model[1][2].threshold.data.fill_(1e6)  # never fires
    model(images())
    assert model[1].training and not frozen.training
    assert torch.equal(frozen.firing_rate, torch.ones(6))
    # Counted once, though `UntilDecision` passes twice.
    assert torch.allclose(model[1][2].firing_rate, torch.full((4,), 0.99))


@pytest.mark.filterwarnings("ignore")  # of torch, by torch
def test_compiled_it_is_the_same():
    """In pieces, on the backend ``torch`` alone; see docs/interchange.md."""
    layer, spikes = IFLinear(84, 9, backend="torch").eval(), TTFSEncoder(5)(images(4)).flatten(1)
    with torch.no_grad():
        compiled = torch.compile(layer, backend="eager")(spikes)
        assert torch.equal(compiled.times, layer(spikes).times)


@pytest.mark.parametrize("backend", ["torch", "native"])
def test_weights_handed_over_in_any_memory_order(backend):
    model = dense(backend)
    loaded = torch.randn(9, 84)
    other = copy.deepcopy(model)
    model[2][0].weight = nn.Parameter(loaded.clone())
    other[2][0].weight.data.copy_(loaded)
    assert torch.equal(model(images()).margin, other(images()).margin)


ONE = TTFSEncoder(5)(images())
ERRORS = [
    (lambda: IFLinear(84, 9)(images()), "IFLinear: input must be Spikes, not Tensor; begin"),
    (lambda: IFLinear(84, 9)(ONE), r"IFLinear: spike times must be \[N, F\], .*Flatten\(\)"),
    (lambda: IFLinear(80, 9)(ONE.flatten(1)), "must have 80 features, not 84"),
    (lambda: IFConv2d(3, 4, 3)(ONE), "IFConv2d: spike times must have 3 channels, not 2"),
    (lambda: IFConv2d(2, 4, 9)(ONE), r"IFConv2d on an input of \[2, 7, 6\]: kernel"),
    (lambda: IFConv2d(2, 4, 0), "kernel_size must be one or two integers from 1, not 0"),
    (lambda: IFConv2d(2, 4, 3, padding=-1), "padding must be one or two integers from 0, not -1"),
    (lambda: IFConv2d(2, 4, "same"), "kernel_size must be one or two integers from 1, not same"),
    (lambda: FirstSpikePool2d(8)(ONE), r"FirstSpikePool2d on an input of \[2, 7, 6\]"),
    (lambda: FirstSpikePool2d(2)(ONE.flatten(1)), r"must be \[N, C, H, W\], not \[40, 84\]"),
    (lambda: IFLinear(0, 9), "in_features must be an integer from 1, not 0"),
    (lambda: IFLinear(4, 9, leak=1), "IFLinear: settings must be among depression, .*not leak"),
    (lambda: IFLinear(4, 9, threshold=[1.0, 2.0]), r"threshold must be a number or \[9\], not"),
    (lambda: IFLinear(4, 9, backend="fast"), "Backend must be auto, torch or native"),
    (lambda: TTFSEncoder(0), "t_max must be between 1 and 255, not 0"),
    (lambda: TTFSEncoder(5, table=[1, 2]), r"table must be \[256\] or \[planes, 256\]"),
    (lambda: TTFSEncoder(3, table=PLANES), "table must hold integers between 0 and t_max, 3"),
    (lambda: TTFSEncoder(5)(images() / 255), "TTFSEncoder: pixels must be uint8, not torch.float"),
    (lambda: SpikeInput(5)(torch.full((1, 4), 6)), "between 0 and 5, which is silent, not 6"),
    (lambda: UntilDecision(IFLinear(4, 2))(images()), "UntilDecision: input must be Spikes"),
    (lambda: DecisionLoss()(ONE.flatten(1), labels()), "those of IF neurons, not of an encoder"),
    (lambda: initialize(nn.Sequential(nn.ReLU()), images()), "a Sequential with IF layers"),
    (lambda: quantize_aware(dense(), 0), "weight_width must be between 1 and 16, not 0"),
    (lambda: quantize_aware(dense(), (4, 4, 4)), "one for each IF layer of the model, 2, not 3"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text"), ERRORS)
def test_errors_are_one_line(what, text):
    with pytest.raises(UserError, match=text) as caught:
        what()
    assert "\n" not in str(caught.value)


def test_spikes_are_a_tuple():
    times, margin, t_max = ONE
    assert margin is None and t_max == 5
    assert isinstance(ONE, Spikes) and times.shape == (40, *SHAPE)
