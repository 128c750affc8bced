"""How much faster two workers of a cluster are than one: explorations, studies, mutants, random
networks.

    python tools/cluster_speed_up.py [--only mutants]

Root and iproute2, as for `cluster_trial`: a scheduler here, each worker in a network namespace of
its own. Each command runs with one worker and with two, every time with new, empty caches (but for
that of the compiled FPGA tools), and must write the same result both times, seconds apart. Prints a
JSON object of what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cluster_trial import ADDRESS, namespaces, start_scheduler, start_worker

from sstdp_hw.base.caches import wasm_cache

NETWORK = "ready:digits-64-64-10-4bit"
WORKERS = ("sa", "sb")


def _exploration(out: Path, options: argparse.Namespace) -> tuple[list[str], Path]:
    """The points of a front, built."""
    command = ["sstdp-hw", "explore", NETWORK, "--synthesize", "--out", str(out / "front")]
    return [*command, "--json", str(out / "front.json")], out / "front.json"


def _study(out: Path, options: argparse.Namespace) -> tuple[list[str], Path]:
    """Eight trainings on MNIST."""
    command = [sys.executable, "-m", "benchmarks.study", "ablation", "--out", str(out)]
    few = ["--only", "full,no-gate", "--seeds", "0,1,2,3", "--epochs", str(options.epochs)]
    return [*command, *few], out / "ablation" / "study.json"


def _mutants(out: Path, options: argparse.Namespace) -> tuple[list[str], Path]:
    """Mutants of one accelerator."""
    lanes = ["--lanes", "16,3", "--out", str(out / "digits")]
    subprocess.run(["sstdp-hw", "generate", NETWORK, *lanes], check=True)
    command = ["sstdp-hw", "verify", "mutants", str(out / "digits"), "--dataset", "digits"]
    return [*command, "--count", str(options.mutants)], out / "digits" / "mutants.json"


def _random(out: Path, options: argparse.Namespace) -> tuple[list[str], Path]:
    """Random networks, each generated, compiled and played."""
    command = ["sstdp-hw", "verify", "random", "--count", str(options.networks)]
    return [*command, "--out", str(out), "--json", str(out / "random.json")], out / "random.json"


COMMANDS: dict[str, Callable[[Path, argparse.Namespace], tuple[list[str], Path]]] = {
    "exploration": _exploration, "study": _study, "mutants": _mutants, "random": _random,
}  # fmt: skip


def _without_seconds(found: Any) -> Any:
    if isinstance(found, dict):
        return {k: _without_seconds(v) for k, v in found.items() if "seconds" not in k}
    return [_without_seconds(each) for each in found] if isinstance(found, list) else found


def _measured(name: str, workers: int, options: argparse.Namespace) -> tuple[float, Any]:
    """Seconds of the command with so many workers, and what it wrote."""
    with ExitStack() as held:
        folder = held.enter_context(TemporaryDirectory(prefix="sstdp-speed-up-"))
        command, result = COMMANDS[name](Path(folder), options)
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        namespaces(held, list(WORKERS))
        start_scheduler(held, folder)
        for worker in WORKERS[:workers]:
            start_worker(held, folder, worker)
        time.sleep(10)  # until all of them are there
        start = time.monotonic()
        status = subprocess.run([*command, "--cluster", ADDRESS], stdout=sys.stderr).returncode
        seconds = time.monotonic() - start
        if not result.exists():
            raise SystemExit(f"{name} ended with status {status} and wrote no {result.name}")
        return seconds, _without_seconds(json.loads(result.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=COMMANDS, action="append")
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=4, help="of each training")
    parser.add_argument("--networks", type=int, default=40, help="random ones")
    options = parser.parse_args()
    os.environ["YOWASP_CACHE_DIR"] = str(wasm_cache())
    told = {}
    for name in options.only or COMMANDS:
        one, first = _measured(name, 1, options)
        two, second = _measured(name, 2, options)
        if first != second:
            raise SystemExit(f"{name}: two workers wrote another result than one")
        told[name] = {
            "one_worker_seconds": round(one, 1), "two_workers_seconds": round(two, 1),
            "times_as_fast": round(one / two, 2), "load": os.getloadavg()[0],
        }  # fmt: skip
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
