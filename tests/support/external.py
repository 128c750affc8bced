"""Accelerators with weights in an external memory, in Amaranth's simulator: what is drawn, and what
every run is held to."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.blocks.sequential.tiles import TilePlan
from sstdp_hw.contract.answer import ANSWER, BUS_ERROR
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.network.layers import Pool2d
from sstdp_hw.reference import inference as reference

from .axi_memory import AxiMemory
from .conv_networks import random_conv, random_conv_case
from .corner_networks import corner_case
from .networks import directed, random_case, random_dense, with_spikes
from .simulation import expected_spikes, expected_words, run

FLAG = 1 << BUS_ERROR.offset
FRAME_ERROR = next(field for field in ANSWER if field.name == "frame_error")
#: Random networks of each kind.
CASES = int(os.environ.get("SSTDP_EXTERNAL_CASES", "0"))
MANY = pytest.mark.skipif(not CASES, reason="SSTDP_EXTERNAL_CASES is not set")


class Checked(NamedTuple):
    """What was run: tiles, bursts of the memory, and how many of them fetch all tiles once."""

    plan: TilePlan
    bursts: list[tuple[int, int]]
    once: int

    @property
    def batches(self):
        """Batches that were computed whole; up to two tiles of the next one were fetched ahead."""
        return (len(self.bursts) - 1) // self.once


def external(case, seed=None, **options):
    """The same case for one engine with weights outside; lanes and widths follow the seed."""
    chance = random.Random(case.seed if seed is None else seed)
    most = max(layer.outputs for _, layer in case.network.weighted)
    lanes = options.pop("lanes", 1 + 7 * case.seed % min(most, 17))
    chosen = {"memory_width": chance.choice((16, 32, 64, 128))} | options
    configuration = replace(
        case.configuration, lanes=(lanes,), architecture="sequential", weights="external", **chosen
    )
    return replace(case, configuration=configuration)


def for_many(test):
    """Run the test for random networks of each kind, if they are asked for."""
    for mark in (
        pytest.mark.parametrize("make", (corner_case, random_case, random_conv_case)),
        pytest.mark.parametrize("seed", range(CASES)),
        MANY,
    ):
        test = mark(test)
    return test


def random_external(make, seed, chance, *, images, **options):
    """A random network with its weights outside; some take spikes, some have a buffer of their
    own."""
    case = external(make(seed, early_exit=seed % 2 > 0, images=images), **options)
    if seed % 7 == 3:
        case = with_spikes(case)
    if seed % 5 > 2:
        plan = AcceleratorParameters(case.network, case.configuration).tiled.plan
        bits = plan.least_bits + 2 * plan.row_bits * chance.randrange(1, 200)
        case = replace(case, configuration=replace(case.configuration, weight_buffer=bits))
    return case


def memory_of(case, **options):
    parameters = AcceleratorParameters(case.network, case.configuration)
    return AxiMemory(parameters.tiled.image(), parameters.store.base, seed=case.seed, **options)


def check(case, *, latency=0, interval=1, stalls=0.0, memory_stalls=0.0, traffic=None, **options):
    """Answers, without early exit every spike, and without stalls every cycle; what the memory was
    asked for. The plan of tiles, and the bursts. ``traffic`` is a `corner_networks.Traffic`."""
    network, configuration, images = case.network, case.configuration, case.images
    inference = reference.run(network, images, present=traffic.present if traffic else None)
    if traffic:
        options["packets"] = traffic.packets
    times = latency if isinstance(latency, tuple) else (latency, latency)
    memory = memory_of(case, latency=times, interval=interval, stalls=memory_stalls)
    seen = run(
        network, configuration, images, stalls=stalls, seed=case.seed, memory=memory, **options
    )
    wanted = expected_words(inference)
    if traffic:
        bits = traffic.errors.astype(int) << FRAME_ERROR.offset
        wanted = [word | int(bit) for word, bit in zip(wanted, bits, strict=True)]
    assert seen.words == wanted
    if not configuration.early_exit and not options.get("resets"):
        wanted = [expected_spikes(network, inference, image) for image in range(len(images))]
        assert set(seen.spikes) == set.union(*wanted)
        assert len(seen.spikes) == sum(map(len, wanted)), "a spike came twice"
    parameters = AcceleratorParameters(network, configuration)
    plan = parameters.tiled.plan
    tiles = zip(plan.tiles, plan.offsets, strict=False)
    once = [
        burst for tile, offset in tiles
        for burst in plan.bus.bursts(plan.base + offset, plan.beats(tile))
    ]  # fmt: skip
    if not options.get("resets"):  # always the same, in the same order
        again = -(-len(memory.bursts) // len(once))
        assert memory.bursts == (once * again)[: len(memory.bursts)]
    if not stalls and not memory_stalls and isinstance(latency, int) and not options:
        predicted = cycles_per_image(
            parameters, inference, memory_latency=latency, memory_interval=interval
        )
        assert predicted.tolist() == np.diff(seen.cycles, prepend=-1).tolist()
    return Checked(plan, memory.bursts, len(once))


def tiled_network(seed=1, **options):
    """On two lanes two tiles of the first layer and three of the second, pools behind both."""
    rng = np.random.default_rng(seed)
    first = random_conv(rng, 6, (1, 6, 6), kernel=(3, 3), stride=(1, 1), padding=(0, 0), width=4)
    second = random_conv(rng, 6, (6, 4, 4), kernel=(2, 2), stride=(1, 1), padding=(0, 0), width=4)
    first.threshold[:], second.threshold[:] = 3, 6
    output = random_dense(rng, 2, 6, 3)
    output.threshold[:] = 2
    layers = (first, Pool2d((1, 1)), second, Pool2d((3, 3)), output)
    return external(directed(seed, *layers, shape=(1, 6, 6), **options), lanes=2, memory_width=16)


def small_tiled_network(seed=1, **options):
    """Three tiles of the first layer on one lane, as its events are played again."""
    rng = np.random.default_rng(seed)
    hidden, output = random_dense(rng, 5, 4, 4), random_dense(rng, 2, 5, 3)
    hidden.threshold[:] = 3
    case = directed(seed, hidden, output, shape=(1, 2, 2), early_exit=True, **options)
    return external(case, lanes=1, memory_width=16)


def flagged(case, faults, pause=0, **options):
    """Run with faults; the images that are flagged, after a look at all the others."""
    memory = memory_of(case, faults=faults, pause=pause, **options)
    seen = run(case.network, case.configuration, case.images, memory=memory)
    wanted = expected_words(reference.run(case.network, case.images))
    assert len(seen.words) == len(wanted)
    for word, right in zip(seen.words, wanted, strict=True):
        assert word & FLAG or word == right
    return [number for number, word in enumerate(seen.words) if word & FLAG]


def bursts_of_an_image(case):
    plan = AcceleratorParameters(case.network, case.configuration).tiled.plan
    return sum(
        len(plan.bus.bursts(plan.base + offset, plan.beats(tile)))
        for tile, offset in zip(plan.tiles, plan.offsets, strict=False)
    )
