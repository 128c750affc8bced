"""Random traffic on an accelerator behind a bus, judged by the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.blocks.sequential.tiles import PAGE
from sstdp_hw.contract.answer import ANSWER, BUS_ERROR, pack_answers
from sstdp_hw.contract.bus_driver import packet_words
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.event_packets import read_words
from sstdp_hw.contract.external_memory import external_image
from sstdp_hw.contract.fitting import frame
from sstdp_hw.contract.registers import IDENTITY, digest_words
from sstdp_hw.network.layers import Array
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference

from .simulation import BusSimulation

_FLAG = 1 << BUS_ERROR.offset
(_FRAME_ERROR,) = (1 << field.offset for field in ANSWER if field.name == "frame_error")

#: Chance that a channel of the bus pauses for a cycle.
PAUSE = 0.2


def expected_answers(
    directory: GeneratedDirectory, packets: list[list[int]], network: Network | None = None
) -> Array:
    """The answer to each packet of words: int64 [N]; ``network`` is the one whose weights stand in
    the external memory, if not the folder's.

    A packet of another length than a sample's is a frame error; pixels that were not sent never
    fire, and those behind the last one are ignored.
    """
    network, front = network or directory.network, directory.front
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


@dataclass(frozen=True)
class Outside:
    """What stands in the external memory of an accelerator, and how fast that is.

    Parameters
    ----------
    networks : sequence of Network
        Each of them could be the folder's: of one shape, with the same thresholds, and with weights
        for which the accelerator was made.
    latency : (int, int)
        Cycles from an address to its first beat, from and to.
    stalls : float
        The chance that an address or a beat waits a cycle more.
    fails : float
        The chance that a burst fails: one of its beats is an error, or all come too late.
    faults : mapping of int to str
        By the number of a burst, how it fails: ``slverr``, ``decerr`` or ``late``.
    """

    networks: Sequence[Network]
    latency: tuple[int, int] = (0, 30)
    stalls: float = 0.5
    fails: float = 0.0
    faults: Mapping[int, str] = field(default_factory=dict)

    def job(self, directory: GeneratedDirectory) -> dict[str, Any]:
        """As `memory.ReadMemory` takes it: the first network where the folder says, each further
        one some pages behind the one before.

        Raises
        ------
        UserError
            If the accelerator was not made for one of the networks.
        """
        parameters, places, files = directory.parameters, [], []
        plan = parameters.tiled.plan
        for number, network in enumerate(self.networks):
            other = AcceleratorParameters(network, parameters.configuration)
            if not _differ_in_weights_alone(parameters, other):
                raise UserError(
                    f"Network {number} must have weights for which {directory.path} was generated, "
                    "and needs another accelerator"
                )
            places.append(plan.base + number * PAGE * (plan.size // PAGE + 3))
            files.append(external_image(other).hex())
        return {
            "places": places, "files": files, "latency": list(self.latency),
            "stalls": self.stalls, "outstanding": plan.bus.outstanding,
            "fails": self.fails, "faults": list(self.faults.items()), "timeout": plan.bus.timeout,
        }  # fmt: skip


def with_other_weights(network: Network, seed: int) -> Network:
    """A network of fully connected layers whose weights fit the same accelerator: those of all
    neurons in another order, the same one for all. So potentials have the same bounds, and inputs
    without a weight stay so."""
    rng, layers, live = np.random.default_rng(seed), list(network.layers), network.live_inputs
    for index, layer in network.weighted:
        order = np.arange(layer.weight.shape[1])
        order[live] = rng.permutation(order[live])
        layers[index] = replace(layer, weight=layer.weight[:, order])
        live = np.ones(layer.weight.shape[0], bool)
    return replace(network, layers=tuple(layers))


def _differ_in_weights_alone(one: AcceleratorParameters, other: AcceleratorParameters) -> bool:
    """Whether what the Verilog holds of a network with external weights is the same."""

    def kept(parameters: AcceleratorParameters) -> list[Array]:
        network = parameters.network
        tables = [] if network.encoder is None else [network.encoder]
        thresholds = [layer.threshold for _, layer in network.weighted]
        return [*tables, parameters.live_inputs, *thresholds]

    return (
        frame(one.network) == frame(other.network)
        and one.tiled.plan == other.tiled.plan
        and one.membrane_widths == other.membrane_widths
        and all(map(np.array_equal, kept(one), kept(other)))
    )


def play_random(
    directory: GeneratedDirectory, samples: Array, transactions: int, *, seed: int = 1,
    texts: Mapping[str, str] | None = None, outside: Outside | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Play so many random transactions, at least; nothing may be lost.

    Parameters
    ----------
    samples : uint8 array [N, ...]
        Images or spike times.
    texts : mapping of str to str, optional
        See `BusSimulation`.
    outside : Outside, optional
        Where weights stand in an external memory: what is there; the folder's network by default.

    Returns
    -------
    dict
        ``counts`` of what happened, ``packets``, ``answers`` in all and ``of_each`` of the networks
        in the memory, how many were ``flagged`` because the memory failed, and ``findings``, which
        should be empty.
    """
    packets = random_packets(directory, samples, seed)
    front, network = directory.front, directory.network
    constants = {"ID": IDENTITY} | {
        f"DIGEST_{number}": word for number, word in enumerate(digest_words(network.digest))
    }
    networks, memory, fails = [network], {}, 0.0
    if directory.external:
        outside = outside or Outside(networks)
        networks, memory = list(outside.networks), {"memory": outside.job(directory)}
        fails = outside.fails
    with BusSimulation(directory, texts) as simulation:
        found = simulation.play(
            "traffic", packets=packets, transactions=transactions, seed=seed, pause=PAUSE,
            constants=constants, depth=front.input_depth, **memory,
        )  # fmt: skip
    expected = [expected_answers(directory, packets, one) for one in networks]
    findings = list(found["findings"])
    flagged = 0
    for number, (word, cycles, which) in enumerate(found["replies"]):
        right = int(expected[which][number % len(packets)])
        differs = word ^ right
        if fails and word & _FLAG:  # of the packet it still tells
            flagged += 1
            differs &= _FRAME_ERROR
        if differs:
            findings.append(f"answer {number} must be 0x{right:08x}, not 0x{word:08x}")
            break
        if cycles <= 0:
            findings.append(f"answer {number} took {cycles} cycles")
            break
    return {
        "bus": directory.bus, "counts": found["counts"], "packets": found["packets"],
        "answers": len(found["replies"]), "findings": findings,
        "of_each": [sum(which == one for _, _, which in found["replies"])
                    for one in range(len(networks))],
        "flagged": flagged,
    }  # fmt: skip
