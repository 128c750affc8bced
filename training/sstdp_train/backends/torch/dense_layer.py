"""The sums over events of a fully connected layer in plain PyTorch, on any device.

Inputs become a list of events grouped by sample and occupied step; the drive of a step is the sum
of one weight row per event, the weight gradient of an input the sum of one error row per event.
Both are `torch.nn.functional.embedding_bag`. Occupied steps are numbered by their *rank* within
the sample: a batch has as many ranks as its fullest sample has occupied steps, whatever t_max.

Tensors of all ranks do not fit into a CPU's cache. There, what would pass over them several times
is a loop over smaller tensors, unless those are so small that calls cost more than numbers. On a
GPU, where every call is a launch, all ranks are done at once. Masks are float throughout: products
with a bool are slow on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


@dataclass(frozen=True)
class Events:
    """The input spikes of a batch, once in order of (rank, sample), once in order of input.

    Members
    -------
    steps : float32 [ranks + 1, batch]
        The occupied steps of each sample in order: 0, because a negative threshold needs no spike,
        and those with a spike. ``t_max`` from there on.
    rank : int64 [batch, in]
        The rank of each input's spike; 0 for silent inputs.
    spiked : bool [batch, in]
    inputs, offsets : int64 [events], int64 [ranks * batch]
        Input indices, and where each (rank, sample) begins among them.
    rows, row_offsets : int64 [events], int64 [in]
        The number ``rank * batch + sample`` of each event in order of input, and where each input
        begins.
    """

    steps: Tensor
    rank: Tensor
    spiked: Tensor
    inputs: Tensor
    offsets: Tensor
    rows: Tensor
    row_offsets: Tensor

    @property
    def ranks(self) -> int:
        return len(self.steps) - 1

    @classmethod
    def of(cls, times: Tensor, t_max: int) -> Events:
        """Group spike times [batch, in]; ``t_max`` means no event."""
        batch = len(times)
        spiked = times < t_max
        held = torch.where(spiked, times, 0).to(torch.int64)
        rank_of_step, steps = _rank_steps(held, t_max)
        rank = rank_of_step.gather(1, held)
        index, sample = spiked.t().nonzero(as_tuple=True)
        rows = rank[sample, index] * batch + sample
        return cls(
            steps=steps,
            rank=rank,
            spiked=spiked,
            inputs=index[torch.argsort(rows, stable=True)],
            offsets=_starts(torch.bincount(rows, minlength=(len(steps) - 1) * batch)),
            rows=rows,
            row_offsets=_starts(spiked.sum(0)),
        )


def _rank_steps(held: Tensor, t_max: int) -> tuple[Tensor, Tensor]:
    """The rank of each occupied step [batch, t_max], and the step of each rank, `Events.steps`."""
    occupied = held.new_zeros(len(held), t_max, dtype=torch.bool)
    occupied.scatter_(1, held, True)
    occupied[:, 0] = True
    rank_of_step = occupied.cumsum(1) - 1
    sample, step = occupied.nonzero(as_tuple=True)
    steps = torch.full((int(rank_of_step.max()) + 2, len(held)), float(t_max), device=held.device)
    steps[rank_of_step[sample, step], sample] = step.to(torch.float32)
    return rank_of_step, steps


def _starts(sizes: Tensor) -> Tensor:
    """Where each group begins, given how many items each has."""
    return sizes.cumsum(0) - sizes


def _sum_rows(table: Tensor, indices: Tensor, offsets: Tensor) -> Tensor:
    return embedding_bag(indices, table, offsets, mode="sum")


def _fire_at_once(potentials: Tensor) -> Tensor:
    """Sum drives [ranks, batch, out] up in place; the rank of the first crossing [batch, out].

    That is the number of ranks before the crossing, all of them if there is none: a product that
    falls to 0 at the crossing, summed, which is much faster on a CPU than argmax.
    """
    potentials.cumsum_(0)
    return (potentials <= 0).to(torch.float32).cumprod(0).sum(0)


def _fire_in_loop(potentials: Tensor) -> Tensor:
    """What `_fire_at_once` does, one rank after the other."""
    before = torch.zeros_like(potentials[0])
    waits, below, rank = torch.ones_like(before), torch.empty_like(before), before.clone()
    for v in potentials:
        v += before
        waits *= torch.le(v, 0, out=below)
        rank += waits
        before = v
    return rank


@dataclass(frozen=True)
class TorchDensePass:
    """One batch through one fully connected layer; see `rule.backend.LayerPass`.

    Members
    -------
    events : Events
    over_neurons : bool
        Whether errors are sent back in a loop over neurons.
    """

    events: Events
    over_neurons: bool
    spike_times: Tensor
    excess: Tensor

    @property
    def spiked(self) -> Tensor:
        return self.events.spiked

    def sum_over_samples(self, error: Tensor) -> Tensor:
        table = self._errors_by_rank(error).flatten(0, 1)
        return _sum_rows(table, self.events.rows, self.events.row_offsets)

    def sum_over_neurons(self, error: Tensor, weight: Tensor) -> Tensor:
        return (self._send_by_neuron if self.over_neurons else self._send_by_rank)(error, weight)

    def _errors_by_rank(self, error: Tensor) -> Tensor:
        """[ranks, batch, out]: the errors of the neurons that a spike of this rank reached in time,
        0 for the others."""
        steps = self.events.steps[:-1, :, None]
        in_time = torch.ge(self.spike_times, steps, out=error.new_empty(len(steps), *error.shape))
        return in_time.mul_(error)

    def _send_by_rank(self, error: Tensor, weight: Tensor) -> Tensor:
        per_rank = self._errors_by_rank(error) @ weight.t()  # [ranks, batch, in]
        return per_rank.gather(0, self.events.rank[None])[0]

    def _send_by_neuron(self, error: Tensor, weight: Tensor) -> Tensor:
        held = self.events.steps.t().gather(1, self.events.rank)  # a silent input's is step 0
        total, sent = torch.zeros_like(held), torch.empty_like(held)
        columns = self.spike_times.t()[:, :, None], error.t()[:, :, None]
        for spike_time, e, w in zip(*columns, weight.t().contiguous(), strict=True):
            torch.le(held, spike_time, out=sent)
            sent *= w
            total.addcmul_(sent, e)
        return total


@dataclass(frozen=True)
class TorchDenseLayer:
    """See `rule.backend.LayerBackend`.

    Parameters
    ----------
    loop_numbers : int
        Numbers in a tensor [batch, out] from which a CPU sums potentials up in a loop over ranks.
        Below, the calls cost more.
    loop_ranks : int
        Ranks from which a CPU sends errors back in a loop over neurons. Its cost does not depend
        on the ranks; below, a matrix product per rank is faster.

    Both defaults are measured break-even points. Each form of a sum is correct for any size.
    """

    loop_numbers: int = 4096
    loop_ranks: int = 12

    def fire(self, times: Tensor, weight: Tensor, threshold: Tensor, t_max: int) -> TorchDensePass:
        events = Events.of(times, t_max)
        drive = _sum_rows(weight, events.inputs, events.offsets)
        potentials = drive.view(events.ranks, len(times), -1)
        potentials[0] -= threshold
        on_cpu = weight.device.type == "cpu"
        in_loop = on_cpu and potentials[0].numel() >= self.loop_numbers
        rank = (_fire_in_loop if in_loop else _fire_at_once)(potentials).to(torch.int64)
        return TorchDensePass(
            events=events,
            over_neurons=on_cpu and events.ranks >= self.loop_ranks,
            spike_times=events.steps.t().gather(1, rank),
            excess=potentials.gather(0, rank.clamp(max=events.ranks - 1)[None])[0],
        )
