"""One training shared out to several processes, on one machine or many, as `torchrun` starts them.

Every process (a rank) holds the whole network and all images, takes its share of each batch, and
gradients and running numbers are averaged over all before each step, as DistributedDataParallel
does (Li et al. 2020, arXiv:2006.15704). That class is not used, for it averages as if all shares
were of one size, and takes running numbers from one process.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor

from sstdp_hw.base.errors import UserError, first_line

Value = TypeVar("Value")

ENVIRONMENT = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun sets


@dataclass(frozen=True)
class Ranks:
    """The processes of a training; by default this one alone.

    Parameters
    ----------
    number : int
        Of this process.
    count : int
        Of all.
    """

    number: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process speaks, and writes files."""
        return self.number == 0

    @property
    def alone(self) -> bool:
        return self.count == 1

    def share(self, chosen: Tensor) -> tuple[Tensor, float]:
        """This process's part of a batch, and how much each image of it counts.

        Of fewer images than there are processes everyone takes all, and each counts for less.
        """
        if self.alone:
            return chosen, 1.0
        if len(chosen) < self.count:
            return chosen, 1 / self.count
        return chosen.tensor_split(self.count)[self.number], 1.0

    def average(self, tensors: Sequence[Tensor], weight: float) -> None:
        """Replace float32 tensors by the sum over processes of ``weight`` times theirs."""
        if self.alone:
            return
        together = torch.cat([each.flatten() for each in tensors]).mul_(weight)
        self.add_up(together)
        parts = together.split([each.numel() for each in tensors])
        for each, part in zip(tensors, parts, strict=True):
            each.copy_(part.view_as(each))

    def add_up(self, sums: Tensor) -> Tensor:
        """Replace a tensor by its sum over processes, and return it."""
        if not self.alone:
            with _losses_told():
                distributed.all_reduce(sums)
        return sums

    def of_first(self, value: Value) -> Value:
        """What the first process has."""
        if self.alone:
            return value
        found = [value if self.leads else None]
        with _losses_told():
            distributed.broadcast_object_list(found)
        return found[0]  # type: ignore[return-value]

    def check_alike(self, what: Mapping[str, object]) -> None:
        """Refuse processes that do not start from the same.

        Raises
        ------
        UserError
            In every process, naming one that differs.
        """
        if self.alone:
            return
        found: list[dict[str, object]] = [{}] * self.count
        with _losses_told():
            distributed.all_gather_object(found, dict(what))
        for number, other in enumerate(found):
            for name, value in found[0].items():
                if other[name] != value:
                    raise UserError(
                        f"Process {number + 1} of {self.count}: {name} must be that of the first, "
                        f"{value}, not {other[name]}"
                    )


def first_here() -> bool:
    """Whether this process is the first of its training, or alone; before and after `joined`."""
    return not _started_with_others() or os.environ["RANK"] == "0"


def joined(device: torch.device) -> Ranks:
    """Meet the other processes, if `torchrun` started any.

    Once for all trainings of a process: another meeting at the same place could find addresses that
    the first one left there.

    Raises
    ------
    UserError
        If they cannot be met.
    """
    if not _started_with_others():
        return Ranks()
    if not distributed.is_initialized():
        backend = "gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl"
        try:
            distributed.init_process_group(backend)
        except (RuntimeError, ValueError) as error:
            reason = first_line(error)[:100]
            raise UserError(
                f"The other processes of this training must be within reach of "
                f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']} ({reason}); "
                "start them with torchrun"
            ) from None
        atexit.register(distributed.destroy_process_group)
    return Ranks(distributed.get_rank(), distributed.get_world_size())


def own_device(device: torch.device) -> torch.device:
    """The GPU of this process, where its machine has one for each."""
    if device.type == "cuda" and _started_with_others():
        number = int(os.environ.get("LOCAL_RANK", "0"))
        if number >= torch.cuda.device_count():
            raise UserError(
                f"Processes on a machine must be at most its {torch.cuda.device_count()} GPUs, and "
                f"this is number {number + 1}; lower --nproc-per-node"
            )
        torch.cuda.set_device(number)
        return torch.device("cuda", number)
    return device


def _started_with_others() -> bool:
    return all(name in os.environ for name in ENVIRONMENT) and os.environ["WORLD_SIZE"] != "1"


@contextmanager
def _losses_told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = first_line(error)[:100]
        raise UserError(
            f"Another process of this training has ended ({reason}); start all again with --resume"
        ) from None
