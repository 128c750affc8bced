"""Runs a data set through the simulated hardware and compares every answer with the reference."""

from __future__ import annotations

import hashlib
import io
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import json_text, written_whole
from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.contract.answer import bus_errors, unpack_answers
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.file_names import ARRAYS_FILE, RESULTS_FILE
from sstdp_hw.contract.memory_image import loading_cycles, memory_image, words_of_an_image
from sstdp_hw.engine.kept import Kept
from sstdp_hw.engine.local import Local
from sstdp_hw.engine.speed import measured
from sstdp_hw.engine.work import Engine
from sstdp_hw.models.cost import cycle_bound, efficiency
from sstdp_hw.models.energy import energy_estimate
from sstdp_hw.network.layers import Array
from sstdp_hw.ready import known_as
from sstdp_hw.reference import inference as reference

from ..simulation.memory_harness import External
from ..simulation.packets import Answers, Packets, Traffic
from ..simulation.simulator import design_of, tools_of
from . import mutation as mutations
from .diagnosis import (
    Divergence,
    diagnose,
    expected_spikes,
    first_difference,
    numbered,
    spikes_by_layer,
)
from .resumption import kept_of, played
from .segments import Segment, play, playing, segments_of

NO_ANSWER = -1
#: Where images were played, in results.
SIMULATION, BOARD = "simulation", "board"


@dataclass(frozen=True, eq=False)
class Report:
    """What the co-simulation found.

    Parameters
    ----------
    result : dict
        Plain JSON: images, mismatches, accuracies, cycles, efficiency, first mismatch.
    arrays : dict of arrays
        One entry per image: what the hardware said and what the reference says.
    kept : Kept, optional
        Answers on disk that are not needed any more once the results are.
    """

    result: dict[str, Any]
    arrays: dict[str, Array]
    kept: Kept | None = None

    def save(self, folder: Path) -> dict[str, str]:
        """Write results.json and results.npz; return their SHA-256, by name."""
        packed = io.BytesIO()
        np.savez_compressed(packed, **self.arrays)  # type: ignore[arg-type]
        contents = {
            ARRAYS_FILE: packed.getvalue(),
            RESULTS_FILE: json_text(folder / RESULTS_FILE, self.result).encode(),
        }
        for name, data in contents.items():
            with written_whole(folder / name) as temporary:
                temporary.write_bytes(data)
        if self.kept is not None:
            self.kept.discard()
        return {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}


