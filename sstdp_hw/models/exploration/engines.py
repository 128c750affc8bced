"""Configurations of one engine for all layers that are worth a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from ...blocks.hardware import SEQUENTIAL, AcceleratorParameters, Configuration
from ...blocks.weight_store import EXTERNAL, ROM
from ...network.network import Network
from ...reference.inference import Inference
from ..cost import layer_work
from .points import pixels_worth_a_look


def engine_configurations(
    network: Network,
    inference: Inference,
    *,
    early_exit: bool = True,
    pixels_per_beat: int | None = None,
    weights: str = ROM.kind,
    memory_widths: Sequence[int] = (EXTERNAL.bus.data_width,),
    batches: Sequence[int] = (EXTERNAL.batch,),
) -> list[Configuration]:
    """Configurations of one engine for all layers that differ in more than a lane that idles.

    Lanes are the fewest for every number of groups that a layer can have. With external weights the
    buffer is the smallest, and twice and four times that, and the memory of potentials the largest,
    a half and a quarter; those whose tiles are the same count once, with the smaller buffer.
    """
    plain = Configuration(
        None, 1, early_exit, weights, architecture=SEQUENTIAL
    )  # fmt: skip
    layers = AcceleratorParameters(network, plain).layers
    most = min(max(layer.spanned for layer in layers), layers[0].most_lanes)
    sizes = {layer.spanned for layer in layers}
    lanes = sorted({
        -(-size // groups) for size in sizes for groups in _group_counts(size)
        if -(-size // groups) <= most
    })  # fmt: skip
    found: dict[tuple[object, ...], Configuration] = {}
    for count in lanes:
        chosen = replace(plain, lanes=(count,))
        parameters = AcceleratorParameters(network, chosen)
        busiest = float(layer_work(parameters, inference).sum(axis=1).mean())
        pixels = pixels_per_beat or min(pixels_worth_a_look(network, busiest))
        chosen = replace(chosen, pixels_per_beat=pixels)
        if not parameters.store.external:
            found[count,] = chosen
            continue
        for width, batch in product(memory_widths, batches):
            for made in _tilings(network, replace(chosen, memory_width=width, batch=batch)):
                tiled = AcceleratorParameters(network, made).tiled
                found.setdefault((count, width, batch, tiled.plan.tiles), made)
    return list(found.values())


def _group_counts(size: int) -> list[int]:
    """Numbers of groups worth a look: all up to 4, then each a fourth more."""
    found, groups = [], 1
    while groups <= size:
        found.append(groups)
        groups = max(groups + 1, groups * 5 // 4)
    return found


def _tilings(network: Network, configuration: Configuration) -> Iterator[Configuration]:
    """Sizes of the buffer and of the memory of potentials, the smallest buffer first."""
    tiled = AcceleratorParameters(network, configuration).tiled
    plan = tiled.plan
    potentials = [0]
    if tiled.maps:
        whole = plan.word_bits * max(groups * at for groups, _, at in plan.shapes)
        potentials += [
            whole // share for share in (2, 4) if whole // share >= plan.least_potentials
        ]
    for times, bits in product((1, 2, 4), potentials):
        yield replace(
            configuration, weight_buffer=times * plan.least_bits, potential_memory=bits
        )  # fmt: skip
