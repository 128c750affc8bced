"""A cluster in two network namespaces of this machine (root, iproute2): what it does and costs.

    python tools/cluster_trial.py DIR --dataset mnist --samples 2000

DIR is an accelerator of `sstdp-hw generate`. A scheduler stands in this namespace, a worker in each
of two others. The images are simulated by two processes here, by two workers, by one, and by two of
which one is killed; answers must be the same bytes. Prints a JSON object of what was measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sstdp_hw.engine.options import engine_of
from sstdp_hw.engine.work import Work

BRIDGE, NETWORK, PORT = "sstdp0", "10.77.0.", 8786
ADDRESS = f"tcp://{NETWORK}1:{PORT}"
TASKS = 1000
#: A task that does next to nothing, by a function that every worker has.
EMPTY = Work(nullcontext, print)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def namespaces(held: ExitStack, names: list[str]) -> None:
    _ip("link", "add", BRIDGE, "type", "bridge")
    held.callback(_ip, "link", "del", BRIDGE)
    _ip("addr", "add", f"{NETWORK}1/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    for number, name in enumerate(names, 2):
        _ip("netns", "add", name)
        held.callback(_ip, "netns", "del", name)
        _ip("link", "add", f"v{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        held.callback(_ip, "link", "del", f"v{name}")  # a namespace goes later than it says
        _ip("link", "set", f"v{name}", "master", BRIDGE, "up")
        for command in (
            ["addr", "add", f"{NETWORK}{number}/24", "dev", "eth0"],
            ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"],
        ):  # fmt: skip
            _ip("-n", name, *command)


def started(held: ExitStack, folder: str, name: str, *command: str) -> subprocess.Popen[bytes]:
    log = held.enter_context(open(Path(folder, f"{name}.log"), "wb"))  # noqa: SIM115
    process = subprocess.Popen(list(command), cwd=folder, stdout=log, stderr=log)
    held.callback(process.wait)
    held.callback(process.kill)
    return process


def start_scheduler(held: ExitStack, folder: str) -> subprocess.Popen[bytes]:
    return started(
        held, folder, "scheduler", sys.executable, "-m", "dask", "scheduler", "--host",
        f"{NETWORK}1", "--port", str(PORT), "--no-dashboard",
    )  # fmt: skip


def start_worker(held: ExitStack, folder: str, name: str) -> subprocess.Popen[bytes]:
    """A worker of one task at a time in the network namespace of its name."""
    return started(
        held, folder, name, "ip", "netns", "exec", name, sys.executable, "-m", "dask", "worker",
        ADDRESS, "--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard",
        "--local-directory", f"{folder}/{name}",
    )  # fmt: skip


def simulation(options: argparse.Namespace, *more: str) -> subprocess.Popen[bytes]:
    """A `simulate` that was started."""
    return subprocess.Popen(
        ["sstdp-hw", "simulate", str(options.directory), "--dataset", options.dataset,
         "--samples", str(options.samples), *more],
        stdout=sys.stderr,
    )  # fmt: skip


def results(options: argparse.Namespace) -> dict[str, Any]:
    """What `simulate` told, with the digest of its answers as ``answers``."""
    told = json.loads((options.directory / "results.json").read_text())
    answers = (options.directory / "results.npz").read_bytes()
    return {**told, "answers": hashlib.sha256(answers).hexdigest()[:12]}


def arguments(description: str | None, samples: int) -> argparse.ArgumentParser:
    """The options that all trials have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--samples", type=int, default=samples)
    return parser


def _simulate(options: argparse.Namespace, *more: str, kill: subprocess.Popen | None = None):
    """One run: seconds, digest of the answers, and what the results tell."""
    start = time.monotonic()
    process = simulation(options, *more)
    if kill is not None:
        time.sleep(options.kill_after)
        os.kill(kill.pid, signal.SIGKILL)
    assert process.wait() == 0
    told = results(options)
    return {
        "seconds": round(time.monotonic() - start, 1), "simulating": told["seconds"]["simulate"],
        "answers": told["answers"], "images": told["images"],
        "mismatches": told["mismatches"], "cluster": told.get("cluster"),
        "load": os.getloadavg()[0],
    }  # fmt: skip


def _processor_seconds(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _per_task(scheduler: subprocess.Popen[bytes]) -> dict[str, float]:
    """Milliseconds of a processor that an empty task takes from scheduler and front."""
    with engine_of(ADDRESS) as engine, engine.session(EMPTY, None) as session:
        session.map([0])
        before, front = _processor_seconds(scheduler), time.process_time()
        session.map(list(range(TASKS)))
        return {
            "scheduler_ms": round((_processor_seconds(scheduler) - before) / TASKS * 1000, 2),
            "front_ms": round((time.process_time() - front) / TASKS * 1000, 2),
        }


def main() -> None:
    parser = arguments(__doc__, samples=2000)
    parser.add_argument("--kill-after", type=float, default=6.0, metavar="SECONDS")
    options = parser.parse_args()
    found = {}
    with ExitStack() as held:
        folder = held.enter_context(TemporaryDirectory(prefix="sstdp-trial-"))
        namespaces(held, ["sa", "sb"])
        scheduler = start_scheduler(held, folder)
        found["two processes here"] = _simulate(options, "--jobs", "2")
        one = start_worker(held, folder, "sa")
        found["one worker"] = _simulate(options, "--cluster", ADDRESS)
        start_worker(held, folder, "sb")
        time.sleep(5)
        found["two workers"] = _simulate(options, "--cluster", ADDRESS)
        found["a task"] = _per_task(scheduler)
        found["two workers, one killed"] = _simulate(options, "--cluster", ADDRESS, kill=one)
    digests = {run["answers"] for run in found.values() if "answers" in run}
    assert len(digests) == 1, digests
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
