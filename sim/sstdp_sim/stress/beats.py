"""Packets of every length, with and without ``tlast``, wrong events, resets, and what must come
back.

A packet begins with its first beat and ends with ``tlast`` or with a reset. It is answered once, by
the rules of docs/streams.md; only a packet that a reset cut off may stay without an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.blocks.pipeline import INPUT_QUEUE_DEPTH
from sstdp_hw.contract.answer import ANSWER, LOAD, bus_errors, pack_answers, unpack_answers
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.fitting import fitted
from sstdp_hw.engine.kept import Kept, kept_map
from sstdp_hw.engine.local import Local
from sstdp_hw.engine.work import Advance, Engine
from sstdp_hw.models import cycles as cycle_model
from sstdp_hw.network.layers import Array
from sstdp_hw.reference import inference as reference

from ..comparison.cosimulation import timeout_cycles
from ..comparison.kept import kept_answers, played_key
from ..comparison.segments import playing
from ..simulation.coverage import Coverage
from ..simulation.loads import Loads
from ..simulation.packets import Answers, Packets, Traffic
from ..simulation.simulator import Simulation, design_of
from .contents import CONTENTS
from .loads import LoadPlan, hostile_loads, turned

_FRAME_ERROR = int(pack_answers({"frame_error": np.ones((), bool)}))
#: Every fourth reset comes within so many cycles, while the beats are still in the first queues.
_SOON = 4
_FEW = 20
_AHEAD = 2  # runs that are drawn before they are played, for each simulator


@dataclass(frozen=True, eq=False)
class Stream:
    """What is played and what must be answered.

    Parameters
    ----------
    packets : Packets
    words : int64 array [P]
        The answer to each packet that begins, in order; -1 to one that is cut off so early that it
        has none.
    ends : bool array [P]
        Whether the packet ends with ``tlast``.
    plan : LoadPlan, optional
        What the memories are loaded with meanwhile.
    """

    packets: Packets
    words: Array
    ends: Array
    plan: LoadPlan | None = None

    @property
    def loads(self) -> Loads | None:
        return None if self.plan is None else self.plan.loads

    def wanted(self, answers: Answers, first: int, begun: int) -> Array:
        """What the answers from ``first`` on must be, to the packets from ``begun`` on: int64."""
        if self.plan is not None:
            return self.plan.wanted(answers, first, begun)
        bit = 0
        if len(answers.loads):  # once loaded, by which the bit stands still
            bit = int(answers.words[0]) & 1 << LOAD.offset if len(answers.words) else 0
        words = self.words[begun:]
        return np.where(words < 0, words, words | bit)

    @property
    def answers(self) -> int:
        """Packets that begin; the count of answers if no reset cuts off any."""
        return len(self.words)

    @property
    def beats(self) -> int:
        return int(self.packets.beats.sum())


#: How the streams behave in turn, with the share of packets that a reset follows: full speed, gaps,
#: nearly idle, mild and heavy backpressure, both.
WEATHER = (
    (Traffic(0, 0), 0.0),
    (Traffic(100, 0), 0.2),
    (Traffic(250, 0), 0.0),
    (Traffic(0, 128), 0.2),
    (Traffic(0, 243), 0.0),
    (Traffic(120, 200), 0.1),
)
#: How an external memory behaves in turn, as `Traffic` has it.
MEMORIES: tuple[dict[str, int], ...] = (
    {},
    {"memory_latency": 20},
    {"memory_faults": 6},
    {"memory_stalls": 128, "memory_latency": 3},
    {"memory_latency": 200, "memory_stalls": 20},
    {"memory_faults": 40, "memory_latency": 9, "memory_stalls": 60},
    {"memory_stalls": 230},
)
#: Packets of one run, at least and at most. More than one run in each weather only where a run has
#: so many that starting a simulator, which takes seconds, counts for little.
_FEWEST, _WORTH_A_RUN, _MOST = 4, 500, 10_000


def kept_of(directory: GeneratedDirectory, images: Array, beats: int, *, seed: int) -> Kept:
    """What is finished of a `play`, under a hash of all that it depends on."""
    return kept_answers("stress", played_key(directory, images, beats=beats, seed=seed))


def play(
    directory: GeneratedDirectory,
    images: Array,
    beats: int,
    *,
    seed: int = 1,
    coverage: Coverage | None = None,
    engine: Engine | None = None,
    kept: Kept | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Play at least so many beats, in every weather at least a few packets; ``coverage`` gets what
    they cover. What is played does not depend on the ``engine``, by default one simulator here.
    Runs that are ``kept``, by `kept_of` the same arguments, are not played again; where coverage is
    counted, all are.

    Returns
    -------
    dict
        ``runs``, ``beats``, ``packets`` that began, ``resets``, ``answers``, ``loads`` of weights
        and those that were refused, ``bus_errors`` that were flagged, and ``findings``, one line
        each.
    """
    parameters, random = directory.parameters, np.random.default_rng(seed)
    count = packets_of_a_run(parameters.beats, beats)
    busy = busy_cycles(parameters, images)
    counts = (
        "runs", "beats", "packets", "resets", "answers", "loads", "loads_refused", "bus_errors",
    )  # fmt: skip
    total: dict[str, Any] = dict.fromkeys(counts, 0)
    total["findings"] = []
    if coverage is not None:
        kept = None
    if kept:
        kept.tell("Stress")
    design = design_of(directory.verilog, parameters, images=2, coverage=coverage)
    one = Local(1) if engine is None or coverage is not None else engine
    with one.session(playing(_played, "verilator", "beat"), design) as session:
        while total["beats"] < beats or total["runs"] < len(WEATHER):
            runs: list[Run] = []
            ahead = total["beats"]  # each run is drawn from the same numbers, whoever plays
            while len(runs) < _AHEAD * session.slots and (
                ahead < beats or total["runs"] + len(runs) < len(WEATHER)
            ):
                run = total["runs"] + len(runs)
                traffic, resets = WEATHER[run % len(WEATHER)]
                traffic = replace(traffic, seed=seed + run)
                if parameters.store.external:
                    traffic = replace(traffic, **MEMORIES[run % len(MEMORIES)])
                stream = random_stream(parameters, images, random, count, resets=resets, busy=busy)
                runs.append((stream, traffic, timeout_cycles(directory, traffic)))
                ahead += stream.beats
            sizes = [stream.beats for stream, _, _ in runs]
            names = [f"{total['runs'] + place}.npz" for place in range(len(runs))]
            made = kept_map(session, kept, names, runs, units=sizes)
            for (stream, traffic, _), answers in zip(runs, made, strict=True):
                found = findings(stream, answers, faults=traffic.memory_faults > 0)
                total["findings"] += [f"run {total['runs']}, {text}" for text in found]
                total["beats"] += stream.beats
                total["packets"] += stream.answers
                total["resets"] += len(answers.resets)
                total["answers"] += len(answers.words)
                total["bus_errors"] += int(bus_errors(answers.words).sum())
                total["loads"] += len(answers.loads)
                total["loads_refused"] += len(answers.refused)
                total["runs"] += 1
            if progress:
                progress(sum(sizes))
    return total


