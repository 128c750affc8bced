"""From a float network to integers: one scale per layer, thresholds exact.

With the scale s of a layer, its integer weights are ``q = clip(rint(w / s))`` and its thresholds
are ``floor(th / s)``. Rounding the weights is the only loss: for integers V, ``V * s > th`` and
``V > floor(th / s)`` are the same statement. docs/quantization.md says how s is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np

from ..base.errors import UserError
from ..network.float_network import FloatNetwork
from ..network.layers import Array, WeightedLayer, fits_width
from ..network.network import Network
from ..reference.firing import potential_bounds
from .calibration import Calibration

MAX_WIDTH = 16
RATIOS = 2.0 ** (-np.arange(0, 121) / 30)  # shares of the largest |weight| tried as full range
REFINEMENTS = 2.0 ** (np.array(sorted(range(-16, 9), key=abs)) / 8)  # nearest to 1 first
EXACT_STEPS = 1e-3  # how far a weight trained for a scale may lie from its integer, in steps


@dataclass(frozen=True)
class LayerQuantization:
    """How one layer became integers.

    Parameters
    ----------
    index : int
        Index in ``network.layers``.
    width : int
        Signed width of its weights in bits.
    scale : float
        Weight value of one integer step.
    origin : str
        ``"trained"``: the scale that quantization-aware training fixed. ``"given"``: by the caller.
        ``"integers"``: 1, for the weights are integers of the width already. ``"weights"``: the
        smallest squared error of the weights. ``"images"``: refined on calibration images.
    deviation : float
        Largest distance of an unclipped weight from its integer, in steps; 0 if training was on the
        integers already.
    error : float
        Root mean square of ``w - s * q`` over that of ``w``.
    clipped, zero : float
        Share of weights beyond the range of the width, and of weights that became 0.
    thresholds_moved : int
        Thresholds of a hidden layer that no potential can reach and int32 cannot hold; they were
        moved to the nearest number that acts the same.
    """

    index: int
    width: int
    scale: float
    origin: str
    deviation: float
    error: float
    clipped: float
    zero: float
    thresholds_moved: int


def quantize(
    network: FloatNetwork,
    weight_widths: int | Sequence[int] | None = None,
    *,
    scales: Sequence[float | None] | None = None,
    calibration: Array | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Network, tuple[LayerQuantization, ...]]:
    """Turn a float network into integers.

    Parameters
    ----------
    network : FloatNetwork
    weight_widths : int, sequence of int, or None
        Signed width of the weights in bits, 1 to 16: one for all weighted layers or one per layer.
        None takes the widths that the network was trained for.
    scales : sequence of float or None, optional
        Weight value of one integer step per weighted layer; None where it is to be found.
    calibration : uint8 array [N, *input_shape], optional
        Training images. With them, a scale that has to be found is the one among `REFINEMENTS`
        times the scale of least weight error that disturbs their spikes least; see
        `Calibration.best`.
    progress : callable, optional
        Called with 1 after each weighted layer.

    Returns
    -------
    network, layers
        The integer network with the float network's provenance, and what happened to each weighted
        layer, in order.

    Raises
    ------
    UserError
        If a width or scale is out of range, or a threshold of the output layer does not fit.
    """
    widths = layer_widths(network, weight_widths)
    refuse_pruned_pixels(network, widths)
    given = list(scales) if scales is not None else [None] * len(widths)
    if len(given) != len(widths):
        raise UserError(
            f"Scales must be one for each of the {len(widths)} weighted layers, not {len(given)}"
        )
    calibrated = None if calibration is None else Calibration(network, calibration)
    layers = list(network.layers)
    details = []
    for (index, layer), width, scale in zip(network.weighted, widths, given, strict=True):
        output = index == len(layers) - 1
        name = f"layers.{index}"
        origin = "given"
        if scale is not None and not (scale > 0 and math.isfinite(scale)):
            raise UserError(f"Scale of {name} must be positive and finite, not {scale}")
        if scale is None and network.scales[index] is not None and layer.weight_width == width:
            origin, scale = "trained", network.scales[index]
        if scale is None and are_integers(layer.weight, width):
            origin, scale = "integers", 1.0
        if scale is None:
            origin, scale = "weights", weight_scale(layer.weight, width)
            if calibrated is not None:
                candidates = [scale * float(factor) for factor in REFINEMENTS]
                trial = partial(_trial, layer, width, name, output)
                origin, scale = "images", calibrated.best(index, layers, candidates, trial)
        quantized, moved = quantize_layer(layer, width, scale, name=name, output=output)
        detail = _detail(index, layer, quantized, scale, origin, moved)
        if origin == "trained" and width > 1 and detail.deviation > EXACT_STEPS:
            raise UserError(
                f"{network.source}: {name}.weight must be whole multiples of its scale {scale:g}, "
                f"and is off by up to {detail.deviation:.3f} of it; train it again"
            )
        layers[index] = quantized
        details.append(detail)
        if progress:
            progress(1)
    integers = Network(
        name=network.name,
        t_max=network.t_max,
        input_shape=network.input_shape,
        class_names=network.class_names,
        encoder=network.encoder,
        layers=tuple(layers),
        provenance=network.provenance,
        source=f"quantized {network.source}",
    )
    return integers, tuple(details)


def layer_widths(
    network: FloatNetwork, weight_widths: int | Sequence[int] | None
) -> tuple[int, ...]:
    """One checked width per weighted layer."""
    weighted = network.weighted
    if weight_widths is None:
        widths: tuple[int, ...] = tuple(layer.weight_width for _, layer in weighted)
        if not all(widths):
            raise UserError(
                f"{network.source}: was not trained for a weight width, so one must be given, for "
                "example --weight-width 4"
            )
    else:
        widths = (weight_widths,) if isinstance(weight_widths, int) else tuple(weight_widths)
    if len(widths) == 1:
        widths *= len(weighted)
    if len(widths) != len(weighted):
        raise UserError(
            f"Weight widths must be one number, or one for each of the {len(weighted)} weighted "
            f"layers, not {len(widths)}: {','.join(map(str, widths))}"
        )
    for (index, layer), width in zip(weighted, widths, strict=True):
        # Integers of a wider network that was exported and read back keep their width.
        most = max(MAX_WIDTH, layer.weight_width)
        if not 1 <= width <= most:
            raise UserError(
                f"Weight width of layers.{index} must be between 1 and {most}, not {width}"
            )
    return widths


def are_integers(weight: Array, width: int) -> bool:
    """Whether weights of any type are integers of a width already, so that nothing is rounded."""
    return bool(np.array_equal(weight, np.rint(weight))) and fits_width(weight, width)


def refuse_pruned_pixels(network: FloatNetwork, widths: tuple[int, ...]) -> None:
    """A pruned pixel has weights of 0, which width 1 has not got.

    Raises
    ------
    UserError
        If the first layer is to have width 1, and pixels are pruned.
    """
    if widths[:1] == (1,) and not network.live_inputs.all():
        raise UserError(
            f"{network.source}: weights must not be 0 at width 1, and "
            f"{np.count_nonzero(~network.live_inputs)} pixels are pruned; choose a width of at "
            "least 2 for the first layer"
        )


def integer_range(width: int) -> tuple[int, int]:
    """Lowest and highest weight of a signed width; at width 1 there are only these two."""
    return (-1, 1) if width == 1 else (-(1 << (width - 1)), (1 << (width - 1)) - 1)


def integer_weights(weight: Array, width: int, scale: float) -> Array:
    """``clip(rint(weight / scale))`` (ties to even) in the smallest type that holds the width.

    At width 1 the sign, and +1 for a weight of 0.
    """
    dtype = np.int8 if width <= 8 else np.int16 if width <= 16 else np.int32
    if width == 1:
        return np.where(weight >= 0, 1, -1).astype(dtype)
    steps = np.rint(weight.astype(np.float64) / scale)
    return np.clip(steps, *integer_range(width)).astype(dtype)


def exact_thresholds(threshold: Array, scale: float) -> list[int]:
    """``floor(threshold / scale)`` without any rounding in between."""
    step = Fraction(scale)
    return [math.floor(Fraction(float(value)) / step) for value in threshold]


def quantize_layer(
    layer: WeightedLayer, width: int, scale: float, *, name: str, output: bool
) -> tuple[WeightedLayer, int]:
    """The layer in integers, and how many of its thresholds were moved.

    A hidden neuron whose threshold int32 cannot hold always or never fires: the potential, a sum of
    weights, stays far inside int32. Its threshold is moved to the nearest number that says the
    same. An output neuron keeps its own, because its margin decides between classes, or is refused.
    """
    weight = integer_weights(layer.weight, width, scale)
    exact = exact_thresholds(layer.threshold, scale)
    limits = np.iinfo(np.int32)
    moved = sum(not limits.min <= value <= limits.max for value in exact)
    if moved and output:
        worst = max(exact, key=abs)
        raise UserError(
            f"Threshold of {name} must fit in 32 bits at scale {scale:g}, and one is {worst}; "
            "its margin decides between classes, so it cannot be moved; choose a smaller width"
        )
    if moved:
        low, high = potential_bounds(weight)
        exact = [
            min(max(value, int(lowest) - 1), int(highest))
            if not limits.min <= value <= limits.max
            else value
            for value, lowest, highest in zip(exact, low, high, strict=True)
        ]
    threshold = np.array(exact, np.int32)
    return replace(layer, weight=weight, threshold=threshold, weight_width=width), moved


def weight_scale(weight: Array, width: int) -> float:
    """The scale of least squared weight error among `RATIOS`; at width 1 the mean of ``|weight|``.

    The first, that is the largest, of equally good scales.
    """
    absolute = np.abs(weight.astype(np.float64))
    top = float(absolute.max())
    if top == 0:
        return 1.0
    if width == 1:
        return float(absolute.mean())
    full = top / integer_range(width)[1]
    values = weight.astype(np.float64)
    low, high = integer_range(width)

    def loss(scale: float) -> float:
        integers = np.clip(np.rint(values / scale), low, high)
        return float(np.mean((integers * scale - values) ** 2))

    return min((full * float(ratio) for ratio in RATIOS), key=loss)


def _trial(
    layer: WeightedLayer, width: int, name: str, output: bool, scale: float
) -> WeightedLayer:
    return quantize_layer(layer, width, scale, name=name, output=output)[0]


def _detail(
    index: int, before: WeightedLayer, after: WeightedLayer, scale: float, origin: str, moved: int
) -> LayerQuantization:
    weight = before.weight.astype(np.float64)
    steps = weight / scale
    low, high = integer_range(after.weight_width)
    beyond = (np.rint(steps) < low) | (np.rint(steps) > high)
    distance = np.abs(steps - after.weight)[~beyond]
    power = float(np.mean(weight**2))
    loss = float(np.mean((after.weight * scale - weight) ** 2))
    return LayerQuantization(
        index=index,
        width=after.weight_width,
        scale=scale,
        origin=origin,
        deviation=float(distance.max()) if distance.size else 0.0,
        error=math.sqrt(loss / power) if power else 0.0,
        clipped=float(np.mean(beyond)) if after.weight_width > 1 else 0.0,
        zero=float(np.mean(after.weight == 0)),
        thresholds_moved=moved,
    )
