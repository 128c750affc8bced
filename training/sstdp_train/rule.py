"""The SSTDP rule: spike times in, spike times out, and errors on spike times sent back.

Forward is design section 2 to the letter. With input spike times ``s[i]`` and output spike times
``t[j]``

    V[j](t) = sum of w[i, j] over the inputs with s[i] <= t
    t[j]    = first t with V[j](t) > theta[j]

and ``t[j] = t_max`` if there is none. Backward is the rule of Liu et al., Frontiers in
Neuroscience 2021, doi 10.3389/fnins.2021.756876, for the IF neuron that fires once. With the error
``e[j] = dL/dt[j]``

    dL/dw[i, j] = -e[j] * u(s[i], t[j]),    u = 1 if s[i] <= t[j] and input i spiked, else -b
    dL/ds[i]    = sum over j of e[j] * w[i, j] * [s[i] <= t[j]]

A larger weight from an input that came in time lets the neuron fire earlier, hence the minus. A
silent neuron takes part with its whole input, as in the authors' script. What this module adds to
the published rule, each switchable in `LayerRule`: the gate, errors to silent inputs, homeostasis,
and an error on the margin ``V - theta`` beside the one on the spike time.

Cost follows the spikes. Inputs become a list of events grouped by sample and occupied step; the
drive of a step is the sum of one weight row per event, the weight gradient of an input the sum of
one error row per event. Both are `torch.nn.functional.embedding_bag`, so nothing of shape (batch,
out, in) exists, and the work is one addition per synapse and spike, whatever t_max.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


@dataclass(frozen=True)
class LayerRule:
    """What one layer does with errors.

    Parameters
    ----------
    t_max : int
        Number of time steps; this spike time means silent.
    depression : float
        ``b`` of the STDP window.
    normalize_error : bool
        Scale each sample's error to Euclidean length 1 first and average over the batch, as the
        published script does.
    gate : float
        Neurons with ``|V - theta| >= gate * |theta|`` at their spike have no error; 0 for no gate.
    wake_silent : bool
        Send errors to silent inputs too, as though they had fired at the last step.
    unit : float
        Membrane potential that one unit of weight is worth (the weight scale of a quantized layer).
    """

    t_max: int
    depression: float = 0.0
    normalize_error: bool = False
    gate: float = 0.0
    wake_silent: bool = False
    unit: float = 1.0


@dataclass(frozen=True)
class Events:
    """The input spikes of a batch, once in order of (step, sample), once in order of input.

    Members
    -------
    steps : int64 [S]
        The steps that are worked on: 0, those with any spike in the batch, and the last one.
    spiked : bool [batch, in]
    slot : int64 [batch, in]
        Index into ``steps`` of each input's spike; the last slot for silent inputs.
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
            slot=slot_of_step[times.clamp(max=t_max - 1)],
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


class SpikeOnce(torch.autograd.Function):
    """A fully connected layer of IF neurons that fire at most once.

    ``SpikeOnce.apply(times, weight, threshold, push, rule)`` returns ``(spike_times, margin)``.

    times : [batch, in], any real dtype
        Input spike times; only a floating point tensor can receive errors.
    weight : float32 [in, out]
        One row per input, the row that an event adds. Integers in a quantized layer.
    threshold : float32 [out]
    push : float32 [out] or None
        Homeostasis: added to every sample's wish for more drive.
    rule : LayerRule
    spike_times : float32 [batch, out]
        ``rule.t_max`` for silent neurons.
    margin : float32 [batch, out]
        ``(V - theta) * rule.unit`` at the spike, at the last step for silent neurons.
    """

    @staticmethod
    def forward(
        ctx: Any, times: Tensor, weight: Tensor, threshold: Tensor, push: Tensor | None,
        rule: LayerRule,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        events = Events.of(times, rule.t_max)
        drive = _sum_rows(weight, events.inputs, events.offsets)
        excess = drive.view(len(events.steps), len(times), -1).cumsum(0)
        excess -= threshold
        # Slots before the first crossing: a product that falls to 0 there, summed. Much faster on a
        # CPU than argmax.
        slot = (excess <= 0).to(torch.float32).cumprod(0).sum(0).to(torch.int64)
        step_of_slot = torch.nn.functional.pad(events.steps, (0, 1), value=rule.t_max)
        spike_times = step_of_slot[slot].to(torch.float32)
        slot.clamp_(max=len(events.steps) - 1)
        margin = excess.gather(0, slot[None])[0] * rule.unit
        ctx.events, ctx.rule = events, rule
        ctx.save_for_backward(weight, threshold, push, slot, margin)
        ctx.set_materialize_grads(False)
        return spike_times, margin

    @staticmethod
    def backward(ctx: Any, time_error: Tensor | None, margin_error: Tensor | None) -> Any:
        weight, threshold, push, slot, margin = ctx.saved_tensors
        error = _drive_error(ctx.rule, time_error, margin_error, margin, threshold)
        return (*_send_back(ctx, weight, slot, error, push), None, None)


def _drive_error(
    rule: LayerRule, time_error: Tensor | None, margin_error: Tensor | None, margin: Tensor,
    threshold: Tensor,
) -> Tensor:  # fmt: skip
    """dL/d(drive) per neuron [batch, out]: more drive, an earlier spike and a larger margin."""
    error = torch.zeros_like(margin)
    if time_error is not None:
        error -= time_error
    if margin_error is not None:
        error += margin_error
    if rule.normalize_error:
        error /= (error.norm(dim=1, keepdim=True) + 1e-10) * len(error)
    if rule.gate:
        error *= margin.abs() < rule.gate * rule.unit * threshold.abs()
    return error


def _send_back(
    ctx: Any, weight: Tensor, slot: Tensor, error: Tensor, push: Tensor | None
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of input times, weights and thresholds."""
    events, rule = ctx.events, ctx.rule
    steps = torch.arange(len(events.steps), device=slot.device)
    # [S, batch, out]: whether an input spike in this step came in time. As float: products with
    # a bool are slow on a CPU.
    in_time = (slot >= steps[:, None, None]).to(error.dtype)
    times_gradient = weight_gradient = threshold_gradient = None
    if ctx.needs_input_grad[0]:
        times_gradient = _input_error(events, rule, weight, error, in_time)
    if push is not None:
        error = error - push / len(error)
    if ctx.needs_input_grad[1]:
        table = (error * in_time).flatten(0, 1)
        weight_gradient = _sum_rows(table, events.rows, events.row_offsets)
        if rule.depression:
            weight_gradient *= 1 + rule.depression
            weight_gradient -= rule.depression * error.sum(0)
        weight_gradient *= rule.unit
    if ctx.needs_input_grad[2]:
        threshold_gradient = -rule.unit * error.sum(0)
    return times_gradient, weight_gradient, threshold_gradient


def _input_error(
    events: Events, rule: LayerRule, weight: Tensor, error: Tensor, in_time: Tensor
) -> Tensor:
    """dL/ds [batch, in], one matrix product over the occupied steps."""
    per_step = (error * in_time) @ weight.t()  # [S, batch, in]
    sent = -rule.unit * per_step.gather(0, events.slot[None])[0]
    return sent if rule.wake_silent else sent * events.spiked
