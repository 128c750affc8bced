"""Whether a board and its line work, step by step, so that a fault is found where it is."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from sstdp_hw.contract.answer import unpack_answers
from sstdp_hw.contract.serial_protocol import ECHO, Status
from sstdp_hw.network.layers import Array
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference

from .host import NO_ANSWER, SLOWEST, Host
from .port import LATENCY, NoAnswer

LOOP_BACKS = 100
IMAGES = 10
#: Share of the line's limit that images must reach.
LEAST_SHARE = 0.9


def known_images(network: Network, count: int = IMAGES) -> Array:
    """The same random samples at every call: pixels, or spike times."""
    random = np.random.default_rng(2021)
    most = network.t_max + 1 if network.input_kind == "spikes" else 256
    return random.integers(0, most, (count, *network.input_shape)).astype(np.uint8)


def identity(host: Host) -> dict[str, Any]:
    """What the board says that it is; it was compared when the host connected."""
    return {"wrong": 0, **asdict(host.identity)}


def loop_back(host: Host) -> dict[str, Any]:
    """Numbers that must come back: every bit, and random ones."""
    random = np.random.default_rng(1)
    numbers = [0, ECHO - 1, *(1 << bit for bit in range(23))]
    numbers += random.integers(0, ECHO, LOOP_BACKS - len(numbers)).tolist()
    wrong = 0
    for number in numbers:
        try:
            wrong += host.ask(number | ECHO, tries=1) != number | ECHO
        except NoAnswer:
            wrong += 1
    return {"sent": len(numbers), "wrong": wrong}


def framing(host: Host) -> dict[str, Any]:
    """Damaged requests, each of which must give its error and leave the board ready."""
    (request,) = host.requests(known_images(host.directory.network, 1))
    changed = bytearray(request)
    changed[-1] ^= 1
    length = request[:1] + bytes(3) + request[4:]
    cases = {
        Status.CHECKSUM: bytes(changed), Status.LENGTH: length, Status.NOISE: b"\x00",
        Status.INCOMPLETE: request[:-1],
    }  # fmt: skip
    found: dict[str, str] = {}
    for wanted, data in cases.items():
        host.port.send(data)
        try:
            wait = SLOWEST if host.simulated else 1
            wait += 2 * host.quiet + host.port.seconds(len(data))
            answer = host.port.receive(wait, host.quiet + LATENCY)
            said = Status(answer.status).name.lower()
            if answer.word != host.identity.inputs:
                said += f" with the word {answer.word}"
        except NoAnswer as error:
            said = f"no answer ({error.bytes_seen.hex()})" if error.bytes_seen else "no answer"
        if said != wanted.name.lower():
            host.resynchronize()
        found[wanted.name.lower()] = said
    return {**found, "wrong": sum(name != said for name, said in found.items())}


def images(host: Host) -> dict[str, Any]:
    """Ten known images against the reference."""
    samples = known_images(host.directory.network)
    expected = reference.run(host.directory.network, samples)
    words = host.play(samples, retries=0).words
    fields = unpack_answers(words)
    right = (
        (words != NO_ANSWER)
        & (fields["class"] == expected.classes)
        & (fields["decision_time"] == expected.decision_times)
        & (fields["silent"] == expected.silent)
        & ~fields["frame_error"]
    )
    return {"images": len(samples), "wrong": int((~right).sum())}


def throughput(host: Host, seconds: float = 2.0) -> dict[str, Any]:
    """Images a second, back to back, against what the line allows; too few is wrong, unless
    computing one takes longer than sending it."""
    some = known_images(host.directory.network)
    each = host.port.seconds(sum(map(len, host.requests(some)))) / len(some)
    repeat = max(1, min(100, round(seconds / each / len(some))))
    samples = np.concatenate([some] * repeat)
    start = time.monotonic()
    played = host.play(samples)
    took = time.monotonic() - start
    share = len(samples) * each / took
    computing = host.compute_seconds > each
    return {
        "images": len(samples),
        "images_per_second": round(len(samples) / took, 2),
        "limit_images_per_second": round(1 / each, 2),
        "share": round(share, 4),
        "resynchronized": played.resynchronized,
        "wrong": int(bool(played.ended) or not (computing or share >= LEAST_SHARE)),
    }


#: In their order: one that fails explains those after it.
CHECKS = {
    "identity": identity,
    "loop_back": loop_back,
    "framing": framing,
    "images": images,
    "throughput": throughput,
}
