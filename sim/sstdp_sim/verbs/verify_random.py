"""The verb ``verify random``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.engine.options import engine_of

from .playing import add_jobs, check_at_least_one, check_seed

DESCRIPTION = """\
Make random networks and configurations, generate each as an accelerator, and co-simulate it with
the reference: dense, convolutional and of extreme shape; streaming and sequential; weights that are
constants, loaded, or in an external memory; pixels and spikes; half of them with gaps, backpressure
and slow memories; those without early exit spike for spike.

  sstdp-hw verify random --count 100
  sstdp-hw verify random --count 100000 --cluster tcp://head:8786
  sstdp-hw verify random --count 1 --seed 4711

Case N follows from seed N alone. Of one that fails network and samples are written to OUT/N, with
the commands that repeat it; exit status 1 then."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--count", type=int, required=True, metavar="N", help="how many networks to make"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first one; each later one has the next"
    )
    parser.add_argument(
        "--samples", type=int, default=8, metavar="N",
        help="images, or inferences of spikes, for each (default: 8)",
    )  # fmt: skip
    parser.add_argument(
        "--simulator", default="verilator", metavar="NAME", help="verilator (default) or icarus"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/random"), metavar="OUT",
        help="where cases that fail are written (default: build/random)",
    )  # fmt: skip
    add_jobs(parser)


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.base.destination import check_folder
    from sstdp_hw.base.progress import progress
    from sstdp_hw.base.tables import counted
    from sstdp_hw.cases.drawn import drawn_case

    from ..simulation.simulator import check_simulator
    from ..stress.random_cases import Job, command_text, commands_of, kept_of, play, save_case

    check_at_least_one(count=options.count, samples=options.samples, jobs=options.jobs)
    check_seed(options.seed)
    check_simulator(options.simulator)
    check_folder(options.out)  # long before anything that fails is written there
    job = Job(options.samples, options.simulator)
    kept = kept_of(job)
    seeds = range(options.seed, options.seed + options.count)
    with (
        engine_of(options.cluster, options.jobs) as engine,
        progress(f"Playing {counted(len(seeds), 'random network')}", len(seeds)) as advance,
    ):
        failures = play(engine, job, seeds, kept=kept, progress=advance)
    told = []
    for failure in failures:
        case, folder = drawn_case(failure.seed, job.samples), options.out / str(failure.seed)
        save_case(case, folder)
        commands = [command_text(each) for each in commands_of(case, job, folder)]
        told.append(
            {
                "seed": failure.seed, "case": case.text, "text": failure.text,
                "folder": str(folder), "commands": commands,
            }
        )  # fmt: skip
        print(f"seed {failure.seed}, {case.text}: {failure.text}")
        for command in commands:
            print(f"  {command}")
    kept.discard(map(str, seeds))
    result = {
        "networks": len(seeds), "seed": options.seed, "samples": job.samples,
        "simulator": job.simulator, "failures": told,
    }  # fmt: skip
    print(f"{counted(len(seeds), 'random network')}: {counted(len(told), 'failure')}")
    if told:
        first = told[0]
        raise VerbFailed(
            f"{len(told)} of {counted(len(seeds), 'network')} failed; first: seed {first['seed']}, "
            f"{first['text']}",
            result,
        )
    return result


verify_random = Verb(
    summary="make random networks, and co-simulate each with the reference",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
