"""Random traffic on an accelerator behind a bus, judged by the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sstdp_hw.contract.answer import pack_answers
from sstdp_hw.contract.bus_driver import packet_words
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.event_packets import read_words
from sstdp_hw.contract.registers import IDENTITY, digest_words
from sstdp_hw.network.layers import Array
from sstdp_hw.reference import inference as reference

from .simulation import BusSimulation

#: Chance that a channel of the bus pauses for a cycle.
PAUSE = 0.2


def expected_answers(directory: GeneratedDirectory, packets: list[list[int]]) -> Array:
    """The answer to each packet of words: int64 [N].

    A packet of another length than a sample's is a frame error; pixels that were not sent never
    fire, and those behind the last one are ignored.
    """
    network, front = directory.network, directory.front
    times, errors = [], []
    if front.events:
        for packet in packets:
            found, error = read_words(np.array(packet), network.pixels, network.t_max)
            times.append(found)
            errors.append(error)
        samples = np.stack(times).reshape(len(packets), *network.input_shape)
        inference = reference.run(network, samples)
    else:
        pixels, beat = network.pixels, front.accelerator.pixels_per_beat
        samples = np.zeros((len(packets), pixels), np.uint8)
        present = np.zeros((len(packets), pixels), bool)
        for row, packet in enumerate(packets):
            data = np.array(packet, "<u4").view(np.uint8)[:pixels]
            samples[row, : len(data)] = data
            whole = -(-4 * len(packet) // beat) * beat  # the rest of a beat is zero
            present[row, :whole] = True
            errors.append(len(packet) != front.sample_words)
        shape = (len(packets), *network.input_shape)
        inference = reference.run(network, samples.reshape(shape), present=present.reshape(shape))
    return pack_answers(
        {
            "class": inference.classes, "decision_time": inference.decision_times,
            "silent": inference.silent, "frame_error": np.array(errors),
        }
    )  # fmt: skip


def random_packets(directory: GeneratedDirectory, samples: Array, seed: int) -> list[list[int]]:
    """A packet of each sample; every fifth is cut short or too long."""
    rng = np.random.default_rng(seed)
    network = directory.network
    packets = [packet_words(sample, network.input_kind, network.t_max) for sample in samples]
    for number in range(4, len(packets), 5):
        packet = packets[number]
        if rng.integers(2) and len(packet) > 1:
            packets[number] = packet[: int(rng.integers(1, len(packet)))]
        else:
            packets[number] = packet + packet[: int(rng.integers(1, 5))]
    return packets


def play_random(
    directory: GeneratedDirectory, samples: Array, transactions: int, *, seed: int = 1,
    texts: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Play so many random transactions, at least; nothing may be lost.

    Parameters
    ----------
    samples : uint8 array [N, ...]
        Images or spike times.
    texts : mapping of str to str, optional
        See `BusSimulation`.

    Returns
    -------
    dict
        ``counts`` of what happened, ``packets``, ``answers``, and ``findings``, which should be
        empty.
    """
    packets = random_packets(directory, samples, seed)
    front, network = directory.front, directory.network
    constants = {"ID": IDENTITY} | {
        f"DIGEST_{number}": word for number, word in enumerate(digest_words(network.digest))
    }
    with BusSimulation(directory, texts) as simulation:
        found = simulation.play(
            "traffic", packets=packets, transactions=transactions, seed=seed, pause=PAUSE,
            constants=constants, depth=front.input_depth,
        )  # fmt: skip
    expected = expected_answers(directory, packets)
    findings = list(found["findings"])
    for number, (word, cycles) in enumerate(found["replies"]):
        right = int(expected[number % len(packets)])
        if word != right:
            findings.append(f"answer {number} must be 0x{right:08x}, not 0x{word:08x}")
            break
        if cycles <= 0:
            findings.append(f"answer {number} took {cycles} cycles")
            break
    return {
        "bus": directory.bus, "counts": found["counts"], "packets": found["packets"],
        "answers": len(found["replies"]), "findings": findings,
    }  # fmt: skip
