"""The option ``--cluster`` of all verbs that have independent tasks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..base.errors import UserError
from .local import Local
from .schemes import QUEUES, SCHEMES
from .work import Engine

HELP = "a Dask scheduler, tcp://HOST:PORT, or slurm:FILE.yaml (default: the cores of this machine)"


def add_cluster(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cluster", metavar="WHERE", help=HELP)


@contextmanager
def engine_of(cluster: str | None, jobs: int = 1) -> Iterator[Engine]:
    """The engine that a command line asks for.

    Parameters
    ----------
    cluster : str or None
        As of ``--cluster``.
    jobs : int
        Tasks at once where there is no cluster.

    Raises
    ------
    UserError
        If it names none, no scheduler answers, or the extra is missing.
    """
    if cluster is None:
        yield Local(jobs)
        return
    with _cluster(cluster) as found:
        yield found


@contextmanager
def _cluster(text: str) -> Iterator[Engine]:
    scheme, _, rest = text.partition(":")
    host, _, port = rest.removeprefix("//").rpartition(":")
    running = scheme in SCHEMES and rest.startswith("//") and host and port.isdecimal()
    if not running and not (scheme in QUEUES and rest):
        raise UserError(
            f"Cluster must be tcp://HOST:PORT of a running Dask scheduler or slurm:FILE.yaml, not "
            f"{text!r}"
        )
    try:
        from .cluster import Cluster
        from .queues import started
    except ModuleNotFoundError as error:
        raise UserError(
            f"--cluster needs the Python package {error.name}; pip install 'sstdp-hw[cluster]' "
            "brings it"
        ) from None
    if running:
        with Cluster.connected(text) as found:
            yield found
        return
    with (
        started(scheme, Path(rest)) as (address, expected),
        Cluster.connected(address, text, expected) as found,
    ):
        yield found
