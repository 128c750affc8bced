"""Whether a network can be loaded into an accelerator that was made for another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..base.errors import UserError
from ..blocks.hardware import AcceleratorParameters
from ..network.layers import fits_width
from ..network.network import Network


def frame(network: Network) -> dict[str, Any]:
    """What is fixed when the accelerator is made, weight widths aside, by the words for it."""
    weighted = dict(network.weighted)
    found: dict[str, Any] = {
        "time steps": network.t_max,
        "kind of input": network.input_kind,
        "input shape": list(network.input_shape),
        "planes": network.planes,
        "layers": len(network.layers),
    }
    for index, layer in enumerate(network.layers):
        found[f"kind of layers.{index}"] = layer.kind
        for name, value in layer.geometry().items():
            found[f"{name} of layers.{index}"] = value
        if index in weighted:
            found[f"weight shape of layers.{index}"] = list(weighted[index].weight.shape)
    return found


def fitted(hardware: AcceleratorParameters, network: Network) -> AcceleratorParameters:
    """The accelerator with another network in its memories.

    Parameters
    ----------
    hardware : AcceleratorParameters
        With the network that it was generated from.
    network : Network
        Weights may have another width, if the values fit.

    Raises
    ------
    UserError
        If weights are constants of the accelerator, or the network does not fit: in shape, in the
        width of its weights, or in that of its potentials, which might overflow.
    """
    if hardware.store.external:
        if network.digest == hardware.network.digest:
            return hardware
        raise UserError(
            f"{network.source}: must be the network that the accelerator was generated from "
            f"(digest {hardware.network.digest[:12]}...), not {network.digest[:12]}...: only "
            "weights stand outside; its thresholds and encoder, the widths of its potentials and "
            "which inputs it drops are constants of the Verilog; generate one for this network"
        )
    if not hardware.store.loaded:
        raise UserError(
            "Weights of this accelerator are constants of its Verilog, so no network can be loaded "
            "into it; generate with --weights loadable"
        )
    wanted, found = frame(hardware.network), frame(network)
    for name, value in wanted.items():
        if found.get(name, value) != value:
            raise UserError(
                f"{network.source}: {name} must be {value}, as in the accelerator, not "
                f"{found[name]}; generate one for this network"
            )
    layers = list(network.layers)
    for index, layer in hardware.network.weighted:
        width, given = layer.weight_width, dict(network.weighted)[index]
        if not fits_width(given.weight, width):
            rule = "be -1 or +1" if width == 1 else f"fit {width} bits"
            raise UserError(
                f"{network.source}: weights of layers.{index} must {rule}, as in the accelerator, "
                f"and span {given.weight.min()} to {given.weight.max()}; quantize to fewer bits"
            )
        layers[index] = replace(given, weight_width=width)
    configuration = replace(hardware.configuration, membrane_width=hardware.membrane_widths)
    try:
        return AcceleratorParameters(replace(network, layers=tuple(layers)), configuration)
    except UserError as error:  # a potential could overflow
        raise UserError(f"{network.source}: {error}") from None
