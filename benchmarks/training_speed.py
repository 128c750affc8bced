"""How fast a training step is beside the published formulation, and whether it is the same step.

    python -m benchmarks.training_speed                      # T = 255 and 16, one thread
    python -m benchmarks.training_speed --steps 16 --threads 2 --json build/speed.json
    python -m benchmarks.training_speed --quick              # a smoke run

Every candidate trains the same 784-400-10 network on the same batches with the published settings
(normalized errors, no gate, relative-target loss, plain gradient descent). A measured step is all
of a step: encode, forward, loss, backward, optimizer. Candidates take turns in rounds, so a machine
that slows down slows all of them; speeds are ratios within one run. Before anything is timed, all
gradients are compared with those of the published formulation on integer weights; if they differ
by more than round-off, the exit status is 1.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import published
from benchmarks.arguments import positive
from benchmarks.batches import Batches, load_batches
from benchmarks.candidates import BASELINE, Candidate, InEvents, Setting, runnable
from benchmarks.comparison import Comparison, compare, mixed_network
from benchmarks.outcome import carried_out
from sstdp_hw import __version__
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import write_json
from sstdp_hw.base.tables import number, percent, show, table
from sstdp_hw.network.chain import MAX_T

SIZES = (784, 400, 10)
FEWEST_STEPS = published.UNSIMULATED + 1


@dataclass(frozen=True)
class Speed:
    """What one candidate took.

    Members
    -------
    seconds : list of list of float
        Of every step, by round.
    """

    name: str
    batch_size: int
    seconds: list[list[float]]

    @property
    def median(self) -> float:
        """Seconds of a step."""
        return statistics.median(step for turn in self.seconds for step in turn)

    def against(self, other: Speed) -> dict[str, float]:
        """How many times faster than ``other``: of the medians, and the extremes over rounds."""
        rounds = [
            statistics.median(theirs) / statistics.median(own)
            for theirs, own in zip(other.seconds, self.seconds, strict=True)
        ]
        return {
            "ratio": other.median / self.median,
            "ratio_lowest_round": min(rounds),
            "ratio_highest_round": max(rounds),
        }

    def as_dict(self, baseline: Speed) -> dict[str, Any]:
        return {
            "name": self.name,
            "seconds_per_step": self.median,
            "images_per_second": self.batch_size / self.median,
            **self.against(baseline),
            "seconds": self.seconds,
        }


def starting_weights(generator: torch.Generator) -> list[Tensor]:
    """The published start: uniform from 0 to 5, and to 48 in the output layer."""
    return [
        torch.rand(neurons, fan_in, generator=generator) * largest
        for fan_in, neurons, largest in zip(
            SIZES[:-1], SIZES[1:], published.WEIGHT_RANGES, strict=True
        )
    ]


def network_in_training(
    t_max: int, warm_up: int, batches: Batches, seed: int, device: torch.device
) -> Setting:
    """The published start, trained for ``warm_up`` steps.

    At the start all neurons fire within the first steps. That is over after some dozen batches, and
    a formulation whose cost follows the spikes must be measured where training spends its time.
    """
    generator = torch.Generator().manual_seed(seed)
    start = Setting(t_max, starting_weights(generator), [*published.THRESHOLDS], device)
    trained = InEvents(start, backend="auto")
    for index in range(warm_up):
        trained.step(*_on(device, batches[index]))
    weights = [layer.weight.detach().t().contiguous().cpu() for layer in trained.network.layers]
    return Setting(t_max, weights, start.thresholds, device)


def _on(device: torch.device, tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.to(device) for tensor in tensors]


@dataclass(frozen=True)
class Activity:
    """What the network that is timed does with one batch.

    Members
    -------
    occupied : list of int
        In how many time steps each layer's inputs have any spike in the batch.
    firing : list of float
        Share of each layer's neurons that fire.
    """

    occupied: list[int]
    firing: list[float]

    @classmethod
    def of(cls, setting: Setting, images: Tensor) -> Activity:
        times = published.encode(images, setting.t_max)
        occupied, firing = [], []
        for weight, threshold in zip(setting.weights, setting.thresholds, strict=True):
            occupied.append(len(times[times < setting.t_max].unique()))
            times = published.simulate(times, weight, threshold, setting.t_max)
            firing.append(float((times < setting.t_max).to(torch.float32).mean()))
        return cls(occupied, firing)


CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def contest(
    setting: Setting, candidates: Sequence[Candidate], batches: Batches, rounds: int, turn: int,
    clock: str = "wall",
) -> list[Speed]:  # fmt: skip
    """Time the candidates in rounds; in each, every one takes ``turn`` steps on the same batches.

    The clock ``processor`` leaves out the time in which other programs have the processor: on a
    busy machine a short step is otherwise interrupted once or not at all.

    Before the first round each takes one step untimed: memory is claimed and code compiled in it.
    """
    contestants = [(candidate.name, candidate.make(setting)) for candidate in candidates]
    batch_size = len(batches.labels[0])
    speeds = [Speed(name, batch_size, []) for name, _ in contestants]
    for _, contestant in contestants:
        contestant.step(*_on(setting.device, batches[0]))
    for turns_before in range(0, rounds * turn, turn):
        for speed, (_, contestant) in zip(speeds, contestants, strict=True):
            seconds = []
            for index in range(turn):
                images, labels = _on(setting.device, batches[1 + turns_before + index])
                _settle(setting.device)
                start = CLOCKS[clock]()
                contestant.step(images, labels)
                _settle(setting.device)
                seconds.append(CLOCKS[clock]() - start)
            speed.seconds.append(seconds)
    return speeds


def _settle(device: torch.device) -> None:
    """A GPU works on after a call has returned."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def check(
    t_max: int, candidates: Sequence[Candidate], batches: Batches, seed: int, device: torch.device
) -> list[Comparison]:
    """Compare spike times and gradients of one batch with the published formulation's."""
    images, labels = batches[0]
    times = published.encode(images, t_max)
    generator = torch.Generator().manual_seed(seed)
    weights, thresholds = mixed_network(times, SIZES, t_max, generator)
    setting = Setting(t_max, weights, thresholds, device)
    times, labels = _on(device, (times, labels))
    expected = BASELINE.make(setting).gradients(times, labels)
    comparisons = []
    for candidate in candidates:
        if candidate is not BASELINE:
            found = candidate.make(setting).gradients(times, labels)
            comparisons.append(compare(candidate.name, found, expected, weights, t_max))
    return comparisons


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything the options ask for, as JSON values; tables go to the terminal on the way."""
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError("--device must be cpu, not cuda: torch finds no CUDA device")
    if options.clock == "processor" and (options.threads > 1 or device.type != "cpu"):
        raise UserError(
            f"--clock must be wall with {options.threads} threads on device {device}, not "
            "processor, which adds up threads and does not see a GPU"
        )
    torch.set_num_threads(options.threads)
    needed = max(options.warm_up, 1 + options.rounds * options.turn)
    batches = load_batches(options.images, options.batch_size, needed, SIZES[-1], options.seed)
    runs = []
    for t_max in options.steps:
        setting = network_in_training(t_max, options.warm_up, batches, options.seed, device)
        candidates, left_out = runnable(setting)
        comparisons = check(t_max, candidates, batches, options.seed, device)
        show(_comparison_table(t_max, comparisons))
        activity = Activity.of(setting, batches[0][0])
        speeds = contest(setting, candidates, batches, options.rounds, options.turn, options.clock)
        show(_speed_table(t_max, speeds, activity, batches.source))
        for name, reason in left_out.items():
            print(f"{name}: left out. {reason}")
        runs.append(
            {
                "t_max": t_max,
                "occupied_steps": activity.occupied,
                "firing": activity.firing,
                "speeds": [speed.as_dict(speeds[0]) for speed in speeds],
                "left_out": left_out,
                "comparisons": [entry.as_dict() for entry in comparisons],
            }
        )
    return {
        "benchmark": "training_speed",
        "images": batches.source,
        "network": list(SIZES),
        "batch_size": options.batch_size,
        "threads": options.threads,
        "clock": options.clock,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "processor": platform.machine(),
        "seed": options.seed,
        "warm_up": options.warm_up,
        "rounds": options.rounds,
        "turn": options.turn,
        "versions": {
            "sstdp_hw": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "runs": runs,
    }


def _comparison_table(t_max: int, comparisons: list[Comparison]) -> Any:
    rows = []
    for entry in comparisons:
        for layer, found in enumerate(entry.layers, start=1):
            rows.append(
                (
                    entry.name, str(layer),
                    "equal" if not found.spikes_that_differ else f"{found.spikes_that_differ} not",
                    percent(found.firing), f"{found.difference:.2e}", f"{found.relative:.2e}",
                    f"{found.bound:.2e}", "yes" if found.agrees else "NO",
                )
            )  # fmt: skip
    return table(
        f"T = {t_max}: weight gradients of one batch beside the published formulation's",
        ("candidate", "layer", "spike times", "firing", "largest difference", "as a share",
         "round-off allows", "agree"),
        rows,
    )  # fmt: skip


def _speed_table(t_max: int, speeds: list[Speed], activity: Activity, source: str) -> Any:
    rows = []
    for speed in speeds:
        ratio = speed.against(speeds[0])
        rows.append(
            (
                speed.name, number(1000 * speed.median, 2),
                number(speed.batch_size / speed.median), f"{ratio['ratio']:.1f}",
                f"{ratio['ratio_lowest_round']:.1f}, {ratio['ratio_highest_round']:.1f}",
            )
        )  # fmt: skip
    firing = " and ".join(percent(share) for share in activity.firing)
    occupied = " and ".join(str(steps) for steps in activity.occupied)
    return table(
        f"T = {t_max}: a training step of 784-400-10 on {source} images; {firing} of the neurons "
        f"fire, {occupied} steps hold spikes",
        ("candidate", "ms per step", "images/s", "times as fast", "lowest and highest round"),
        rows,
    )


def _steps(text: str) -> list[int]:
    try:
        steps = [int(part) for part in text.split(",")]
    except ValueError:
        steps = [0]
    if not all(FEWEST_STEPS <= step <= MAX_T for step in steps):
        raise argparse.ArgumentTypeError(
            f"must be numbers from {FEWEST_STEPS} to {MAX_T} with commas between, not {text!r}"
        )
    return steps


def parse(
    arguments: Sequence[str] | None = None, *, description: str = __doc__,
    steps: Sequence[int] = (255, 16),
) -> argparse.Namespace:  # fmt: skip
    """The command line's options; ``--quick`` is a set of other defaults."""
    summary, usage, rest = description.split("\n\n", 2)
    parser = argparse.ArgumentParser(
        prog=usage.split(" # ")[0].strip(), description=f"{summary}\n\n{usage}\n\n{rest}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    shown = ",".join(str(count) for count in steps)
    add("--steps", type=_steps, default=[*steps], metavar="T,T", help=f"default: {shown}")
    add("--threads", type=positive, default=1, metavar="N", help="of torch; default: 1")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    add("--clock", choices=sorted(CLOCKS), default="wall",
        help="processor: without the time that other programs take; one thread on the CPU only "
        "(default: wall)")  # fmt: skip
    add("--batch-size", type=positive, default=64, metavar="N", help="default: 64")
    add("--rounds", type=positive, metavar="N", help="default: 7")
    add("--turn", type=positive, metavar="N", help="steps of a candidate in a round; default: 3")
    add("--warm-up", type=positive, metavar="N",
        help="training steps before the network is timed; default: 100")  # fmt: skip
    add("--images", choices=("auto", "mnist", "synthetic"), default="auto",
        help="default: mnist if it is found")  # fmt: skip
    add("--seed", type=int, default=0, help="default: 0")
    add("--quick", action="store_true", help="a smoke run: rounds, turn 1, warm-up 3")
    add("--json", type=Path, metavar="FILE", help="write everything measured as JSON")
    options = parser.parse_args(arguments)
    for name, usual, quick in (("rounds", 7, 1), ("turn", 3, 1), ("warm_up", 100, 3)):
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else usual)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0; 1 if gradients or spike times differ; 2 for bad input."""
    options = parse(arguments)
    return carried_out("benchmarks.training_speed", lambda: carry_out(options, measure))


def carry_out(
    options: argparse.Namespace, measure: Callable[[argparse.Namespace], dict[str, Any]]
) -> int:
    """Measure, write what is asked for, and return the exit status."""
    result = measure(options)
    if options.json:
        write_json(options.json, result)
    agree = all(entry["agrees"] for run in result["runs"] for entry in run["comparisons"])
    if not agree:
        print("error: spike times or gradients differ, see above", file=sys.stderr)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
