"""Random cases of every kind, as the command line makes and plays them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..blocks.hardware import SEQUENTIAL, STREAMING, AcceleratorParameters, Configuration
from ..blocks.weight_store import EXTERNAL, STORES
from .convolutional import random_conv_case
from .dense import Case, random_case, with_spikes
from .extreme import corner_case

#: How networks are drawn.
MAKERS = {"dense": random_case, "convolutional": random_conv_case, "extreme": corner_case}
_MEMORY_WIDTHS = (16, 32, 64, 128)
_BATCHES = (1, 1, 2, 3, 8)
_BASES = (0, 0x3000, 0x8000_0000, 0xF000_0000)
_SPIKES = 0.2  # share of the cases whose input is spikes
_MOST_LANES = 17  # of one engine


@dataclass(frozen=True, eq=False)
class DrawnCase:
    """A case, and the options of ``generate`` and ``simulate`` that stand for its configuration
    and its traffic.

    Parameters
    ----------
    case : Case
    generate, simulate : tuple of str
    """

    case: Case
    generate: tuple[str, ...]
    simulate: tuple[str, ...]

    @property
    def text(self) -> str:
        """In a few words."""
        network, chosen = self.case.network, self.case.configuration
        return f"{network.name}, {chosen.architecture}, weights {chosen.weights}"


def drawn_case(seed: int, samples: int) -> DrawnCase:
    """A network, a configuration, images or spike times, and traffic: all follow from the seed.

    Streaming and sequential, weights in every store, pixels and spikes, with early exit and,
    spike for spike, without; every other case without gaps and stalls.
    """
    rng = np.random.default_rng([seed, 1])
    early_exit = bool(rng.integers(2))
    maker = MAKERS[str(rng.choice(list(MAKERS)))]
    case = maker(seed, early_exit=early_exit, images=max(3, samples))
    case = replace(case, images=case.images[:samples])
    spikes = rng.random() < _SPIKES
    architecture = str(rng.choice([STREAMING, SEQUENTIAL]))
    stores = (
        list(STORES) if architecture == SEQUENTIAL else [n for n in STORES if n != EXTERNAL.kind]
    )
    weights = str(rng.choice(stores))
    if spikes:
        case = with_spikes(case)
    configuration = _configuration(case, rng, architecture, weights)
    stalls = bool(rng.integers(2))
    simulate = ["--gaps", "0.3", "--backpressure", "0.5"] if stalls else []
    if weights == EXTERNAL.kind and stalls:
        simulate += ["--memory-latency", str(rng.integers(40)), "--memory-stalls", "0.3"]
    simulate += ["--seed", str(seed)]
    if not early_exit:
        simulate.append("--every-spike")
    case = replace(case, configuration=configuration)
    return DrawnCase(case, _generate_options(configuration), tuple(simulate))


def _configuration(
    case: Case, rng: np.random.Generator, architecture: str, weights: str
) -> Configuration:
    """The case's, for this architecture and store."""
    weighted = [layer for _, layer in case.network.weighted]
    if architecture == STREAMING:
        lanes = tuple(int(rng.integers(1, layer.outputs + 1)) for layer in weighted)
    else:
        lanes = (int(rng.integers(1, min(_MOST_LANES, max(x.outputs for x in weighted)) + 1)),)
    chosen = replace(case.configuration, lanes=lanes, architecture=architecture, weights=weights)
    if weights == EXTERNAL.kind:
        return _with_memory(case, chosen, rng)
    return chosen


def _with_memory(case: Case, chosen: Configuration, rng: np.random.Generator) -> Configuration:
    """Any bus, place and batch, and tiles cut by the buffer or by potentials; at times by both."""
    chosen = replace(
        chosen, memory_width=int(rng.choice(_MEMORY_WIDTHS)), base_port=bool(rng.integers(2)),
        base_address=int(rng.choice(_BASES)), batch=int(rng.choice(_BATCHES)),
    )  # fmt: skip
    tiled = AcceleratorParameters(case.network, chosen).tiled
    plan = tiled.plan
    if rng.integers(2):
        larger = 2 * plan.row_bits * int(rng.integers(200))
        chosen = replace(chosen, weight_buffer=plan.least_bits + larger)
    if tiled.maps and rng.integers(2):
        larger = plan.word_bits * int(rng.integers(8))
        chosen = replace(chosen, potential_memory=plan.least_potentials + larger)
    return chosen


def _generate_options(chosen: Configuration) -> tuple[str, ...]:
    assert chosen.lanes is not None, "drawn"
    options = ["--lanes", ",".join(map(str, chosen.lanes))]
    options += ["--architecture", chosen.architecture, "--weights", chosen.weights]
    options += ["--pixels-per-beat", str(chosen.pixels_per_beat)]
    if chosen.weights == EXTERNAL.kind:
        options += ["--memory-width", str(chosen.memory_width), "--batch", str(chosen.batch)]
        options += ["--base-address", hex(chosen.base_address)]
        options += ["--base-port"] if chosen.base_port else []
        for name, bits in (
            ("--weight-buffer", chosen.weight_buffer),
            ("--potential-memory", chosen.potential_memory),
        ):
            options += [name, str(bits)] if bits else []
    if not chosen.early_exit:
        options.append("--no-early-exit")
    return tuple(options)
