"""Plays every mutant through the co-simulation until something notices it."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.fpga_tools import distribution_of, find_tool
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.memory_image import loading_cycles, memory_image
from sstdp_hw.engine.kept import Kept, kept_map
from sstdp_hw.engine.local import Local
from sstdp_hw.engine.work import Advance, Engine, Work
from sstdp_hw.models import cycles as cycle_model
from sstdp_hw.network.layers import Array
from sstdp_hw.reference import inference as reference

from ..comparison.cosimulation import timeout_cycles
from ..comparison.kept import played_key
from ..comparison.mutation import OUTSIDE, Mutation, patch, place_outside
from ..comparison.segments import playing
from ..simulation.loads import Load, Loads, Patch
from ..simulation.memory_harness import External
from ..simulation.packets import Answers, Packets, Traffic
from ..simulation.simulator import Simulation, design_of
from ..stress.beats import (
    Stream,
    busy_cycles,
    findings,
    loaded_stream,
    random_stream,
    stream_of,
)
from ..stress.loads import LoadPlan, inverted
from ..stress.stimulus import hostile_images
from .equivalence import LogicProof
from .harmless import harmless
from .instrument import flips_outside, instrumented
from .logic import LogicFault, logic_faults
from .netlist import read_design
from .numbers import equivalent, random_flips
from .witnesses import with_witnesses

Mutant = LogicFault | Mutation

#: Share of the mutants that are flipped bits; the others are faults in the logic.
FLIPS = 0.4
_FEW = 16  # images that show most mutants
_HOSTILE_PACKETS = 400
# A register that no reset clears matters rarely, and only to what is next: many resets are needed.
_RESET_PACKETS, _RESET_CYCLES = 3000, 200_000  # so many packets, or fewer that take so long
_STALLED_IMAGES = 12  # that would come in the time of a long stall
_BATCH = 24  # mutants of one simulator process, at most
_TASKS = 4  # among which the last few mutants are divided: one process each would only start
#: How often those that nobody noticed are played, each time with other images and traffic.
_TURNS = 5
_LATE, _FAULTS = 20, 12  # cycles of an external memory; wrong bursts of it, in 256
_LOADS = 12  # right images of the memories among the images
_SEEDS = 10  # of traffic in a turn, at most


@dataclass(frozen=True, eq=False)
class Scenario:
    """Packets, how they are played, and what must come back.

    ``cycles`` is what the cycle model says, where it says anything: from answer to answer back to
    back; from first beat to answer if the images come one at a time. ``loading`` is the same for
    an image of the memories, where weights are loaded.
    """

    name: str
    stream: Stream
    traffic: Traffic
    cycles: Array | None = None
    loading: int | None = None

    @property
    def fails(self) -> bool:
        """Whether an external memory gives errors."""
        return self.traffic.memory_faults > 0

    def noticed(self, answers: Answers, right: Answers | None = None) -> str | None:
        """What is wrong with the answers, in one line.

        Parameters
        ----------
        answers : Answers
        right : Answers, optional
            Where an external memory fails, what comes without a mutant: which answers are flagged.
        """
        found = findings(self.stream, answers, faults=self.fails)
        if found:
            return f"{self.name}: {found[0]}"
        if right is not None and answers.words.tolist() != right.words.tolist():
            return f"{self.name}: other answers are flagged than without it"
        if self.cycles is not None:
            if self.loading is not None:
                took = answers.loads[:1, 3] - answers.loads[:1, 2]  # offered to an idle chain
                if took.tolist() != [self.loading]:
                    return f"{self.name}: loading must take {self.loading} cycles, not {took}"
            if self.traffic.isolated:
                took = answers.cycles - answers.first_beats + 1
                took[0] = self.cycles[0]  # the sorters may be clearing their lists after reset
            else:
                took = np.diff(answers.cycles, prepend=answers.first_beats[:1] - 1)
            wrong = np.flatnonzero(took != self.cycles)
            if len(wrong):
                image = int(wrong[0])
                return (
                    f"{self.name}: image {image} must take {self.cycles[image]} cycles by the "
                    f"cycle model, not {took[image]}"
                )
        return None


@dataclass(frozen=True)
class Verdict:
    """``noticed`` tells by what the mutant was killed; ``equivalent`` why it cannot be."""

    mutant: Mutant
    noticed: str | None
    equivalent: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.mutant.kind, "text": str(self.mutant), "noticed": self.noticed,
            "equivalent": self.equivalent,
        }  # fmt: skip


def images_stream(directory: GeneratedDirectory, images: Array) -> Stream:
    """The images as packets in a file for packets of up to two images' length."""
    parameters = directory.parameters
    packets = Packets.of(parameters, images)
    padding = np.zeros((len(images), packets.data.shape[1]), np.uint8)
    packets = replace(packets, data=np.concatenate([packets.data, padding], axis=1))
    stream = stream_of(parameters, packets)
    if not parameters.store.loaded:
        return stream
    # The memories outlive a mutant: what it does not write would be there from the one before.
    words = memory_image(parameters)
    loads = Loads([Load(inverted(words)), Load(words)])
    return replace(stream, plan=LoadPlan(loads, [-1, 0], [0, 0], stream.words[None]))


