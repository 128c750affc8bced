"""Workers from the queue of a computing centre, as dask-jobqueue's own configuration asks."""

from __future__ import annotations

import math
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dask
import yaml

from ..base.errors import UserError, first_line
from ..base.files import read_bytes
from ..base.progress import say
from .schemes import QUEUES

MOST = "distributed.adaptive.maximum"


def _library() -> Any:
    """dask_jobqueue, which takes SIGINT for itself when it is imported: who had it has it again."""
    before = signal.getsignal(signal.SIGINT)
    import dask_jobqueue

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, before)
    return dask_jobqueue


_JOBQUEUE = _library()


@contextmanager
def configured(queue: str, file: Path) -> Iterator[Any]:
    """The cluster that ``file`` describes, with its scheduler and without workers.

    Parameters
    ----------
    queue : str
        Of `schemes.QUEUES`.
    file : Path
        YAML as dask-jobqueue documents it: what it calls ``jobqueue.slurm``; and
        ``distributed.adaptive.maximum``, the number of workers.

    Raises
    ------
    UserError
        If the file is not so.
    """
    settings = _read(queue, file)
    with dask.config.set(dask.config.merge(dask.config.config, settings)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that its dashboard takes another port
                cluster = getattr(_JOBQUEUE, QUEUES[queue])(silence_logs="critical")
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            raise UserError(
                f"{file}: jobqueue.{queue} must be a configuration of dask-jobqueue "
                f"({first_line(error)})"
            ) from None
        try:
            yield cluster
        finally:
            with suppress(Exception):  # jobs that have ended by themselves
                cluster.close()


@contextmanager
def started(queue: str, file: Path) -> Iterator[tuple[str, int]]:
    """Ask the queue for workers; the address of their scheduler, and how many. With the block the
    jobs end."""
    with configured(queue, file) as cluster:
        count = int(dask.config.get(MOST))
        say(f"Cluster {queue}:{file}: asking for {count} workers.")
        try:
            cluster.scale(count)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"Cluster {queue}:{file}: the jobs cannot be submitted ({error})"
            ) from None
        yield str(cluster.scheduler_address), count


def _read(queue: str, file: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(read_bytes(file, "cluster"))
    except yaml.YAMLError as error:
        raise UserError(f"{file}: must be YAML ({' '.join(str(error).split())})") from None
    if not isinstance(settings, dict) or not isinstance(
        (settings.get("jobqueue") or {}).get(queue), dict
    ):
        raise UserError(
            f"{file}: must have the section jobqueue: {queue}: of dask-jobqueue's configuration; "
            "docs/cluster.md shows one"
        )
    with dask.config.set(dask.config.merge(dask.config.config, settings)):
        most = dask.config.get(MOST, math.inf)
        for name in ("cores", "memory"):
            if not dask.config.get(f"jobqueue.{queue}.{name}", None):
                raise UserError(f"{file}: jobqueue: {queue}: must say {name}, those of one job")
    if not isinstance(most, int) or most < 1:
        raise UserError(
            f"{file}: distributed: adaptive: maximum: must be the number of workers to ask for, "
            f"not {most}"
        )
    return settings
