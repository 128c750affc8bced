"""Images that share a fetch of their weights, in Amaranth's simulator: answers, every spike, every
cycle, and that nobody waits for an image that does not come.

`SSTDP_EXTERNAL_CASES=40 pytest tests/rtl/test_external_batch.py -k many` runs as many random
networks of each kind.
"""

import random
from bisect import bisect_left
from dataclasses import replace

import numpy as np
import pytest
from support.corner_networks import traffic_of
from support.external import (
    CASES,
    MANY,
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
from support.networks import directed, random_dense, with_spikes
from support.simulation import expected_words, packet_of, run

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.models.cycles import cycles_per_image, latency_per_image
from sstdp_hw.reference import inference as reference


def batched(case, size):
    return replace(case, configuration=replace(case.configuration, batch=size))


@pytest.mark.parametrize("size, latency, interval", [(2, 0, 1), (3, 30, 2), (8, 5, 7)])
def test_a_batch_shares_every_fetch(size, latency, interval):
    """A last batch that is not full, too: 3 is no power of two, and 15 images no multiple."""
    case = batched(small_tiled_network(images=15), size)
    found = check(case, latency=latency, interval=interval)
    assert found.plan.counts() == [3, 1]
    assert -(-15 // size) <= found.batches <= 15 // size + 3, "the first ones find few images"


def test_an_image_that_is_just_in_time_and_one_that_is_not():
    """A memory that is a cycle later closes the first batch a cycle later."""
    rng = np.random.default_rng(4)
    hidden, output = random_dense(rng, 4, 144, 4), random_dense(rng, 2, 4, 3)
    hidden.threshold[:] = 3
    hidden.weight[:, 100:] = 0  # two bursts of a tile, so that its latency counts once
    case = directed(4, hidden, output, shape=(1, 12, 12), images=2, early_exit=True)
    case.images[rng.random(case.images.shape) < 0.95] = 0
    case = batched(external(case, lanes=2, memory_width=16), 2)
    parameters = AcceleratorParameters(case.network, case.configuration)
    inference = reference.run(case.network, case.images)

    def together(latency):
        return bool(cycles_per_image(parameters, inference, memory_latency=latency)[1] < 99)

    first = bisect_left(range(400), True, key=together)
    assert not together(0) and together(399)
    assert [check(case, latency=first + by).batches for by in (-1, 0)] == [2, 1]


def test_layers_and_images_by_turns():
    """Several tiles and pools in every hidden layer, every spike compared."""
    images, size, most = (9, 4, 5) if CASES else (3, 2, 2)
    found = check(batched(tiled_network(images=images), size), latency=25)
    assert found.plan.counts() == [2, 3, 1] and found.batches <= most


def test_a_network_of_one_tile():
    """It is the first one and the last one."""
    rng = np.random.default_rng(2)
    case = directed(2, random_dense(rng, 4, 9, 4), shape=(1, 3, 3), images=11, early_exit=True)
    found = check(batched(external(case, lanes=4, memory_width=16), 4), latency=60)
    assert found.plan.counts() == [1] and found.batches < 7


def test_events_as_input():
    case = with_spikes(small_tiled_network(seed=2, images=11))
    found = check(batched(case, 4), latency=9)
    assert found.batches < 8
    inference = reference.run(case.network, case.images)
    for size in (1, 4):
        case = batched(case, size)
        waits = {(number, 0) for number in range(len(case.images))}
        seen = run(case.network, case.configuration, case.images, memory=memory_of(case),
                   waits=waits)  # fmt: skip
        assert seen.words == expected_words(inference)
    parameters = AcceleratorParameters(case.network, case.configuration)
    assert (latency_per_image(parameters, inference) > 0).all()


@pytest.mark.parametrize("make", [small_tiled_network, with_spikes])
def test_nobody_waits_for_an_image_that_does_not_come(make):
    """Images one at a time, in groups, and one whose packet stops in the middle: each time what
    comes next waits for all answers to what is whole."""
    case = small_tiled_network(seed=6, images=23)
    case = batched(case if make is small_tiled_network else make(case), 4)
    lengths = [len(packet_of(case.network, case.configuration, image)) for image in case.images]
    waits = {(number, 0) for number in (1, 2, 3, 8, 9, 11, 18)}
    waits |= {(number, lengths[number] // 2) for number in (5, 10, 20)}
    check(case, latency=10, waits=waits, limit=40_000)


def test_an_image_alone_takes_no_longer_than_without_a_batch():
    """But for the cycles in which its events come together."""
    case = small_tiled_network(seed=8, images=6)
    inference = reference.run(case.network, case.images)
    alone, shared = (
        latency_per_image(AcceleratorParameters(case.network, found.configuration), inference)
        for found in (case, batched(case, 4))
    )
    assert (shared <= alone + 3 * case.images[0].size + 10).all()


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_many_images_with_room_for_few(share):
    """Every input fires, so that the ring is full of a batch, and what comes has to wait; or few
    do, and there is room for events, but not for images."""
    case = batched(small_tiled_network(seed=9, images=24), 2)
    rng = np.random.default_rng(9)
    case.images[:] = rng.integers(100, 256, case.images.shape)
    case.images[rng.random(case.images.shape) >= share] = 0
    found = check(case, latency=60)
    assert found.batches < 15


def test_a_frame_error_flags_its_image_and_no_other():
    case = small_tiled_network(seed=10, images=30)
    case = batched(case, 3)
    traffic = traffic_of(case)
    assert 3 < traffic.errors.sum() < 27
    check(case, latency=5, traffic=traffic)


def test_a_memory_that_stalls_and_streams_that_do():
    case = batched(small_tiled_network(seed=3, images=14), 4)
    check(case, latency=(0, 30), memory_stalls=0.5, stalls=0.3)


def test_reset_at_any_moment_leaves_no_trace():
    check(batched(small_tiled_network(seed=4, images=7), 3), resets=6, latency=6)


def test_an_error_of_the_bus_flags_its_batch_and_no_other():
    """All images that used the tile, the first one or the last; the next batch fetches it again."""
    case = batched(small_tiled_network(seed=5, images=17), 4)
    count = bursts_of_an_image(case)
    assert count == 4
    found = flagged(case, {count: "slverr", 4 * count - 1: "decerr"}, latency=(90, 90))
    assert found == [4, 5, 6, 7, 12, 13, 14, 15]


@MANY
def test_a_burst_that_never_ends_is_answered():
    case = batched(small_tiled_network(seed=6, images=40), 4)
    found = flagged(case, {4 * bursts_of_an_image(case): "never"}, pause=4400)
    assert 4 <= len(found) < 40 and found == list(range(found[0], found[0] + len(found)))


def test_what_is_fetched_limits_less():
    """Cycles by the model: a slow memory, of which each image takes a share."""
    case = small_tiled_network(seed=7, images=60)
    inference = reference.run(case.network, case.images)
    shares = []
    for size in (1, 2, 4, 8):
        parameters = AcceleratorParameters(case.network, batched(case, size).configuration)
        found = cycles_per_image(parameters, inference, memory_latency=9, memory_interval=99)
        shares.append(size * found[20:52].mean())
    assert shares == pytest.approx([shares[0]] * 4, rel=0.02)


@for_many
def test_many_random_networks(make, seed):
    chance = random.Random(seed)
    case = random_external(make, seed, chance, images=chance.choice((5, 9, 13)))
    case = batched(case, chance.randrange(2, 9))
    count = len(case.images)
    if seed % 3 == 1:
        check(case, latency=chance.choice((0, 9, 70)), interval=chance.choice((1, 1, 3)))
    elif seed % 3 == 2:
        waits = {(chance.randrange(count), 0) for _ in range(4)}
        check(case, latency=(0, 40), waits=waits, stalls=0.2 * (seed % 2))
    else:
        traffic = None if case.network.input_kind == "spikes" else traffic_of(case)
        check(case, latency=(0, 40), memory_stalls=0.3, stalls=0.4 * (seed % 2), traffic=traffic)
