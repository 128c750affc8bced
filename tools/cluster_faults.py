"""What a cluster does when its parts fail: a full disk, a lost machine, a restarted scheduler.

    python tools/cluster_faults.py DIR --dataset mnist

Root and iproute2, as for `cluster_trial`. DIR is an accelerator of `sstdp-hw generate`; its images
are simulated here first, then on two workers with each fault, and must give the same bytes.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster_trial import (
    ADDRESS,
    arguments,
    namespaces,
    results,
    simulation,
    start_scheduler,
    start_worker,
)

#: Of the disk that is full: a worker starts with it, and nothing can be compiled on it.
_SMALL = "size=300k"
_AWAY, _LATE = "sb", "vsb"  # the worker that is hit, and its line

Simulate = Callable[[str], "subprocess.Popen[bytes]"]


class Cluster:
    """A scheduler and two workers in namespaces, for one run."""

    def __init__(self, held: ExitStack, folder: str, *, full: bool) -> None:
        self.held, self.folder = held, folder
        namespaces(held, ["sa", _AWAY])
        self.scheduler = start_scheduler(held, folder)
        if full:
            place = Path(folder, _AWAY)
            place.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", _SMALL, "none", place], check=True)
            held.callback(subprocess.run, ["umount", "-l", place], check=True)
        self.workers = self.started()

    def started(self) -> list[subprocess.Popen[bytes]]:
        found = [start_worker(self.held, self.folder, name) for name in ("sa", _AWAY)]
        time.sleep(8)  # until both are there
        return found


@contextmanager
def _cluster(*, full: bool = False) -> Iterator[Cluster]:
    with TemporaryDirectory(prefix="sstdp-faults-") as folder, ExitStack() as held:
        yield Cluster(held, folder, full=full)


def _full_disk(simulate: Simulate, _after: float) -> None:
    with _cluster(full=True):
        assert simulate(ADDRESS).wait() == 0


def _lost_machine(simulate: Simulate, after: float) -> None:
    """No answer comes from it any more, not even that it ends."""
    with _cluster():
        process = simulate(ADDRESS)
        time.sleep(after)
        subprocess.run(["ip", "link", "set", _LATE, "down"], check=True)
        assert process.wait() == 0


def _restarted_scheduler(simulate: Simulate, after: float) -> None:
    """The front ends; the same command goes on with workers that were started again."""
    with _cluster() as cluster:
        process = simulate(ADDRESS)
        time.sleep(after)
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        assert process.wait() == 2
        for worker in cluster.workers:  # they end with their scheduler
            worker.wait(60)
        start_scheduler(cluster.held, cluster.folder)
        cluster.started()
        assert simulate(ADDRESS).wait() == 0


FAULTS = {
    "a full disk": _full_disk,
    "a lost machine": _lost_machine,
    "a restarted scheduler": _restarted_scheduler,
}


def main() -> None:
    parser = arguments(__doc__, samples=10_000)
    parser.add_argument("--after", type=float, default=8.0, metavar="SECONDS")
    options = parser.parse_args()

    def simulate(where: str) -> subprocess.Popen[bytes]:
        return simulation(options, *(["--cluster", where] if where else []))

    assert simulate("").wait() == 0
    told = {"none": {"answers": results(options)["answers"]}}
    for name, fault in FAULTS.items():
        (options.directory / "results.npz").unlink()
        fault(simulate, options.after)
        found = results(options)
        told[name] = {
            "answers": found["answers"], "images": found["images"], "ran_on": found["cluster"],
        }  # fmt: skip
        assert told[name]["answers"] == told["none"]["answers"], name
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