Run = tuple[Stream, Traffic, int]


def _played(simulation: Simulation, run: Run, _advance: Advance) -> Answers:
    stream, traffic, timeout = run
    return simulation.run(
        stream.packets, answers=stream.answers, traffic=traffic, loads=stream.loads,
        timeout_cycles=timeout,
    )  # fmt: skip


def packets_of_a_run(beats_per_image: int, beats: int) -> int:
    """How many packets each run has, so that all weathers together are about ``beats`` long."""
    one_round = -(-beats // (len(WEATHER) * beats_per_image))
    return min(max(one_round // 2, min(one_round, _WORTH_A_RUN), _FEWEST), _MOST)


def busy_cycles(parameters: AcceleratorParameters, images: Array) -> int:
    """Cycles from the first beat of an image to its answer, on the average of a few."""
    inference = reference.run(parameters.network, images[:_FEW])
    return int(cycle_model.latency_per_image(parameters, inference).mean())


def random_stream(
    parameters: AcceleratorParameters,
    images: Array,
    random: np.random.Generator,
    count: int,
    *,
    malformed: float = 0.4,
    resets: float = 0.0,
    busy: int = 1,
) -> Stream:
    """A stream of ``count`` packets as a hostile source sends them.

    Parameters
    ----------
    images : uint8 array [N, *input_shape]
        What the packets carry; every tenth is all bright, every tenth all dark.
    malformed : float
        Share of packets of any length up to two images, half of them without ``tlast``; of events
        also out of order, out of range, repeated, and none at all.
    resets : float
        Share of packets followed by a reset, at least one of them if the share is not 0: half of
        them in the middle of the packet, some behind as few beats as the first queue keeps where
        the chain is full; at once or within ``busy`` cycles, in the middle of a step or of an
        answer.
    busy : int
        Cycles that the chain works for an image, see `busy_cycles`.
    """
    made = CONTENTS[parameters.input.kind]
    data, lengths = made.packets(parameters, images, random, count)
    wrong = random.random(count) < malformed
    made.spoil(parameters, random, data, lengths, wrong)
    last = ~wrong | (random.random(count) < 0.5)
    delays = np.full(count, -1)
    cut = random.random(count) < resets
    if resets and not cut[:-1].any():
        cut[random.integers(count - 1)] = True
    delays[cut] = random.integers(0, busy, np.count_nonzero(cut))
    soon = cut & (random.random(count) < 0.25)
    delays[soon] = random.integers(0, _SOON, np.count_nonzero(soon))
    middle = cut & (random.random(count) < 0.5)
    cut_off = random.integers(1, parameters.beats + 1, np.count_nonzero(middle))
    short = random.random(len(cut_off)) < 0.25
    cut_off[short] = np.minimum(cut_off[short], random.integers(1, INPUT_QUEUE_DEPTH, short.sum()))
    lengths[middle], last[middle] = cut_off, False
    last[-1], delays[-1] = True, -1  # the last packet ends, and is answered
    packets = Packets(data, lengths, last, delays)
    if not parameters.store.loaded:
        return stream_of(parameters, packets)
    return loaded_stream(parameters, packets, random)


def loaded_stream(
    parameters: AcceleratorParameters, packets: Packets, random: np.random.Generator,
    *, count: int = 4, waits: bool = False,
) -> Stream:  # fmt: skip
    """The packets, with `hostile_loads` of the network and of another meanwhile."""
    both = [parameters, fitted(parameters, turned(parameters.network))]
    streams = [stream_of(each, packets) for each in both]
    words = np.stack([stream.words for stream in streams])
    plan = hostile_loads(both, words, random, len(packets), count=count, waits=waits)
    return replace(streams[0], plan=plan)


def stream_of(parameters: AcceleratorParameters, packets: Packets) -> Stream:
    """The packets as AXI4-Stream divides them, and what the reference answers to each."""
    width = parameters.input.data_width // 8
    resets = np.full(len(packets), -1) if packets.resets is None else packets.resets
    contents, ends = [], []
    open_beats: list[Array] | None = None
    for data, length, last, reset in zip(
        packets.data, packets.beats.tolist(), packets.last.tolist(), resets.tolist(), strict=True
    ):
        if open_beats is None:
            open_beats = []
        open_beats.append(data[: length * width])
        if last or reset >= 0:
            contents.append(np.concatenate(open_beats))
            ends.append(last)
            open_beats = None
    assert open_beats is None, "the last packet must end"
    end = np.array(ends)
    inference, error, answered = CONTENTS[parameters.input.kind].read(parameters, contents, end)
    words = pack_answers(
        {
            "class": inference.classes,
            "decision_time": inference.decision_times,
            "silent": inference.silent,
            "frame_error": error,
        }
    )
    words[~answered] = -1
    return Stream(packets, words, end)


def findings(stream: Stream, answers: Answers, *, faults: bool = False) -> list[str]:
    """What is wrong with the answers, a line each: none lost, none too many, each the right one.
    With ``faults`` of an external memory an answer may be flagged, and only its frame error counts.
    """
    found = []
    if answers.extra:
        found.append("more answers than packets")
    if answers.violated:
        found.append("the output stream changed a beat that was not taken")
    if stream.plan is not None:
        found += stream.plan.findings(answers)
    borders = [(0, 0), *answers.resets.tolist(), (len(answers.words), stream.answers)]
    for (first, begun), (stop, until) in pairwise(borders):
        got = answers.words[first:stop]
        wanted = stream.wanted(answers, first, begun)[: until - begun]
        compared = min(len(got), len(wanted))
        differs = got[:compared] != wanted[:compared]
        if faults:
            frames = (got[:compared] ^ wanted[:compared]) & _FRAME_ERROR
            differs &= ~bus_errors(got[:compared]) | (frames != 0)
        wrong = np.flatnonzero(differs)
        if len(wrong):
            number = int(wrong[0])
            found.append(
                f"packet {begun + number}: expected {_text(wanted[number])}, got "
                f"{_text(got[number])}"
            )
        elif len(got) > len(wanted):
            found.append(f"packet {begun + len(wanted)}: answered before it came")
        elif until == stream.answers and len(got) < len(wanted):
            found.append(f"packet {begun + len(got)}: no answer")
    return found


def _text(word: int) -> str:
    if word < 0:
        return "no answer" if word == -1 else "no answer before the memories are loaded"
    found = unpack_answers(word)
    flags = [name.replace("_", " ") for name, _, width, _ in ANSWER if width == 1 and found[name]]
    if bus_errors(word):
        flags.append("bus error")
    load = [f"load {word >> LOAD.offset & 1}"] if word >> LOAD.offset & 1 else []
    return ", ".join([f"class {found['class']} at step {found['decision_time']}", *flags, *load])
