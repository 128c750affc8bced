"""Tasks on the workers of a Dask scheduler."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from distributed import Client

from ..base.errors import UserError, first_line
from ..base.files import sha256
from ..base.progress import say
from .dispatch import ClusterSession
from .identity import difference, identity
from .speed import measured, speed_text
from .work import Session, Work
from .worker import packed

_ANSWER_SECONDS = 10.0  # a scheduler that is there answers at once
_SHOWN = 3


@dataclass
class Cluster:
    """A scheduler that answers, and its workers.

    Members
    -------
    refused : dict of str to str
        By address, the workers that are not asked, and why.
    expected : int
        Tasks at once, when all workers have come that a queue was asked for.
    """

    client: Any
    name: str
    refused: dict[str, str] = field(default_factory=dict)
    remote: bool = True
    expected: int = 1

    @classmethod
    @contextmanager
    def connected(
        cls, address: str, name: str | None = None, expected: int = 1
    ) -> Iterator[Cluster]:
        """Connect to the scheduler at ``address``.

        Raises
        ------
        UserError
            If none answers.
        """
        for logger in ("distributed", "distributed.client", "distributed.core", "tornado"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)  # what matters is told in a line
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # other versions; they are compared below
                connect: Any = Client
                client = connect(address, timeout=_ANSWER_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            reason = first_line(error)
            raise UserError(
                f"Cluster {address}: no scheduler answers there ({reason}); start one with `dask "
                "scheduler`, or name its host and port"
            ) from None
        try:
            found = cls(client, name or address, expected=expected)
            services = client.scheduler_info().get("services", {})
            if "dashboard" in services:
                say(f"Dashboard of the cluster: {client.dashboard_link}")
            yield found
        finally:
            with suppress(Exception):  # a scheduler that is gone
                client.close(timeout=2)

    @contextmanager
    def session(self, work: Work, shared: Any, *, jobs: int | None = None) -> Iterator[Session]:
        here = identity(work.tools)
        self.compare(here, work.tools)
        given, digest = self.sent(packed(work, shared))
        found = ClusterSession(self, work, given, digest, here)
        try:
            yield found
            if told := measured(found, found.seconds):
                say(f"Cluster {self.name}: {speed_text(told['cluster'], f'{work.unit}s')}")
        finally:
            found.end()
            with suppress(Exception):
                given.release()

    def sent(self, data: bytes) -> tuple[Any, str]:
        """Bytes on the cluster, and their SHA-256, by which a worker gets them once. A task of its
        own makes them: the scheduler has it done again when who held them is gone."""
        digest = sha256(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that they are many
            future = self.client.submit(
                bytes, data, key=f"sstdp-shared-{digest[:32]}", workers=self.allowed()
            )
        return future, digest

    def workers(self) -> dict[str, dict[str, Any]]:
        """By address, those that are asked."""
        found = self.client.scheduler_info(n_workers=-1)["workers"]
        return {address: each for address, each in found.items() if address not in self.refused}

    def allowed(self) -> list[str] | None:
        """For `Client.submit`: None if all workers are."""
        return list(self.workers()) if self.refused else None

    def refuse(self, address: str, name: str, why: str) -> None:
        """Ask a worker no more, and say so once."""
        if address not in self.refused:
            self.refused[address] = f"Worker {name} is refused: {why}"
            say(self.refused[address])

    def compare(self, here: dict[str, str], tools: tuple[str, ...]) -> None:
        """Refuse every worker that differs from this process.

        Raises
        ------
        UserError
            If that is all of them.
        """
        known = self.workers()
        # Python first: a function does not travel between two of them.
        told = self.client.get_versions()["workers"]
        mine = self.client.get_versions()["client"]
        for name in ("python", "distributed"):
            for address in list(known):
                there = told.get(address, {}).get("packages", {}).get(name)
                wanted = mine["packages"][name]
                if there and _series(name, there) != _series(name, wanted):
                    why = f"{name} must be {_series(name, wanted)}, as here, not {there}"
                    self.refuse(address, known.pop(address)["name"], why)
        if known:
            answers = self.client.run(identity, tools, workers=list(known), on_error="return")
            for address, answer in answers.items():
                if isinstance(answer, dict):
                    differs = difference(here, answer)
                else:
                    differs = f"sstdp-hw must be installed there as here ({answer})"
                if differs:
                    self.refuse(address, known.pop(address)["name"], differs)
        if self.refused and not known:
            first = list(self.refused.values())[:_SHOWN]
            more = f"; and {len(self.refused) - _SHOWN} more" if len(self.refused) > _SHOWN else ""
            raise UserError(f"Cluster {self.name}: no worker can be used: {'; '.join(first)}{more}")


def _series(name: str, version: str) -> str:
    """What must be the same: of Python, 3.11."""
    return ".".join(version.split(".")[:2]) if name == "python" else version