def scenarios(directory: GeneratedDirectory, images: Array, seed: int) -> list[Scenario]:
    """From the quickest to the most hostile."""
    random, parameters = np.random.default_rng(seed), directory.parameters
    plain = images_stream(directory, images)
    inference = reference.run(directory.network, images)
    cycles = cycle_model.cycles_per_image(parameters, inference)
    many = min(_RESET_PACKETS, _RESET_CYCLES // int(cycles.mean()))
    busy = busy_cycles(parameters, images)
    hostile = [
        random_stream(
            parameters, images, random, count, malformed=malformed, resets=resets, busy=busy
        )
        for count, malformed, resets in (
            (_HOSTILE_PACKETS, 0.4, 0.0), (many, 0.1, 0.05), (many, 0.1, 0.25), (many, 0.2, 0.5)
        )
    ]  # fmt: skip
    # While one lasts, every queue fills.
    longest = _STALLED_IMAGES * int(cycles.mean())
    more: list[Scenario] = []
    loading = None
    if parameters.store.loaded:
        stream = loaded_stream(parameters, plain.packets, random, count=_LOADS, waits=True)
        more.append(Scenario("loads", stream, Traffic()))
        loading = loading_cycles(parameters)
    apart = cycle_model.latency_per_image(parameters, inference)
    stalls, late = 0, 0
    if parameters.store.external:
        stalls, late = 128, 3
        slow = cycle_model.cycles_per_image(parameters, inference, memory_latency=_LATE)
        more += [
            Scenario("a memory that is late", plain, Traffic(memory_latency=_LATE), slow),
            Scenario("a memory that fails", plain, Traffic(seed=seed, memory_faults=_FAULTS)),
            Scenario(
                "a memory that fails and stalls, with resets", hostile[1],
                Traffic(20, 128, seed + 6, memory_faults=_FAULTS, memory_stalls=60),
            ),
        ]  # fmt: skip
    few = images_stream(directory, images[:_FEW])
    return [
        Scenario("a few images", few, Traffic(), cycles[:_FEW], loading),
        Scenario("images back to back", plain, Traffic(), cycles, loading),
        Scenario("one image at a time", plain, Traffic(isolated=True), apart),
        *more,
        Scenario(
            "gaps and backpressure", plain,
            Traffic(100, 128, seed + 1, memory_stalls=stalls, memory_latency=late),
        ),
        Scenario("long backpressure", plain, Traffic(0, 128, seed + 2, stall_cycles=longest)),
        Scenario("packets of wrong length", hostile[0], Traffic(20, 128, seed + 3)),
        Scenario(
            "resets of a full chain", hostile[1],
            Traffic(0, 128, seed + 4, stall_cycles=longest, memory_stalls=stalls),
        ),
        Scenario("resets at full speed", hostile[2], Traffic()),
        Scenario("resets", hostile[3], Traffic(20, 200, seed + 5)),
    ]  # fmt: skip


def choose(
    directory: GeneratedDirectory, modules: dict[str, Any], seed: int, count: int
) -> list[Mutant]:
    """``count`` mutants: flipped bits, and faults in the logic, every kind in turn."""
    random = np.random.default_rng(seed)
    flips = random_flips(directory, random, round(FLIPS * count))
    kinds: dict[str, list[LogicFault]] = {}
    for fault in logic_faults(modules, directory):
        kinds.setdefault(fault.kind, []).append(fault)
    for faults in kinds.values():
        random.shuffle(faults)
    chosen: list[LogicFault] = []
    while any(kinds.values()) and len(chosen) < count - len(flips):
        for faults in kinds.values():
            if faults and len(chosen) < count - len(flips):
                chosen.append(faults.pop())
    return [*flips, *chosen]


def kept_of(directory: GeneratedDirectory, images: Array, *, count: int, seed: int) -> Kept:
    """What is finished of a campaign, under a hash of all that it depends on."""
    yosys = find_tool("yosys")
    key = played_key(
        directory, images, count=count, seed=seed, yosys=[yosys.version, yosys.named_by]
    )
    return Kept("mutants", key, unpack=_unpacked)


def _unpacked(data: bytes) -> dict[int, str]:
    """What was found, by the number of a mutant."""
    return {int(number): text for number, text in json.loads(data).items()}


def run(
    directory: GeneratedDirectory,
    images: Array,
    *,
    count: int,
    seed: int = 1,
    jobs: int = 1,
    engine: Engine | None = None,
    only: Container[str] | None = None,
    kept: Kept | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Verdict]:
    """Play ``count`` mutants; of these only those whose text is in ``only``, if that is given.

    Parameters
    ----------
    jobs : int
        Simulators, or proofs, at once here, without an engine.
    engine : Engine, optional
        Who plays and proves. What is noticed does not depend on it.
    kept : Kept, optional
        `kept_of` the same arguments: what is finished is taken from there, and put there.

    Raises
    ------
    UserError
        If a tool fails, or the design without a mutant is not what it should be.
    """
    parameters = directory.parameters
    with tempfile.TemporaryDirectory(prefix="sstdp-hw-") as name:
        folder = Path(name)
        modules = read_design(directory.verilog, folder)
        mutants = choose(directory, modules, seed, count)
        if only is not None:
            mutants = [mutant for mutant in mutants if str(mutant) in only]
        alive = dict(enumerate(mutants, 1))
        flips = {n: mutant for n, mutant in alive.items() if isinstance(mutant, Mutation)}
        patches: dict[int, Patch] = {}
        outside: dict[int, int] = {}
        external: External | None = None
        if parameters.store.loaded:  # numbers are flipped on their way into the memories
            patches = {number: patch(directory, flip) for number, flip in flips.items()}
        if parameters.store.external:
            outside = {
                number: place_outside(directory, flip)
                for number, flip in flips.items()
                if flip.module == OUTSIDE
            }
            width = parameters.tiled.plan.bus.data_width
            external = External.of(parameters, more=flips_outside(outside, width))
        text = instrumented(
            directory.verilog, modules, mutants, folder, elsewhere={*patches, *outside}
        )
        design = design_of(text, parameters, images=2, external=external)
        noticed: dict[int, str] = {}
        if kept:
            kept.tell("Mutants")

        def prove(numbers: list[int]) -> dict[int, str]:
            """Those that change nothing, and why: numbers here, logic by the engine."""
            reasons: dict[int, str] = {}
            faults = []
            for number in numbers:
                mutant = mutants[number - 1]
                if isinstance(mutant, Mutation):
                    reason = equivalent(directory, mutant)
                else:
                    reason = harmless(directory, modules, mutant)
                    faults += [] if reason else [(number, mutant)]
                if reason:
                    reasons[number] = reason
            names = [f"proof-{number}" for number, _ in faults]
            with player.session(_PROVING, modules) as session:
                for found in kept_map(session, kept, names, faults):
                    reasons |= found
            return reasons

        player = engine or Local(jobs)
        with player.session(playing(_played, "verilator", "mutant"), design) as session:
            for turn in range(_TURNS):
                if turn:
                    random = np.random.default_rng([seed, turn])
                    images = hostile_images(directory.network, random, -(-len(images) // 2))
                left = [mutant for mutant in alive.values() if isinstance(mutant, Mutation)]
                seen = with_witnesses(directory, images, left, seed + turn)
                all_of_them = scenarios(directory, seen, seed + _SEEDS * turn)
                for place, scenario in enumerate(all_of_them):
                    if not alive:
                        break
                    given = (scenario, patches, timeout_cycles(directory, scenario.traffic))
                    name = f"play-{turn}-{place}"
                    batches = _batches(list(alive))
                    tasks = {"none": [0]} | {"-".join(map(str, each)): each for each in batches}
                    names = [f"{name}-{each}" for each in tasks]
                    without, *with_one = kept_map(
                        session, kept, names, list(tasks.values()), given=given
                    )
                    if without:
                        raise UserError(f"Without a mutant nothing may be noticed; {without[0]}")
                    for found in with_one:
                        noticed |= found
                        alive = {n: mutant for n, mutant in alive.items() if n not in found}
                        if progress:
                            progress(len(found))
                if not alive:
                    break
        # At the end, because to fail to prove one takes longer than to play it in every turn.
        proven = prove(list(alive))
        if progress:
            progress(len(proven))
    return [
        Verdict(mutant, noticed.get(number), proven.get(number))
        for number, mutant in enumerate(mutants, 1)
    ]


@contextmanager
def _prover(modules: dict[str, Any]) -> Iterator[LogicProof]:
    with tempfile.TemporaryDirectory(prefix="sstdp-hw-") as name:
        yield LogicProof(modules, Path(name))


def _prove(proof: LogicProof, item: tuple[int, LogicFault], _advance: Advance) -> dict[int, str]:
    number, fault = item
    reason = proof.equivalent(fault)
    return {number: reason} if reason else {}


_PROVING = Work(_prover, _prove, (distribution_of("yosys"),), unit="mutant")


def _batches(numbers: list[int]) -> list[list[int]]:
    """The same whoever plays, so that what is kept is of use to all."""
    size = min(_BATCH, -(-len(numbers) // _TASKS))
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


def _played(
    simulation: Simulation, item: tuple[tuple[Scenario, Mapping[int, Patch], int], list[int]],
    _advance: Advance,
) -> dict[int, str]:  # fmt: skip
    (scenario, patches, timeout), batch = item
    return _play(simulation, scenario, batch, patches, timeout)


def _play(
    simulation: Simulation, scenario: Scenario, batch: list[int], patches: Mapping[int, Patch],
    timeout: int, *, again: bool = False,
) -> dict[int, str]:  # fmt: skip
    """Mutants of the batch that the scenario shows, and what it shows. A simulator that fails is a
    mutant's doing if that one fails alone, twice, and nothing does without it; else the machine's,
    which has no room or ends programs."""
    control = [0] if scenario.fails else []
    try:
        answers = simulation.play(
            scenario.stream.packets, mutants=[*control, *batch], answers=scenario.stream.answers,
            loads=scenario.stream.loads, patches=patches, traffic=scenario.traffic,
            timeout_cycles=timeout,
        )  # fmt: skip
    except UserError as error:  # of a design that oscillates, for one: find out which it was
        if batch == [0]:
            raise
        if again:
            return {batch[0]: f"{scenario.name}: {error}"}
        half = len(batch) // 2
        parts = (batch[:half] or [0], batch[half:])
        first, second = (
            _play(simulation, scenario, part, patches, timeout, again=part == batch)
            for part in parts
        )
        return first | second
    right = answers.pop(0) if control else None
    found = ((n, scenario.noticed(each, right)) for n, each in zip(batch, answers, strict=True))
    return {number: text for number, text in found if text}


def summary(verdicts: list[Verdict]) -> dict[str, Any]:
    """Counts, kill rate of the mutants not shown equivalent, every survivor, and every equivalent
    with its reason."""
    killed = Counter(verdict.mutant.kind for verdict in verdicts if verdict.noticed)
    same = [verdict for verdict in verdicts if verdict.equivalent]
    alive = [verdict for verdict in verdicts if not verdict.noticed and not verdict.equivalent]
    different = len(verdicts) - len(same)
    return {
        "mutants": len(verdicts),
        "killed": sum(killed.values()),
        "equivalent": len(same),
        "survived": len(alive),
        "kill_rate": sum(killed.values()) / different if different else None,
        "kinds": {
            kind: {
                "mutants": total, "killed": killed[kind],
                "equivalent": sum(verdict.mutant.kind == kind for verdict in same),
            }
            for kind, total in Counter(verdict.mutant.kind for verdict in verdicts).items()
        },
        "survivors": [verdict.to_json() for verdict in alive],
        "equivalents": [verdict.to_json() for verdict in same],
    }  # fmt: skip