def timeout_cycles(directory: GeneratedDirectory, traffic: Traffic) -> int:
    """More cycles than any image can take, however the streams stall."""
    parameters = directory.parameters
    work = parameters.most_cycles + 8 * traffic.stall_cycles
    if parameters.store.loaded:
        work += 4 * words_of_an_image(parameters)  # wrong ones may come before a right one
    if parameters.store.external:
        plan, slowest = parameters.tiled.plan, 256 - traffic.memory_stalls
        beats = plan.fetched_beats
        if traffic.memory_faults:  # a fetch that stops fails when the accelerator gives up
            work += 4 * plan.bus.timeout * len(plan.tiles)
        work += (beats + traffic.memory_latency * (beats // plan.bus.longest + 2)) * 256 // slowest
    slowest = 256 - max(traffic.gap_chance, traffic.stall_chance)
    return 4 * work * 256 // slowest


def check_makes_every_spike(directory: GeneratedDirectory) -> None:
    """Refuse hardware that stops at the decision."""
    if directory.manifest["configuration"]["early_exit"]:
        raise UserError(
            "Comparing every spike needs hardware that makes every spike; generate with "
            "--no-early-exit"
        )


def cosimulate(
    directory: GeneratedDirectory,
    images: Array,
    labels: Array,
    *,
    simulator: str = "verilator",
    shards: int = 1,
    traffic: Traffic = Traffic(),  # noqa: B008 - frozen
    every_spike: bool = False,
    waves: Path | None = None,
    activity: Path | None = None,
    mutate: tuple[str, int, int] | None = None,
    progress: Callable[[int], None] | None = None,
    engine: Engine | None = None,
    keep: bool = False,
) -> Report:
    """Compare hardware and reference on every image.

    Parameters
    ----------
    directory : GeneratedDirectory
    images : uint8 array [N, *input_shape]
        Or spike times, where the network takes these.
    labels : int array [N]
    simulator : str
    shards : int
        Simulator processes at once on this machine; fewer are used where there is little to do.
        What comes out does not depend on it.
    traffic : Traffic
    every_spike : bool
        Compare every spike of every layer, too. Needs hardware without early exit.
    waves : path, optional
        Write a waveform of all images there; one shard.
    activity : path, optional
        Write the switching activity of all images there; one shard.
    mutate : (kind, layer, seed), optional
        Corrupt one number in the hardware first, see `mutation.choose`.
    progress : callable, optional
        Called with the number of images done since the last call.
    engine : Engine, optional
        Who plays the images, in place of ``shards`` processes here.
    keep : bool
        Keep answers on disk as they come, and begin with those that are there; they stay until the
        report is saved.

    Raises
    ------
    UserError
        If images and network do not fit, or a tool fails.
    """
    images = reference.check_images(directory.network, images)
    if not len(images):
        raise UserError("Images to simulate must be at least one, not 0")
    if len(labels) and labels.max() >= len(directory.network.class_names):
        raise UserError(
            f"Labels must be below the network's {len(directory.network.class_names)} classes, "
            f"not {labels.max()}"
        )
    if every_spike:
        check_makes_every_spike(directory)
    inference = reference.run(directory.network, images)
    parameters = directory.parameters
    verilog, mutation = directory.verilog, None
    external = External.of(parameters) if parameters.store.external else None
    memories = memory_image(parameters) if parameters.store.loaded else None
    if mutate is not None:
        mutation = mutations.choose(directory, images, inference, *mutate)
        if external is not None and mutation.kind == "weight":
            external = External.of(parameters, mutations.place_outside(directory, mutation))
        elif memories is None:
            verilog = mutations.apply(verilog, mutation)
        else:
            memories = mutations.patch(directory, mutation).applied(memories)
    packets = Packets.of(parameters, images)
    timeout = timeout_cycles(directory, traffic)
    bound = cycle_bound(parameters, inference)
    loading = 0 if memories is None else loading_cycles(parameters)
    traced = waves is not None or activity is not None  # from begin to end by one simulator
    segments = segments_of(bound, loading=loading, whole=traced)
    engine = engine or Local(shards)
    design = design_of(
        verilog, parameters, simulator=simulator,
        probes=directory.manifest["probes"] if every_spike else (), memories=memories,
        external=external, waves=waves, activity=activity,
    )  # fmt: skip
    work = playing(play, simulator)
    kept = None
    if keep and not traced:
        kept = kept_of(design, packets, segments, traffic, timeout, work)
    start = time.monotonic()
    with engine.session(work, design) as session:
        compiled, processor = time.monotonic(), _processor_seconds()
        found, processes = played(
            session, packets, segments, bound, traffic, timeout, kept, progress
        )
        answers = [found[segment.number] for segment in segments]
        seconds = time.monotonic() - compiled
        processor = _processor_seconds() - processor
        processor += sum(share.seconds for share in session.shares())  # one thread each
        arrays = _arrays(answers, segments, inference, errors=parameters.store.external)
        wrong = np.flatnonzero(mismatch(arrays))
        spike_mismatches: list[tuple[Divergence, Array]] = []
        if every_spike:
            spike_mismatches = _compare_spikes(directory, answers, inference, segments)
        first, seen = min(spike_mismatches, key=lambda found: found[0].image, default=(None, None))
        if len(wrong) and first is None:
            row = int(wrong[0])
            first, seen = diagnose(
                directory, verilog, simulator, images, inference, row, timeout, memories,
                external,
            )  # fmt: skip
        tools = tools_of(simulator)
        trace = session.opened.traced if activity is not None else None
    mismatched = set(wrong.tolist()) | {divergence.image for divergence, _ in spike_mismatches}
    protocol = [
        text for shard, answer in enumerate(answers) for text in _protocol_findings(answer, shard)
    ]
    result = {
        "name": known_as(directory.network),
        "images": len(images),
        "mismatches": len(mismatched),
        "first_mismatch": None if first is None else str(first),
        "first_divergence": None if first is None else first.to_json(),
        **_first_spikes(directory, seen),
        "protocol_findings": protocol,
        "software_accuracy": inference.accuracy(labels),
        "hardware_accuracy": float(np.mean(arrays["predicted"] == labels)),
        "software_accuracy_ties_counted": inference.accuracy_ties_counted(labels),
        "cycles_per_image": _summary(arrays["cycles"]),
        "latency_cycles": _summary(arrays["latency"]),
        "cycle_bound_per_image": float(np.mean(bound)),
        "efficiency": efficiency(bound, arrays["cycles"])
        if traffic.back_to_back and (arrays["cycles"] != NO_ANSWER).all()
        else None,
        "energy_estimate": energy_estimate(parameters, inference).to_json(),
        **_loading(parameters, answers),
        **({"activity": trace.to_json()} if trace else {}),
        "every_spike_compared": every_spike,
        **_fetching(parameters),
        "traffic": vars(traffic),
        "mutation": None if mutation is None else mutation.to_json() | {"text": str(mutation)},
        "verilog_sha256": directory.manifest["verilog_sha256"],
        "network_digest": directory.network.digest,
        "place": SIMULATION,
        "simulator": simulator,
        "tools": tools,
        "shards": len(answers),
        "processes": processes,
        "seconds": {
            "compile": round(compiled - start, 3),
            "simulate": round(seconds, 3),
            "processor": round(processor, 3),
        },
        "images_per_second": round(len(images) / seconds, 1),
        "images_per_processor_second": round(len(images) / max(processor, 1e-3), 1),
        **measured(session, seconds),
    }
    return Report(result, arrays, kept)


def _arrays(
    answers: Sequence[Answers], segments: Sequence[Segment], inference: reference.Inference,
    *, errors: bool = False,
) -> dict[str, Array]:  # fmt: skip
    """Hardware and reference per image; `NO_ANSWER` where the hardware said nothing. With
    ``errors`` also whether its weights could not be read."""
    count = len(inference.classes)
    words, cycles, latency = (np.full(count, NO_ANSWER, np.int64) for _ in range(3))
    for segment, answer in zip(segments, answers, strict=True):
        found = slice(segment.first, segment.first + len(answer.words))
        words[found] = answer.words
        # An image's cycles: since the answer before it; the first one's: since its first beat.
        cycles[found] = np.diff(answer.cycles, prepend=answer.first_beats[:1] - 1)
        latency[found] = answer.cycles - answer.first_beats + 1
    found_arrays = answer_arrays(words, cycles, latency, inference)
    if errors:
        found_arrays["bus_error"] = (words != NO_ANSWER) & bus_errors(words)
    return found_arrays


def answer_arrays(
    words: Array, cycles: Array, latency: Array, inference: reference.Inference
) -> dict[str, Array]:
    """What is written of N images: result words, cycles and latencies [N], `NO_ANSWER` where there
    is none, beside what the reference says."""
    missing, fields = words == NO_ANSWER, unpack_answers(words)

    def number(name: str) -> Array:
        return np.where(missing, NO_ANSWER, fields[name]).astype(np.int16)

    return {
        "predicted": number("class"),
        "decision_time": number("decision_time"),
        "silent": fields["silent"] & ~missing,
        "frame_error": fields["frame_error"] & ~missing,
        "cycles": cycles,
        "latency": latency,
        "reference_predicted": inference.classes.astype(np.int16),
        "reference_decision_time": inference.decision_times.astype(np.int16),
        "reference_silent": inference.silent,
    }


def _first_spikes(directory: GeneratedDirectory, spikes: Array | None) -> dict[str, Any]:
    """The hardware's spikes in the image of the first mismatch; nothing if there is none."""
    if spikes is None:
        return {}
    names = [probe["layer"] for probe in directory.manifest["probes"]]
    return {"first_divergence_spikes": spikes_by_layer(names, spikes)}


def _loading(parameters: AcceleratorParameters, answers: Sequence[Answers]) -> dict[str, Any]:
    """Cycles that loading the memories took, and what the cycle model says; nothing if weights are
    constants."""
    if not parameters.store.loaded:
        return {}
    took = np.concatenate([answer.loads[:, 3] - answer.loads[:, 2] for answer in answers])
    return {"loading_cycles": _summary(took), "loading_cycles_model": loading_cycles(parameters)}


def _fetching(parameters: AcceleratorParameters) -> dict[str, Any]:
    """Bytes that are fetched for an image, in a full batch; nothing if weights are on the chip."""
    if not parameters.store.external:
        return {}
    tiled = parameters.tiled
    batch = {"bytes_per_batch": tiled.plan.fetched_bytes} if tiled.batch > 1 else {}
    return {"bytes_per_image": tiled.image_bytes, **batch}


def _processor_seconds() -> float:
    """Processor time of all simulators that have ended, start included; a busy machine makes the
    wall clock useless as a measure of speed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _summary(cycles: Array) -> dict[str, Any] | None:
    """Mean, least and most over the images that were answered; None if none was."""
    answered = cycles[cycles != NO_ANSWER]
    if not len(answered):
        return None
    return {
        "mean": float(np.mean(answered)),
        "min": int(np.min(answered)),
        "max": int(np.max(answered)),
    }


def mismatch(arrays: dict[str, Array]) -> Array:
    """Which images differ from the reference in class, decision time or the silent flag."""
    wrong: Array = arrays["frame_error"].copy()
    if "bus_error" in arrays:
        wrong |= arrays["bus_error"]
    for name in ("predicted", "decision_time", "silent"):
        wrong |= arrays[name] != arrays[f"reference_{name}"]
    return wrong


def _protocol_findings(answer: Answers, shard: int) -> list[str]:
    findings = []
    if answer.extra:
        findings.append(f"shard {shard}: more answers than packets")
    if answer.violated:
        findings.append(f"shard {shard}: the output stream changed a beat that was not taken")
    return findings


def _compare_spikes(
    directory: GeneratedDirectory,
    answers: Sequence[Answers],
    inference: reference.Inference,
    segments: Sequence[Segment],
) -> list[tuple[Divergence, Array]]:
    """Every image whose spikes differ anywhere, with the hardware's (probe, step, neuron)."""
    names = [probe["layer"] for probe in directory.manifest["probes"]]
    found = []
    for segment, answer in zip(segments, answers, strict=True):
        spikes = numbered(answer.spikes)
        for row in range(segment.count):
            image = segment.first + row
            seen = spikes[spikes[:, 1] == row][:, [0, 2, 3]]
            difference = first_difference(
                names,
                expected_spikes(directory, inference, image),
                seen,
                directory.network.t_max - 1,
            )
            if difference:
                found.append((Divergence.of_spike(image, *difference), seen))
    return found
