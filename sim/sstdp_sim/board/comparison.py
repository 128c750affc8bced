"""Plays a data set on a board and compares every answer with the reference."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from sstdp_hw.network.layers import Array
from sstdp_hw.ready import known_as
from sstdp_hw.reference import inference as reference

from ..comparison.cosimulation import BOARD, NO_ANSWER, Report, answer_arrays, mismatch
from .host import Host, Played


def compare(
    host: Host,
    samples: Array,
    labels: Array,
    *,
    retries: int = 30,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Every sample's answer against the reference.

    An answer that differs is asked for again, once: damage that the checksum did not find, one of
    65,536, is no fault of the hardware. What the board repeats stands.

    Parameters
    ----------
    host : Host
        Its board answers.
    samples : uint8 array [N, *input_shape]
        Images, or spike times where the network takes these.
    labels : int array [N]
    retries : int
        See `Host.play`.

    Returns
    -------
    Report
        With the entries of a co-simulation; ``line`` tells of the port, ``ended`` why it ended
        early. Cycles are not known here.
    """
    directory = host.directory
    samples = reference.check_images(directory.network, samples)
    inference = reference.run(directory.network, samples)
    start = time.monotonic()
    played = host.play(samples, retries=retries, progress=progress)
    seconds = time.monotonic() - start
    words, unknown = played.words, np.full(len(samples), NO_ANSWER, np.int64)
    arrays = answer_arrays(words, unknown, unknown, inference)
    answered = words != NO_ANSWER
    repeated = np.flatnonzero(mismatch(arrays) & answered)
    if len(repeated) and not played.ended:
        again = host.play(samples[repeated], retries=retries).words
        words[repeated] = np.where(again == NO_ANSWER, words[repeated], again)
        arrays = answer_arrays(words, unknown, unknown, inference)
    wrong = np.flatnonzero(mismatch(arrays) & answered)
    missing = np.flatnonzero(~answered)
    # Answers are shorter than requests and have a wire of their own.
    requests = 10 * sum(map(len, host.requests(samples))) / host.port.baud
    count = int(answered.sum())
    result: dict[str, Any] = {
        "name": known_as(directory.network),
        "images": len(samples),
        "answered": count,
        "mismatches": len(wrong),
        "first_mismatch": _difference(arrays, int(wrong[0])) if len(wrong) else None,
        "first_divergence": None,
        "protocol_findings": _findings(played, missing),
        "software_accuracy": inference.accuracy(labels),
        "hardware_accuracy": float(np.mean(arrays["predicted"] == labels)),
        "software_accuracy_ties_counted": inference.accuracy_ties_counted(labels),
        "cycles_per_image": None,
        "latency_cycles": None,
        "efficiency": None,
        "every_spike_compared": False,
        "traffic": None,
        "mutation": None,
        "place": BOARD,
        "verilog_sha256": directory.manifest["verilog_sha256"],
        "network_digest": directory.network.digest,
        "simulator": None,
        "tools": {"pyserial": version("pyserial")},
        "line": {
            "port": host.name,
            "baud": host.port.baud,
            "requests": played.attempts,
            "resynchronized": played.resynchronized,
            "errors": played.errors,
            "asked_again": len(repeated),
            "limit_images_per_second": round(len(samples) / requests, 2),
        },
        "ended": played.ended or None,
        "seconds": {"play": round(seconds, 3)},
        "images_per_second": round(count / max(seconds, 1e-9), 2),
    }
    return Report(result, arrays)


def _findings(played: Played, missing: Array) -> list[str]:
    found = []
    if len(missing):
        what = "sample was" if len(missing) == 1 else "samples were"
        found.append(f"{len(missing)} {what} not answered; the first is {missing[0]}")
    if played.ended:
        found.append(played.ended)
    return found


def _difference(arrays: dict[str, Array], row: int) -> str:
    if arrays["frame_error"][row]:
        return f"image {row}: the board found its packet wrong"
    for name in ("predicted", "decision_time", "silent"):
        expected, got = arrays[f"reference_{name}"][row], arrays[name][row]
        if expected != got:
            what = "class" if name == "predicted" else name.replace("_", " ")
            return f"image {row}: {what} must be {expected}, the board says {got}"
    raise AssertionError("a mismatch is a difference")
