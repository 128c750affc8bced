"""Weights from an external memory in Amaranth's simulator: answers, every spike, every cycle; and
what becomes of a memory that is slow, irregular or broken.

`SSTDP_EXTERNAL_CASES=40 pytest tests/rtl/test_external.py -k many` runs as many random networks of
each kind.
"""

import random
from dataclasses import replace

import numpy as np
import pytest
from support.axi_memory import AxiMemory
from support.corner_networks import corner_case
from support.external import (
    bursts_of_an_image,
    check,
    external,
    flagged,
    for_many,
    memory_of,
    random_external,
    small_tiled_network,
    tiled_network,
)
from support.networks import directed, random_dense
from support.simulation import expected_words, run

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.reference import inference as reference


def test_several_tiles_of_every_hidden_layer():
    case = tiled_network()
    plan = check(case, latency=25).plan
    assert plan.counts() == [2, 3, 1]
    engine = AcceleratorParameters(case.network, case.configuration).tiled
    configuration = replace(
        case.configuration, weight_buffer=1 << 20, potential_memory=27 * plan.word_bits
    )
    case = replace(case, configuration=configuration, images=case.images[:2])
    assert check(case).plan.counts() == [3, 1, 1]
    less = AcceleratorParameters(case.network, case.configuration).tiled
    assert less.words == 27 < engine.words == 32


@pytest.mark.parametrize("seed, make", [(3, corner_case)])
def test_random_networks(seed, make):
    check(external(make(seed, early_exit=seed % 2 > 0, images=4)), latency=seed)


def test_events_of_the_first_layer_are_played_again():
    case = small_tiled_network(images=10)
    plan = check(case).plan
    assert plan.counts() == [3, 1]
    configuration = replace(case.configuration, weight_buffer=plan.least_bits * 2)
    assert check(replace(case, configuration=configuration)).plan.counts() == [1, 1]


@pytest.mark.parametrize("latency, interval", [(0, 2), (5, 3), (40, 7), (1, 9)])
def test_a_slow_memory_takes_the_cycles_that_were_told(latency, interval):
    check(small_tiled_network(images=4), latency=latency, interval=interval)


def test_bursts_of_a_slow_memory_follow_each_other_at_its_rate():
    """A tile of several bursts."""
    rng = np.random.default_rng(5)
    hidden, output = random_dense(rng, 4, 100, 4), random_dense(rng, 2, 4, 3)
    case = directed(5, hidden, output, shape=(1, 10, 10), images=3)
    plan = check(external(case, lanes=4, memory_width=16), latency=3, interval=2).plan
    assert plan.beats(plan.tiles[0]) > plan.bus.longest


def test_the_base_address_is_taken_in_reset():
    """What the port tells later, and within a page, counts for nothing."""
    case = small_tiled_network(images=6)
    chosen = replace(case.configuration, base_port=True, base_address=0xFFFF_F000)
    check(replace(case, configuration=chosen))
    for base in (0, 0x8000_3000):  # the hardware is the same
        memory = AxiMemory(memory_of(case).contents, base, seed=base)
        seen = run(case.network, chosen, case.images, memory=memory, resets=3, seed=base)
        assert seen.words == expected_words(reference.run(case.network, case.images))
        assert {address >> 12 for address, _ in memory.bursts} == {base >> 12}


def test_a_memory_that_stalls():
    case = small_tiled_network(seed=3, images=12)
    check(case, latency=(0, 30), memory_stalls=0.5, stalls=0.3)


def test_reset_at_any_moment_leaves_no_trace():
    check(small_tiled_network(seed=4, images=4), resets=6, latency=6)


def test_an_error_of_the_bus_flags_its_image_and_no_other():
    """Of every kind, in the first tile of an image, and in the last one."""
    case = small_tiled_network(seed=5, images=17)
    count = bursts_of_an_image(case)
    assert count == 4
    kinds = ["slverr", "decerr", "decerr", "slverr"]
    faults = {4 * count * n: kind for n, kind in enumerate(kinds)}
    faults |= {4 * count * n + 3 * count - 1: kind for n, kind in enumerate(kinds)}
    assert flagged(case, faults) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert flagged(case, {}) == []


@pytest.mark.parametrize("kind", ["early", "late", "extra"])
@pytest.mark.parametrize("latency", [0, 60])
def test_after_a_burst_of_the_wrong_length_all_images_are_flagged(kind, latency):
    """Which beats belong to what is not known any more. Tiles are of one beat, so that a beat too
    many is as long as what comes next."""
    rng = np.random.default_rng(7)
    layers = random_dense(rng, 1, 1, 4), random_dense(rng, 2, 1, 3)
    case = directed(7, *layers, shape=(1, 1, 1), images=9, early_exit=True)
    case = external(case, lanes=2, memory_width=16)
    count = bursts_of_an_image(case)
    faults = {2 * count: kind}
    wanted = [] if kind == "early" else list(range(2, 9))  # one beat cannot end early
    assert flagged(case, faults, latency=(latency, latency)) == wanted
    longer = small_tiled_network(seed=5, images=9)
    faults = {2 * bursts_of_an_image(longer): kind}
    assert flagged(longer, faults, latency=(latency, latency)) == list(range(2, 9))


def test_a_burst_that_never_ends_is_answered_and_the_way_back_is_found():
    """As soon as what was owed has come; until then fetches fail at once, and so do images."""
    case = small_tiled_network(seed=6, images=20)
    count = bursts_of_an_image(case)
    found = flagged(case, {2 * count: "never"}, pause=4400)
    assert found[0] == 2 and found == list(range(2, found[-1] + 1)) and 3 < found[-1] < 19


@for_many
def test_many_random_networks(make, seed):
    chance = random.Random(seed)
    case = random_external(make, seed, chance, images=4, base_address=seed % 3 * 4096)
    if seed % 3:
        check(case, latency=chance.choice((0, 9, 70)))
    else:
        check(case, latency=(0, 40), memory_stalls=0.3, stalls=0.4 * (seed % 2))
