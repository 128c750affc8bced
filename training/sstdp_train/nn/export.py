"""From a model of these modules, or from plain weights, to the network file's object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sstdp_hw.base.errors import UserError
from sstdp_hw.exchange.arrays import from_arrays
from sstdp_hw.exchange.reading import square
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.layers import Array, Flatten, Layer, Shape
from sstdp_hw.network.network import Network
from sstdp_hw.quantization.quantize import MAX_WIDTH, quantize

from ..network.export import FILED, if_tensors
from ..network.quantization import Grid
from .encoding import SpikeInput, TTFSEncoder
from .layers import FirstSpikePool2d, IFConv2d, IFLinear, IFOutput, PublicIF, chain

SOURCE = "to_network"


def to_network(
    model: nn.Module | Sequence[Any],
    weight_width: int | Sequence[int] | None = None,
    *,
    input_shape: Shape | None = None,
    class_names: Sequence[str] | None = None,
    name: str = "network",
    calibration: Array | None = None,
    **plain: Any,
) -> Network:
    """The integer network of a model.

    A model that runs on integers (`quantize_aware`) gives a network with the same spikes. One in
    float is rounded here, so that its spikes may differ; `quantize_aware` first shows by how much.

    Parameters
    ----------
    model : Sequential, or sequence of weights
        Of the modules of this package, the encoder first, `Flatten` before fully connected layers.
        Or, of spike-once neurons that you wrote yourself, the weights of each layer, [out, in] or
        [out, in, kh, kw]; then ``plain`` has ``thresholds``, ``t_max`` and whatever else
        `sstdp_hw.from_arrays` takes.
    weight_width : int or sequence of int, optional
        Signed width of the weights in bits; left out, those that the model runs on.
    input_shape : (channels, height, width), optional
        Of the images, channels of pixels without planes. A fully connected first layer can do
        without: then a square, or a row.
    class_names, name : optional
    calibration : uint8 array [N, *input_shape], optional
        Training images that refine the scales of layers in float; see `sstdp_hw.quantize`.

    Raises
    ------
    UserError
        If a module is none of these, the order is no network's, or a width is out of range.
    """
    if not isinstance(model, nn.Module):
        return _of_weights(
            model, 4 if weight_width is None else weight_width, input_shape=input_shape,
            class_names=class_names, name=name, calibration=calibration, **plain,
        )  # fmt: skip
    if plain:
        raise UserError(
            f"{SOURCE}: {next(iter(plain))} is for plain weights, and a model has its own"
        )
    in_float = to_float_network(model, input_shape, class_names=class_names, name=name)
    widthless = any(not layer.weight_width for _, layer in in_float.weighted)
    if weight_width is None and widthless:
        raise UserError(
            f"{SOURCE}: weight_width must be given for a model in float; or call quantize_aware "
            "first"
        )
    return quantize(in_float, weight_width, calibration=calibration)[0]


def to_float_network(
    model: nn.Module, input_shape: Shape | None = None, *, class_names: Sequence[str] | None = None,
    name: str = "network",
) -> FloatNetwork:  # fmt: skip
    """The float network of a model: `save` writes what `quantize` and `train --init` take.

    Parameters and errors as of `to_network`.
    """
    modules = list(chain(model))
    first = modules[0] if modules else None
    if not isinstance(first, TTFSEncoder | SpikeInput):
        found = "nothing" if first is None else type(first).__name__
        raise UserError(
            f"{SOURCE}: a model must begin with TTFSEncoder or SpikeInput, not {found}; of weights "
            "alone hand over a list of them with thresholds and t_max"
        )
    made: list[tuple[Layer, float | None]] = []
    for place, module in enumerate(modules[1:], 1):
        if (file := FILED_MODULES.get(type(module))) is None:
            known = ", ".join(kind.__name__ for kind in FILED_MODULES)
            raise UserError(
                f"{SOURCE}: module {place} must be one of {known}, not {type(module).__name__}"
            )
        made.append(file(module))
    weighted = [module for module in modules if isinstance(module, PublicIF)]
    if not weighted:
        raise UserError(f"{SOURCE}: a model must have IF layers, and has none")
    table = first.table.cpu().numpy() if isinstance(first, TTFSEncoder) else None
    planes = first.planes if isinstance(first, TTFSEncoder) else 1
    if input_shape is None:
        if any(isinstance(module, IFConv2d | FirstSpikePool2d) for module in modules):
            raise UserError(
                f"{SOURCE}: input_shape must be given with a convolution, and is missing"
            )
        input_shape = square(weighted[0].weight.shape[1] // planes)
    if class_names is None:
        class_names = [str(number) for number in range(len(weighted[-1].weight))]
    return FloatNetwork(
        name=name, t_max=first.t_max, input_shape=tuple(input_shape),
        class_names=tuple(class_names), encoder=table, layers=tuple(layer for layer, _ in made),
        scales=tuple(scale for _, scale in made), source="model",
    )  # fmt: skip


def quantize_aware(model: nn.Module, weight_width: int | Sequence[int] = 4) -> nn.Module:
    """Let a model's forward pass run on integers, for fine-tuning; returns the model.

    Every layer gets the scale that fits its present weights best, and keeps it; the float weights
    stay, and gradients pass straight through the rounding. An optimizer that has the parameters
    goes on. The `state_dict` has the scales. Called again, scales are fitted again.

    Parameters
    ----------
    model : Module
        Whose IF layers, wherever in it, are quantized in order.
    weight_width : int or sequence of int
        1 to 16 bits, of all layers or of each.

    Raises
    ------
    UserError
        If there are not as many widths as layers, or one is out of range.
    """
    layers = [module for module in model.modules() if isinstance(module, PublicIF)]
    widths = [weight_width] * len(layers) if isinstance(weight_width, int) else list(weight_width)
    if not layers or len(widths) != len(layers):
        raise UserError(
            f"quantize_aware: widths must be one for each IF layer of the model, {len(layers)}, "
            f"not {len(widths)}"
        )
    for width in widths:
        if not 1 <= width <= MAX_WIDTH:
            raise UserError(
                f"quantize_aware: weight_width must be between 1 and {MAX_WIDTH}, not {width}"
            )
    for layer, width in zip(layers, widths, strict=True):
        layer.grid = Grid.fitted(layer.weight, width)
    return model


def _of_weights(weights: Sequence[Any], weight_width: Any, **settings: Any) -> Network:
    for needed in ("thresholds", "t_max"):
        if needed not in settings:
            raise UserError(f"{SOURCE}: {needed} must be given with plain weights, and is missing")
    thresholds = settings.pop("thresholds")
    return from_arrays(
        [_array(weight) for weight in weights], [_array(one) for one in thresholds],
        weight_width=weight_width, **settings,
    )  # fmt: skip


def _array(given: Any) -> Any:
    return given.detach().cpu().numpy() if isinstance(given, Tensor) else given


@torch.no_grad()
def _weighted(module: Any) -> tuple[Layer, float | None]:
    *tensors, scale = if_tensors(module)
    return FILED[module.kind](module.spec, *tensors), scale


def _flatten(module: nn.Flatten) -> tuple[Layer, None]:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise UserError(
            f"{SOURCE}: Flatten must be of all axes but the first, not from {module.start_dim} to "
            f"{module.end_dim}"
        )
    return Flatten(), None


# What the network file has for every module behind the encoder: its layer and the weights' scale.
FILED_MODULES: dict[type[nn.Module], Callable[[Any], tuple[Layer, float | None]]] = {
    IFLinear: _weighted, IFOutput: _weighted, IFConv2d: _weighted, nn.Flatten: _flatten,
    FirstSpikePool2d: lambda module: (FILED[module.kind](module.spec), None),
}  # fmt: skip
