"""Random samples, images or spike times, that reach what those of a data set and plain noise do
not.

Noise fires every pixel spread over all steps, so that a decision falls early and nothing that only
late or few spikes can do ever happens.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sstdp_hw.network.layers import Array
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference

_POOL_FACTOR = 10  # random images drawn for each that is decided early


#: By the kind of a network's input: the earliest spike by the value of a pixel, of 256; where the
#: input is spikes, values stand for spike times, all of them alike.
EARLIEST: dict[str, Callable[[Network], Array]] = {
    "pixels": lambda network: network.tables.min(axis=0),
    "spikes": lambda network: (np.arange(256) * (network.t_max + 1) >> 8).astype(np.uint8),
}

#: By the kind of a network's input: the sample that 256 values stand for.
OF_VALUES: dict[str, Callable[[Network, Array], Array]] = {
    "pixels": lambda network, values: values,
    "spikes": lambda network, values: EARLIEST["spikes"](network)[values],
}


def hostile_images(network: Network, random: np.random.Generator, count: int) -> Array:
    """``count`` `random_images`, and behind them up to as many `early_decisions`."""
    return np.concatenate([
        random_images(network, random, count), early_decisions(network, random, count)
    ])  # fmt: skip


def random_images(network: Network, random: np.random.Generator, count: int) -> Array:
    """Images of very different density and timing: uint8 [count, *input_shape].

    Every fourth is noise in all values. In the others a share of the pixels, from none to all, or
    a single one, fires within a window of steps, from a single one to all of them; in some all fire
    in the window's last step. Every fourth image comes a second time: two that leave the encoder
    late and give the layers little to do show what the encoder alone takes.
    """
    return OF_VALUES[network.input_kind](network, _random_values(network, random, count))


def _random_values(network: Network, random: np.random.Generator, count: int) -> Array:
    """What `random_images` stand for: uint8 [count, *input_shape], see `EARLIEST`."""
    t_max, earliest = network.t_max, EARLIEST[network.input_kind](network)
    values = [np.flatnonzero(earliest == step) for step in range(t_max + 1)]
    steps = np.array([step for step in range(t_max) if len(values[step])])
    images = random.integers(0, 256, (count, network.pixels), dtype=np.uint8)
    silent = values[t_max]
    for number, image in enumerate(images):
        if number % 4 == 3 or not len(steps):
            continue
        if number and random.random() < 0.25:
            image[:] = images[number - 1]
            continue
        first, last = np.sort(random.integers(len(steps), size=2))
        if random.random() < 0.25:
            last = len(steps) - 1
        at = random.integers(first, last + 1, len(image))
        if random.random() < 0.3:
            at[:] = last
        for step in np.unique(at):
            chosen = np.flatnonzero(at == step)
            image[chosen] = random.choice(values[steps[step]], len(chosen))
        if len(silent):
            rest = random.random(len(image)) >= random.random() ** 2
            if random.random() < 0.2:
                rest[:] = True
                rest[random.integers(len(image))] = False
            image[rest] = random.choice(silent, np.count_nonzero(rest))
    return images.reshape(count, *network.input_shape)


def early_decisions(network: Network, random: np.random.Generator, count: int) -> Array:
    """Random images of which most are decided while the encoder still has spikes to emit, few or
    many in a step: what is on its way in the chain is then dropped in every state that it can have.

    Returns
    -------
    uint8 array [0 to count, *input_shape]
        Fewer if few random images are decided before the last step.
    """
    made = OF_VALUES[network.input_kind]
    pool = _random_values(network, random, _POOL_FACTOR * count)
    decided = reference.run(network, made(network, pool)).decision_times
    early = np.flatnonzero(decided < network.t_max - 1)
    early = early[np.argsort(decided[early], kind="stable")][:count]
    images, last = pool[early], decided[early].reshape(-1, *[1] * (pool.ndim - 1))
    # Behind the decision any spike may come: a share of the pixels fires in these steps.
    earliest = EARLIEST[network.input_kind](network)
    values = np.flatnonzero(earliest < network.t_max)
    silent = np.flatnonzero(earliest == network.t_max)
    if not len(values):
        return made(network, images)
    tails = random.choice(values, images.shape)
    if len(silent):
        tails[random.random(images.shape) >= random.random(last.shape)] = silent[0]
    changed = (earliest[images] > last) & (earliest[tails] > last)
    return made(network, np.where(changed, tails, images).astype(np.uint8))
