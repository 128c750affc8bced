"""The studies. Everything that a study is lies in this file; the rest only carries it out."""

from __future__ import annotations

import dataclasses
from typing import Any

from sstdp_hw.data.datasets import CALTECH, CALTECH_NAMES
from sstdp_train import RECIPES, Recipe

from .declaration import Entry, FineTuning, Study

MNIST, DIGITS, PUBLISHED = RECIPES["mnist"], RECIPES["digits"], RECIPES["published"]
CONV = RECIPES["mnist-conv"]

ABLATION_EPOCHS = 8
SHORT = MNIST.with_(epochs=ABLATION_EPOCHS)
SGD_LEARNING_RATE = 0.1


NO_AUGMENTATION = {
    field.name: 0.0
    for field in dataclasses.fields(Recipe)
    if field.metadata["help"].startswith("augmentation:") and str(field.type) == "float"
}


def _without(name: str, **changes: Any) -> Entry:
    return Entry(name, "mnist", SHORT.with_(**changes))


def _published(t_max: int) -> Entry:
    recipe = PUBLISHED.with_(t_max=t_max, epochs=ABLATION_EPOCHS)
    return Entry(f"published-t{t_max}", "mnist", recipe)


ABLATION = Study(
    name="ablation",
    title=f"What each addition is worth: MNIST, {ABLATION_EPOCHS} epochs, one change at a time",
    entries=(
        Entry("full", "mnist", SHORT),
        _without("no-gate", gate=0.0),
        _without("no-silent-class", silent_class=False),
        _without("rectangular-gate", gate=1 / 3, gate_shape="rectangle"),
        _without("no-wake-silent", wake_silent=False),
        _without("no-homeostasis", homeostasis=0.0),
        # The other losses at the settings that were chosen for them.
        _without("loss-on-times", loss="cross-entropy", margin_scale=3.0),
        _without("relative-target", loss="relative-target"),
        _without("no-bending", bending=0.0),
        _without("no-augmentation", **NO_AUGMENTATION),
        _without("nearest-resampling", resampling="nearest"),
        _without("cutoff-0", cutoff=0),
        _without("equalized-encoding", encoding="equalized", resampling="nearest"),
        _without("no-weight-decay", weight_decay=0.0),
        _without("constant-schedule", schedule="constant"),
        _without("sgd", optimizer="sgd", learning_rate=SGD_LEARNING_RATE),
        _without("averaging", averaging=1.0),
        _without("learned-thresholds", learn_thresholds=True),
        _without("normalize-error", normalize_error=True),
        _without("depression-0.2", depression=0.2),
        _published(8),
        _published(16),
    ),
    columns=("validation", "difference", "additions", "decision", "seconds"),
    test=False,
    baseline="full",
)


NETWORKS = Study(
    name="networks",
    title="Networks in float and in integers",
    entries=(
        Entry("mnist-784-400-10", "mnist", MNIST, fine_tune=((4,), (2,))),
        Entry(  # +1 and -1 do better from larger margins, reached without the class of silence
            "mnist-784-400-10-binary", "mnist",
            RECIPES["mnist-800"].with_(layers=(400,), epochs=50),
            fine_tune=(FineTuning((1,), {"epochs": 25, "weight_decay": 0.0}),),
        ),
        Entry("mnist-784-400-10-sparse", "mnist", RECIPES["mnist-sparse"], fine_tune=((4,),)),
        Entry("mnist-784-800-10", "mnist", RECIPES["mnist-800"], fine_tune=((4,),)),
        Entry("mnist-784-128-10", "mnist", RECIPES["mnist-128"], fine_tune=((4,),)),
        Entry("digits-64-64-10", "digits", DIGITS, fine_tune=((4,),)),
    ),
    columns=(
        "validation", "test", "ties", "additions", "macs", "ratio", "spikes", "decision", "silent",
        "seconds",
    ),
)  # fmt: skip

CONVOLUTIONS = Study(
    name="convolutions",
    title="Networks with convolutions, in float and in integers",
    entries=(
        Entry("mnist-conv32-conv64", "mnist", CONV, fine_tune=((4,),)),
        Entry(
            "mnist-conv16-conv32",
            "mnist",
            CONV.with_(
                layers=("conv16k5", "pool2", "conv32k5", "pool2"), epochs=24, learning_rate=0.006
            ),
            fine_tune=((4,),),
        ),
        *(  # one entry for each of the five splits of the images
            Entry(f"caltech-{place + 1}", dataset, RECIPES[CALTECH], fine_tune=((4,),))
            for place, dataset in enumerate(CALTECH_NAMES)
        ),
    ),
    columns=NETWORKS.columns,
)

# A fifth of what a full training sees, on a network of a quarter of the multiply-accumulates.
DEEP_RECIPE = RECIPES["cifar10"].with_(
    layers=("conv16k3p1", "pool2", "conv32k3p1", "conv32k3p1", "pool2", "conv64k3p1", "conv64k3p1",
            "pool2"),
    epochs=5, validation_share=0.6, rate_target=0.2,
)  # fmt: skip


def _deep(name: str, **changes: Any) -> Entry:
    return Entry(name, "cifar10", DEEP_RECIPE.with_(**changes), counted=200)


DEEP = Study(
    name="deep",
    title="What each part of training deep networks is worth: CIFAR-10, 20,000 images, 5 epochs",
    entries=(
        _deep("full"),
        _deep("not-remeasured", remeasured=0),
        _deep("not-centered", centering=False),
        _deep("no-wake-silent", wake_silent=False),
        _deep("gate-0.65", gate=0.65),
        _deep("gate-2.6", gate=2.6),
        _deep("no-rate-penalty", rate_penalty=0.0),
        _deep("rate-0.1", rate_target=0.1),
        _deep("level-0", level=0.0),
        _deep("one-plane", encoding="linear", bright=(), dark=(), cutoff=0),
        _deep("bright-planes", bright=(65, 106, 146, 190), dark=()),
        _deep("steps-1", t_max=1),
        _deep("steps-2", t_max=2),
        _deep("steps-8", t_max=8),
        _deep("no-augmentation", crop=0, flip=False),
        _deep("cutout", cutout=8),
        _deep("constant-schedule", schedule="constant"),
        _deep("averaging", averaging=0.5),
    ),
    columns=("validation", "difference", "additions", "seconds"),
    test=False,
    baseline="full",
)

PRUNING_EPOCHS = 20
PRUNING = Study(
    name="pruning",
    title=f"Accuracy against additions: MNIST 784-400-10, {PRUNING_EPOCHS} epochs, pixels pruned",
    entries=tuple(
        Entry(f"pruning-{share:g}", "mnist", MNIST.with_(epochs=PRUNING_EPOCHS, pruning=share))
        for share in (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8)
    ),
    columns=("validation", "test", "ties", "additions", "macs", "ratio", "spikes", "decision"),
    plot=True,
)

STUDIES: dict[str, Study] = {
    study.name: study for study in (ABLATION, DEEP, NETWORKS, CONVOLUTIONS, PRUNING)
}
