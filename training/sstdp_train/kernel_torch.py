"""The sums over events in plain PyTorch, on any device.

Inputs become a list of events grouped by sample and occupied step; the drive of a step is the sum
of one weight row per event, the weight gradient of an input the sum of one error row per event.
Both are `torch.nn.functional.embedding_bag`; steps without any spike in the batch cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


@dataclass(frozen=True)
class Events:
    """The input spikes of a batch, once in order of (step, sample), once in order of input.

    Members
    -------
    steps : int64 [S]
        The steps that are worked on: 0, those with any spike in the batch, and the last one.
    spiked : bool [batch, in]
    slot : int64 [batch, in]
        Index into ``steps`` of each input's spike; the first slot for silent inputs.
    inputs, offsets : int64 [events], int64 [S * batch]
        Input indices, and where each (slot, sample) begins among them.
    rows, row_offsets : int64 [events], int64 [in]
        The number ``slot * batch + sample`` of each event in order of input, and where each input
        begins.
    """

    steps: Tensor
    spiked: Tensor
    slot: Tensor
    inputs: Tensor
    offsets: Tensor
    rows: Tensor
    row_offsets: Tensor

    @classmethod
    def of(cls, times: Tensor, t_max: int) -> Events:
        """Group spike times [batch, in]; ``t_max`` means no event."""
        batch, fan_in = times.shape
        times = times.to(torch.int64)
        spiked = times < t_max
        sample, index = spiked.nonzero(as_tuple=True)
        step = times[sample, index]
        occupied = torch.bincount(step, minlength=t_max) > 0
        occupied[0] = occupied[-1] = True
        slot_of_step = occupied.cumsum(0) - 1
        steps = occupied.nonzero()[:, 0]
        row = slot_of_step[step] * batch + sample
        by_row = torch.argsort(row, stable=True)
        by_input = torch.argsort(index, stable=True)
        return cls(
            steps=steps,
            spiked=spiked,
            slot=slot_of_step[torch.where(spiked, times, 0)],
            inputs=index[by_row],
            offsets=_starts(row, len(steps) * batch),
            rows=row[by_input],
            row_offsets=_starts(index, fan_in),
        )


def _starts(groups: Tensor, count: int) -> Tensor:
    """Where each group begins once the items are sorted by group."""
    sizes = torch.bincount(groups, minlength=count)
    return sizes.cumsum(0) - sizes


def _sum_rows(table: Tensor, indices: Tensor, offsets: Tensor) -> Tensor:
    return embedding_bag(indices, table, offsets, mode="sum")


@dataclass(frozen=True)
class TorchPass:
    """One batch through one layer; see `kernels.Pass`.

    Members
    -------
    events : Events
    slot : int64 [batch, out]
        Index into the occupied steps of each neuron's spike; the last one for silent neurons.
    """

    events: Events
    slot: Tensor
    spike_times: Tensor
    excess: Tensor

    @property
    def spiked(self) -> Tensor:
        return self.events.spiked

    def _in_time(self) -> Tensor:
        """[S, batch, out]: whether an input spike in this step came in time. As float: products
        with a bool are slow on a CPU."""
        steps = torch.arange(len(self.events.steps), device=self.slot.device)
        return (self.slot >= steps[:, None, None]).to(self.excess.dtype)

    def sum_over_samples(self, error: Tensor) -> Tensor:
        table = (error * self._in_time()).flatten(0, 1)
        return _sum_rows(table, self.events.rows, self.events.row_offsets)

    def sum_over_neurons(self, error: Tensor, weight: Tensor) -> Tensor:
        per_step = (error * self._in_time()) @ weight.t()  # [S, batch, in]
        return per_step.gather(0, self.events.slot[None])[0]


class TorchKernel:
    """See `kernels.Kernel`."""

    name = "torch"

    def fire(self, times: Tensor, weight: Tensor, threshold: Tensor, t_max: int) -> TorchPass:
        events = Events.of(times, t_max)
        drive = _sum_rows(weight, events.inputs, events.offsets)
        excess = drive.view(len(events.steps), len(times), -1).cumsum(0)
        excess -= threshold
        # Slots before the first crossing: a product that falls to 0 there, summed. Much faster on a
        # CPU than argmax.
        slot = (excess <= 0).to(torch.float32).cumprod(0).sum(0).to(torch.int64)
        step_of_slot = torch.nn.functional.pad(events.steps, (0, 1), value=t_max)
        spike_times = step_of_slot[slot].to(torch.float32)
        slot.clamp_(max=len(events.steps) - 1)
        return TorchPass(events, slot, spike_times, excess.gather(0, slot[None])[0])


KERNEL = TorchKernel()
