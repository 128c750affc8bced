"""Images of the memories as a hostile host sends them: right ones of two networks in turn, wrong
ones in between, while packets come; and what must become of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.contract.answer import LOAD
from sstdp_hw.contract.memory_image import HEADER_WORDS, REFUSALS, memory_image, with_crc
from sstdp_hw.network.layers import Array
from sstdp_hw.network.network import Network

from ..simulation.loads import Load, Loads
from ..simulation.packets import Answers

#: Share of right images of the memories that a wrong one goes before.
_WRONG = 0.5


@dataclass(frozen=True, eq=False)
class LoadPlan:
    """What is loaded while a stream is played.

    Parameters
    ----------
    loads : Loads
    networks : list of int
        For each of them the row of ``words``; -1 for one that must be refused.
    refusals : list of int
        Why, by number; 0 for those that must not be refused.
    words : int64 array [networks, packets]
        What each network answers to each packet, as `beats.Stream.words`.
    """

    loads: Loads
    networks: list[int]
    refusals: list[int]
    words: Array

    def wanted(self, answers: Answers, first: int, begun: int) -> Array:
        """What the answers from ``first`` on must be, to the packets from ``begun`` on: int64, one
        for each packet that is left. Behind the last answer the last network counts."""
        left = self.words.shape[1] - begun
        place = np.arange(first, first + left)
        load = np.searchsorted(answers.loads[:, 0], place, side="right") - 1
        if not len(answers.loads):
            return np.full(left, -1)
        numbers = answers.loads[np.maximum(load, 0), 1]
        network = np.array(self.networks)[numbers]
        found: Array = self.words[np.maximum(network, 0), np.arange(begun, begun + left)].copy()
        if len(answers.words):  # which load had which bit, told from the first answer
            base = int(answers.words[0]) >> LOAD.offset & 1
            earlier = np.searchsorted(answers.loads[:, 0], 0, side="right") - 1
            bit = (base + load - earlier) % 2
            found = np.where(found < 0, found, found | bit << LOAD.offset)
        return np.where(network < 0, -2, found)

    def findings(self, answers: Answers) -> list[str]:
        """What is wrong with what became of the loads, a line each."""
        found = []
        for number, why in answers.refused.tolist():
            wanted = self.refusals[number]
            if why != wanted:
                name = REFUSALS[why] if why < len(REFUSALS) else str(why)
                found.append(f"load {number}: refused for {name}, expected {REFUSALS[wanted]}")
        for number in answers.loads[:, 1].tolist():
            if self.refusals[number]:
                found.append(f"load {number}: accepted, expected {REFUSALS[self.refusals[number]]}")
        # A reset may cut off a load, which then comes twice; none may be left out.
        seen = np.union1d(answers.refused[:, 0], answers.loads[:, 1])
        last = int(seen.max()) if len(seen) else 0
        missing = sorted(set(range(last)) - set(seen.tolist()))
        found += [f"load {number}: neither taken nor refused" for number in missing[:1]]
        return found


def turned(network: Network) -> Network:
    """Another network that fits wherever this one does: neurons of each layer in the opposite
    order, and with them their bounds, and the encoder's values, if it has one, too."""
    layers = list(network.layers)
    for index, layer in network.weighted:
        layers[index] = replace(
            layer, weight=layer.weight[::-1].copy(), threshold=layer.threshold[::-1].copy()
        )
    encoder = None if network.encoder is None else network.encoder[..., ::-1].copy()
    return replace(network, layers=tuple(layers), encoder=encoder)


def inverted(words: Array) -> Array:
    """A whole, right image of the memories with every bit of them other than in ``words``."""
    return with_crc(np.concatenate([words[:HEADER_WORDS], ~words[HEADER_WORDS:-1]]))


def wrong_image(words: Array, random: np.random.Generator) -> tuple[Array, int]:
    """An image of the memories with a fault, and why it must be refused."""
    body, count = words[:-1].copy(), len(words)
    kind = REFUSALS[int(random.integers(1, len(REFUSALS)))]
    bit = np.uint32(1 << int(random.integers(32)))
    if kind == "format":
        body[0] ^= bit
    elif kind == "shape":
        body[int(random.integers(1, HEADER_WORDS))] ^= bit
    elif kind == "crc":
        broken = words.copy()
        broken[int(random.integers(HEADER_WORDS, count))] ^= bit
        return broken, REFUSALS.index(kind)
    elif random.random() < 0.7:
        lengths = [1, 2, HEADER_WORDS, count - 2, count - 1, int(random.integers(1, count))]
        return words[: int(random.choice(lengths))], REFUSALS.index(kind)
    else:
        return np.append(words, words[: int(random.integers(1, count))]), REFUSALS.index(kind)
    return with_crc(body), REFUSALS.index(kind)


def hostile_loads(
    parameters: list[AcceleratorParameters],
    words: Array,
    random: np.random.Generator,
    packets: int,
    *,
    count: int = 4,
    waits: bool = False,
) -> LoadPlan:
    """``count`` right images of the memories, and wrong ones, at random places among ``packets``;
    the first before all.

    Parameters
    ----------
    parameters : list of AcceleratorParameters
        The accelerator with each network.
    words : int64 array [networks, ...]
        See `LoadPlan`.
    """
    images = [memory_image(each) for each in parameters]
    loads = [Load(inverted(images[0]))]
    networks, refusals = [-1], [0]
    places = [0, *np.sort(random.integers(0, packets, count - 1)).tolist()]
    for number, place in enumerate(places):
        which = number % len(images)
        if random.random() < _WRONG:
            wrong, why = wrong_image(images[which], random)
            loads.append(Load(wrong, place))
            networks.append(-1)
            refusals.append(why)
        loads.append(Load(images[which], place))
        networks.append(which)
        refusals.append(0)
    return LoadPlan(Loads(loads, waits), networks, refusals, words)
