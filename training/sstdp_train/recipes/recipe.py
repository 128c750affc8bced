"""The recipe: every choice that training makes, in one frozen, validated object.

Each field carries its help text and its origin in its metadata; the command line and
docs/training.md are made from them. Origin ``published`` marks what belongs to the SSTDP rule as
Liu et al. (2021) published it, ``addition`` what this project puts around it, ``setting`` what
every training has.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.data.datasets import looks_like
from sstdp_hw.network.chain import MAX_PLANES, MAX_T

from .architecture import begins_dense, canonical, weighted_layers

MAX_WEIGHT_WIDTH = 16
LARGEST = 1e30  # of a real number: far from any use, and its products are finite in float32


class RecipeError(UserError):
    """A field that breaks a rule; the command line puts the option in place of the field."""

    def __init__(self, field_name: str, rule_and_value: str) -> None:
        super().__init__(f"Recipe: {field_name} {rule_and_value}")
        self.field_name, self.rule_and_value = field_name, rule_and_value


def _option(default: Any, origin: str, text: str, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"origin": origin, "help": text, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one network is trained; the defaults suit any data set that has no recipe of its own.

    Raises
    ------
    UserError
        If a value is out of its range: names the field, the rule and the value found.
    """

    name: str = _option("default", "setting", "what result files call this recipe")
    layers: tuple[int | str, ...] = _option(
        (400,), "setting", "hidden layers: neurons, or like conv16k5, conv16k3s2p1, pool2"
    )
    t_max: int = _option(8, "setting", "time steps of one inference")
    epochs: int = _option(30, "setting", "passes over the training images")
    batch_size: int = _option(64, "setting", "images of one weight update")
    seed: int = _option(0, "setting", "seed of everything random")
    validation_share: float = _option(
        1 / 12, "setting", "share of the training images held back to choose the epoch; 0 for none"
    )
    choose: str = _option(
        "best",
        "setting",
        "export the epoch that is best on the validation images, or the last one",
        choices=("best", "last"),
    )

    cutoff: int = _option(
        32, "addition", "pixels darker than this never spike; 0 lets all of them spike"
    )
    encoding: str = _option(
        "linear",
        "addition",
        "every step takes an equal share of the brightness range, or of the spikes",
        choices=("linear", "equalized", "bright-dark"),
    )
    bright: tuple[int, ...] = _option(
        (), "addition", "bright-dark: one plane for each, of pixels at least so bright"
    )
    dark: tuple[int, ...] = _option(
        (), "addition", "bright-dark: one plane for each, of pixels at most so bright"
    )
    contrast: int = _option(
        8, "addition", "bright-dark: how much further a pixel must be for every step earlier"
    )

    normalization: str = _option(
        "none",
        "addition",
        "thresholds stay where they are, or follow mean and deviation of every channel's potential "
        "(for deep networks of convolutions)",
        choices=("none", "potential"),
    )
    level: float = _option(
        1.5, "addition", "normalization: thresholds at the start, in deviations above the mean"
    )
    centering: bool = _option(
        True,
        "addition",
        "normalization: weight gradients without what only moves mean or scale of a potential",
    )
    remeasured: int = _option(
        0,
        "addition",
        "normalization: training images that mean and deviation are measured anew on at the end of "
        "an epoch; 0 keeps the running ones",
    )
    rate_penalty: float = _option(
        0.0, "addition", "normalization: push on the levels of channels that fire too often"
    )
    rate_target: float = _option(
        0.2, "addition", "normalization: share of firing neurons above which a channel is pushed"
    )

    depression: float = _option(
        0.0,
        "published",
        "b of the STDP window (+1 causal, -b otherwise); the published script has 0",
    )
    normalize_error: bool = _option(
        False, "published", "scale the error of every image to length 1 in every layer"
    )
    gate: float = _option(
        1 / 3,
        "addition",
        "a hidden neuron learns only while |V - theta| < gate * theta at its spike, or gate * "
        "deviation with normalization; 0 turns it off",
    )
    gate_shape: str = _option(
        "rectangle",
        "addition",
        "errors within the gate pass whole, or less the farther from threshold",
        choices=("rectangle", "triangle"),
    )
    wake_silent: bool = _option(
        True, "addition", "errors also reach hidden neurons that stayed silent"
    )
    homeostasis: float = _option(
        1e-3, "addition", "push on hidden neurons that fire too rarely; 0 turns it off"
    )
    homeostasis_rate: float = _option(
        0.1, "addition", "share of images below which a hidden neuron fires too rarely"
    )

    loss: str = _option(
        "cross-entropy",
        "addition",
        "softmax cross-entropy on spike times and margins, or on V - theta at the decision; or the "
        "published relative target",
        choices=("cross-entropy", "decision", "relative-target"),
    )
    silent_class: bool = _option(
        False,
        "addition",
        "decision: where all outputs stay silent, silence is a class that must lose",
    )
    sharpness: float = _option(
        12.0, "addition", "cross-entropy: logit between a spike at step 0 and one at t_max"
    )
    margin_scale: float = _option(
        3.0,
        "addition",
        "cross-entropy, decision: membrane potential above threshold worth a logit of 1",
    )
    target_gap: float = _option(
        0.02,
        "published",
        "relative target: how much later the others must fire, as a share of t_max",
    )

    pruning: float = _option(
        0.0,
        "addition",
        "share of the input spikes to save: pixels of small weights are pruned while training",
    )

    hidden_threshold: float = _option(3.0, "published", "firing threshold of hidden neurons")
    output_threshold: float = _option(6.0, "published", "firing threshold of output neurons")
    learn_thresholds: bool = _option(False, "addition", "train the thresholds as well")
    hidden_drive: float = _option(
        1.6, "addition", "hidden neurons at the start: mean final potential, in thresholds"
    )
    hidden_spread: float = _option(
        0.11, "addition", "hidden neurons at the start: its standard deviation, in thresholds"
    )
    output_drive: float = _option(1.3, "addition", "as hidden_drive, for the output neurons")
    output_spread: float = _option(0.33, "addition", "as hidden_spread, for the output neurons")

    optimizer: str = _option(
        "adam", "addition", "adam, or plain gradient descent as published", choices=("adam", "sgd")
    )
    learning_rate: float = _option(3e-3, "setting", "step size at the start")
    schedule: str = _option(
        "cosine",
        "addition",
        "how the step size falls over the epochs",
        choices=("cosine", "constant"),
    )
    weight_decay: float = _option(0.02, "addition", "decoupled weight decay")
    averaging: float = _option(
        0.0,
        "addition",
        "export the running mean of the weights over about so many epochs; 0 exports the last ones",
    )

    shift: float = _option(1.2, "addition", "augmentation: largest shift in pixels")
    rotation: float = _option(0.15, "addition", "augmentation: largest rotation in rad")
    scaling: float = _option(0.08, "addition", "augmentation: largest relative change of size")
    shear: float = _option(0.1, "addition", "augmentation: largest shear")
    bending: float = _option(
        0.0, "addition", "augmentation: elastic distortion, standard deviation in pixels"
    )

    crop: int = _option(
        0, "addition", "augmentation: largest shift by whole pixels, edges mirrored"
    )
    flip: bool = _option(False, "addition", "augmentation: mirror every second image")
    cutout: int = _option(
        0, "addition", "augmentation: side of a square that is made grey, in pixels"
    )

    resampling: str = _option(
        "bilinear",
        "addition",
        "augmentation: bilinear blurs, nearest keeps the brightness of every pixel",
        choices=("bilinear", "nearest"),
    )

    weight_widths: tuple[int, ...] = _option(
        (), "addition", "weight width in bits of every weighted layer; empty trains in float"
    )

    def __post_init__(self) -> None:
        for name in ("layers", "weight_widths", "bright", "dark"):  # lists come back from JSON
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "layers", canonical(self.layers))
        for entry in dataclasses.fields(self):
            self._check_type(entry, getattr(self, entry.name))
        self._check_range("t_max", self.t_max, 1, MAX_T)
        self._check_range("epochs", self.epochs, 1, 100_000)
        self._check_range("batch_size", self.batch_size, 1, 1 << 20)
        self._check_range("seed", self.seed, 0, (1 << 32) - 1)
        self._check_range("cutoff", self.cutoff, 0, 255)
        self._check_range("validation_share", self.validation_share, 0, 0.9)
        self._check_range("homeostasis_rate", self.homeostasis_rate, 0, 1)
        self._check_range("scaling", self.scaling, 0, 0.9)
        self._check_range("pruning", self.pruning, 0, 0.99)
        self._check_range("rate_target", self.rate_target, 0, 1)
        self._check_range("contrast", self.contrast, 0, 255)
        self._check_range("crop", self.crop, 0, 1 << 16)
        self._check_range("cutout", self.cutout, 0, 1 << 16)
        self._check_range("remeasured", self.remeasured, 0, 1 << 20)
        for name in ("depression", "gate", "homeostasis", "hidden_spread", "output_spread",
                     "weight_decay", "averaging", "shift", "rotation", "shear", "bending",
                     "target_gap", "rate_penalty"):  # fmt: skip
            self._check_range(name, getattr(self, name), 0, math.inf)
        for name in ("learning_rate", "sharpness", "margin_scale"):
            self._check_range(name, getattr(self, name), 1e-12, math.inf)
        self._check_planes()
        self._check_normalization()
        if self.pruning and not begins_dense(self.layers):
            raise RecipeError(
                "pruning",
                "must be 0 unless the first layer is fully connected, and is "
                f"{self.pruning:g} before {self.layers[0]}: the kernel of a convolution has no "
                "pixels of its own",
            )
        if self.weight_widths:
            self._check_range("weight_widths", min(self.weight_widths), 1, MAX_WEIGHT_WIDTH)
            self._check_range("weight_widths", max(self.weight_widths), 1, MAX_WEIGHT_WIDTH)
            if len(self.weight_widths) != weighted_layers(self.layers):
                raise RecipeError(
                    "weight_widths",
                    "must have one width per weighted layer, "
                    f"{weighted_layers(self.layers)}, not {len(self.weight_widths)}",
                )
            if self.pruning and self.weight_widths[0] == 1:
                raise RecipeError(
                    "weight_widths",
                    "of the first layer must be at least 2 with pruning, which needs weights of 0, "
                    "not 1",
                )

    def _check_planes(self) -> None:
        planes = (*self.bright, *self.dark)
        if self.encoding != "bright-dark":
            if planes:
                raise RecipeError(
                    "bright" if self.bright else "dark",
                    f"must be left out unless the encoding is bright-dark, and it is "
                    f"{self.encoding}",
                )
            return
        if not 1 <= len(planes) <= MAX_PLANES:
            raise RecipeError(
                "bright", f"and dark must name 1 to {MAX_PLANES} planes, not {len(planes)}"
            )
        for name in ("bright", "dark"):
            for value in getattr(self, name):
                self._check_range(name, value, 0, 255)

    def _check_normalization(self) -> None:
        """What the rule for deep networks has no place for."""
        if self.normalization == "none":
            return
        for name, value, why in (
            ("loss", "decision", "outputs answer by their potential"),
            ("gate_shape", "triangle", "its gate is in deviations"),
            ("depression", 0.0, "it has none"),
            ("normalize_error", False, "it has none"),
            ("homeostasis", 0.0, "its channels are kept alive by their mean"),
            ("pruning", 0.0, "kernels have no pixels of their own"),
        ):
            if getattr(self, name) != value:
                raise RecipeError(
                    name,
                    f"must be {value} with normalization {self.normalization}, not "
                    f"{getattr(self, name)}: {why}",
                )

    def _check_type(self, entry: dataclasses.Field[Any], value: Any) -> None:
        name, kind, choices = entry.name, str(entry.type), entry.metadata["choices"]
        if choices and value not in choices:
            raise RecipeError(name, f"must be {' or '.join(choices)}, not {value!r}")
        if kind == "tuple[int, ...]" and not all(type(item) is int for item in value):
            raise RecipeError(name, f"must be integers, not {list(value)}")
        wanted_type = {"int": int, "float": (int, float), "bool": bool, "str": str}.get(kind)
        if wanted_type and (not isinstance(value, wanted_type) or
                            (isinstance(value, bool) and kind != "bool")):  # fmt: skip
            raise RecipeError(name, f"must be of type {kind}, not {value!r}")
        if kind == "float" and not math.isfinite(value):
            raise RecipeError(name, f"must be finite, not {value}")
        if kind == "float":
            self._check_range(name, value, -LARGEST, LARGEST)

    @staticmethod
    def _check_range(name: str, value: float, low: float, high: float) -> None:
        if not low <= value <= high:
            shown = [
                entry if isinstance(entry, int) else f"{entry:g}" for entry in (low, high, value)
            ]
            rule = (
                f"at least {shown[0]}" if high == math.inf else f"between {shown[0]} and {shown[1]}"
            )
            raise RecipeError(name, f"must be {rule}, not {shown[2]}")

    @property
    def augments(self) -> bool:
        """Whether training images are changed at all."""
        return self.distorts or any((self.crop, self.flip, self.cutout))

    @property
    def distorts(self) -> bool:
        """Whether training images are resampled."""
        return any((self.shift, self.rotation, self.scaling, self.shear, self.bending))

    @property
    def planes(self) -> int:
        """Spike channels of one pixel channel."""
        return len(self.bright) + len(self.dark) if self.encoding == "bright-dark" else 1

    @classmethod
    def default(cls, name: str) -> Any:
        """The value of a field that an earlier version did not have."""
        values = {entry.name: entry.default for entry in dataclasses.fields(cls)}
        value = values[name]
        return list(value) if isinstance(value, tuple) else value

    def with_(self, **changes: Any) -> Recipe:
        """A copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, lists for tuples."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str) -> Recipe:
        """The inverse of `as_dict`; ``source`` is what errors call the place of the values."""
        known = {entry.name for entry in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise UserError(f"{source}: recipe must have no field {unknown[0]!r}")
        try:
            return cls(**values)
        except TypeError as error:
            raise UserError(f"{source}: recipe has no valid value ({error})") from None


DEFAULT = Recipe()
MNIST = Recipe(
    # Chosen on held-back images for accuracy; on small data sets and in deep networks the loss on
    # spike times is steadier, so it is the default.
    name="mnist", epochs=50, loss="decision", margin_scale=0.35, silent_class=True, gate=1.0,
    gate_shape="triangle", weight_decay=0.03, bending=0.3,
)  # fmt: skip
MNIST_SPARSE = MNIST.with_(name="mnist-sparse", pruning=0.45)
MNIST_800 = MNIST.with_(
    # In 4 bits 0.3 points better than with the class of silence, at later decisions; 50 epochs are
    # 0.2 points worse. Held-back images chose the recipe; it trains on all of them and exports the
    # last epoch.
    name="mnist-800", layers=(800,), epochs=100, margin_scale=0.7, silent_class=False,
    validation_share=0.0, choose="last",
)  # fmt: skip
MNIST_128 = MNIST.with_(name="mnist-128", layers=(128,), bending=0.0)  # too small to need it
MNIST_CONV = MNIST.with_(
    # A kernel sees few spikes, so filters start less alike than whole-image neurons do.
    name="mnist-conv", layers=("conv32k5", "pool2", "conv64k5", "pool2"), epochs=14,
    learning_rate=0.004, margin_scale=0.7, silent_class=False, hidden_drive=0.8, hidden_spread=0.5,
    bending=0.15,
)  # fmt: skip
DIGITS = Recipe(
    # Held-back images chose this recipe. They are too few to tell epochs apart, so the last one is
    # exported, and all images are trained on.
    name="digits", layers=(64,), t_max=16, epochs=150, batch_size=8, learning_rate=0.007,
    loss="decision", margin_scale=0.35, silent_class=True, gate=1.0, gate_shape="triangle",
    validation_share=0.0, choose="last",
    shift=0.4, rotation=0.1, scaling=0.05, shear=0.05, bending=0.15,
)  # fmt: skip
CALTECH = MNIST.with_(
    # Held-back images of five splits chose this recipe and the size of the images. They are too few
    # to tell epochs apart, so the last one is exported, and all images are trained on.
    name="caltech-face-motorbike", layers=("conv16k5", "pool2", "conv32k5", "pool2"), t_max=16,
    epochs=100, batch_size=16, learning_rate=0.004, margin_scale=0.7, silent_class=False,
    hidden_drive=0.8, hidden_spread=0.5, shift=2.0, validation_share=0.0, choose="last",
)  # fmt: skip
CIFAR10 = Recipe(
    name="cifar10",
    layers=("conv32k3p1", "pool2", "conv64k3p1", "conv64k3p1", "pool2", "conv128k3p1",
            "conv128k3p1", "pool2"),
    t_max=4, epochs=60, batch_size=50, validation_share=0.1, encoding="bright-dark",
    bright=(146, 190), dark=(65, 106), normalization="potential", remeasured=1000, gate=1.3,
    gate_shape="triangle", homeostasis=0.0, rate_penalty=0.02, rate_target=0.15, loss="decision",
    margin_scale=1.0, learning_rate=0.002, weight_decay=0.0, shift=0.0, rotation=0.0, scaling=0.0,
    shear=0.0, crop=4, flip=True,
)  # fmt: skip
PUBLISHED = Recipe(
    # The settings of the authors' script (github.com/MXHX7199/SNN-SSTDP). Its pixels of value 0 to
    # 2 fire after the last simulated step; its weights start uniform in 0..5 and 0..48.
    name="published", t_max=255, epochs=20, cutoff=3, normalize_error=True, gate=0.0,
    wake_silent=False, homeostasis=0.0, loss="relative-target", target_gap=5 / 255,
    hidden_threshold=100.0, output_threshold=100.0, hidden_drive=3.75, hidden_spread=0.18,
    output_drive=96.0, output_spread=2.8, optimizer="sgd", learning_rate=10.0,
    schedule="constant", weight_decay=1e-6, shift=0.0, rotation=0.0, scaling=0.0, shear=0.0,
)  # fmt: skip

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        DEFAULT,
        MNIST,
        MNIST_SPARSE,
        MNIST_800,
        MNIST_128,
        MNIST_CONV,
        DIGITS,
        CALTECH,
        CIFAR10,
        PUBLISHED,
    )
}


UPDATES = 6000  # weight updates that a small data set is trained with at least
LONGEST = 150  # epochs; more of them only learn few images by heart
SHIFT = 1.2 / 28  # of the smaller side of an image: that of the recipes for digits and MNIST


def recipe_for(
    dataset: str,
    layers: Sequence[int | str] | None = None,
    images: tuple[int, ...] | None = None,
) -> Recipe:
    """The recipe of a data set by its name; for one that has none of its own, one that fits.

    Parameters
    ----------
    dataset : str
    layers : sequence of int or str, optional
        Hidden layers: with convolutions the settings of `MNIST_CONV` fit, else those of `MNIST`.
    images : (count, channels, height, width), optional
        Shape of the training images: few of them are trained in small batches and more epochs, and
        are shifted in proportion to their size.
    """
    if looks_like(dataset) in RECIPES:
        return RECIPES[looks_like(dataset)]
    layers = DEFAULT.layers if layers is None else canonical(layers)
    convolutions = any(str(name).startswith("conv") for name in layers)
    recipe = (MNIST_CONV if convolutions else MNIST).with_(
        name=DEFAULT.name, layers=layers, epochs=14 if convolutions else DEFAULT.epochs
    )
    if images is None:
        return recipe
    count, _, height, width = images
    batch = 16 if count < 5000 else 32 if count < 20_000 else recipe.batch_size
    return recipe.with_(
        batch_size=batch,
        epochs=min(max(math.ceil(UPDATES * batch / max(count, 1)), recipe.epochs), LONGEST),
        shift=round(SHIFT * min(height, width), 2),
    )


def fine_tuning(recipe: Recipe, weight_widths: tuple[int, ...]) -> Recipe:
    """The recipe of quantization-aware fine-tuning after training by ``recipe``.

    Parameters
    ----------
    recipe : Recipe
    weight_widths : tuple of int
        One width for all layers, or one per weighted layer.
    """
    if len(weight_widths) == 1:
        weight_widths = weight_widths * weighted_layers(recipe.layers)
    return recipe.with_(
        name=f"{recipe.name}-qat", weight_widths=weight_widths, homeostasis=0.0,
        pruning=0.0,  # done; fine-tuning keeps what is zero
        epochs=max(4, recipe.epochs // 4), learning_rate=recipe.learning_rate / 3,
    )  # fmt: skip
