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

A convolution is the same neuron at many positions with shared weights, so the sums of its weight
gradient run over positions as over samples. Channels are the last axis, and everything below that
belongs to a neuron, a threshold or a push, belongs to a channel there.

Cost follows the spikes: inputs become a list of events, each adds one weight row forward and one
row of errors backward, so nothing of shape (batch, out, in) exists and the work is one addition
per synapse and spike, whatever t_max. A *backend* does these three sums (`backend.Backend`):
`backends.torch` in plain PyTorch on any device, `backends.native` in code compiled for the CPU.
They compute the same function; potentials that are not integers may differ in the last bits,
because the order of a sum differs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import processor  # noqa: F401 - settles the vector instructions before the first operation
from .backend import LayerBackend, NetworkBackend
from .layer_rule import LayerRule


class SpikeOnce(torch.autograd.Function):
    """A layer of IF neurons that fire at most once, fully connected or with shared weights.

    ``SpikeOnce.apply(times, weight, threshold, push, rule, backend)`` returns ``(spike_times,
    margin)``.

    times : [batch, in], any real dtype
        Input spike times; only a floating point tensor can receive errors.
    weight : float32 [in, out]
        One row per input, the row that an event adds. Integers in a quantized layer.
    threshold : float32 [out]
    push : float32 [out] or None
        Homeostasis: added to every sample's wish for more drive.
    rule : LayerRule
    backend : LayerBackend
        Does the sums over events.
    spike_times : float32 [batch, out]
        ``rule.t_max`` for silent neurons.
    margin : float32 [batch, out]
        ``(V - theta) * rule.unit`` at the spike, at the last step for silent neurons.

    In a convolution (`backend.Backend.conv_layer`) times and errors are [batch, height, width,
    channels], weights [kernel height, kernel width, channels in, channels out].
    """

    @staticmethod
    def forward(
        ctx: Any, times: Tensor, weight: Tensor, threshold: Tensor, push: Tensor | None,
        rule: LayerRule, backend: LayerBackend,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        pass_ = backend.fire(times, weight, threshold, rule.t_max)
        margin = pass_.excess * rule.unit
        ctx.pass_, ctx.rule = pass_, rule
        ctx.save_for_backward(weight, threshold, push, margin)
        ctx.set_materialize_grads(False)
        return pass_.spike_times, margin

    @staticmethod
    def backward(ctx: Any, time_error: Tensor | None, margin_error: Tensor | None) -> Any:
        weight, threshold, push, margin = ctx.saved_tensors
        error = _drive_error(ctx.rule, time_error, margin_error, margin, threshold)
        return (*_send_back(ctx, weight, error, push), None, None, None)


def _arriving(time_error: Tensor | None, margin_error: Tensor | None, margin: Tensor) -> Tensor:
    """dL/d(drive) as it arrives [batch, out]: more drive, an earlier spike and a larger margin."""
    if time_error is None:
        return torch.zeros_like(margin) if margin_error is None else margin_error.clone()
    error = -time_error
    if margin_error is not None:
        error += margin_error
    return error


def _drive_error(
    rule: LayerRule, time_error: Tensor | None, margin_error: Tensor | None, margin: Tensor,
    threshold: Tensor,
) -> Tensor:  # fmt: skip
    """dL/d(drive) per neuron [batch, out], normalized and gated."""
    error = _arriving(time_error, margin_error, margin)
    if rule.normalize_error:
        length = torch.linalg.vector_norm(error, dim=tuple(range(1, error.dim())), keepdim=True)
        error /= (length + 1e-10) * len(error)
    if rule.gate:
        # In place: a convolution's tensors are large, and memory that is new is slow.
        distance = margin.abs().div_(_reach(rule, threshold))
        if rule.gate_shape == "triangle":
            # At a threshold of 0 a distance may be 0/0, which is not below 1 either.
            error *= distance.neg_().add_(1).clamp_(min=0).nan_to_num_()
        else:
            error *= distance < 1
    return error


def _reach(rule: LayerRule, threshold: Tensor) -> Tensor:
    """The distance from threshold at which the gate closes, per neuron."""
    return rule.gate * rule.unit * threshold.abs()


def _send_back(
    ctx: Any, weight: Tensor, error: Tensor, push: Tensor | None
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of input times, weights and thresholds."""
    pass_, rule = ctx.pass_, ctx.rule
    times_gradient = weight_gradient = threshold_gradient = None
    if ctx.needs_input_grad[0]:
        times_gradient = pass_.sum_over_neurons(error, weight).mul_(-rule.unit)
        if not rule.wake_silent:
            times_gradient *= pass_.spiked
    if push is not None:
        error = error.sub_(push / _shared_by(error))
    if ctx.needs_input_grad[1]:
        weight_gradient = _of_weights(rule, pass_.sum_over_samples(error), error)
    if ctx.needs_input_grad[2]:
        threshold_gradient = -rule.unit * _per_neuron(error)
    return times_gradient, weight_gradient, threshold_gradient


def _of_weights(rule: LayerRule, causal: Tensor, error: Tensor) -> Tensor:
    """The weight gradient by the whole STDP window, from the sum over inputs that came in time."""
    if rule.depression:
        causal *= 1 + rule.depression
        causal -= rule.depression * _per_neuron(error)
    return causal if rule.unit == 1 else causal.mul_(rule.unit)


def _shared_by(of_neurons: Tensor) -> int:
    """How many samples, and positions of a convolution, share one weight."""
    return of_neurons.numel() // of_neurons.shape[-1]


def _per_neuron(error: Tensor) -> Tensor:
    """Errors summed over samples, and over positions of a convolution: [out]."""
    return error.flatten(0, -2).sum(0)


class SpikeOnceNetwork(torch.autograd.Function):
    """All layers at once, on a backend that can: the same as `SpikeOnce` layer by layer.

    ``SpikeOnceNetwork.apply(times, until_decision, rules, backend, *operands)`` returns the spike
    times of every layer and the margin of the last. Errors are taken at the last layer only.

    times : [batch, in], any real dtype
        Input spike times; they receive no errors.
    until_decision : bool
        Leave out input spikes after the first spike of an output neuron.
    rules : list of LayerRule
    backend : NetworkBackend
    operands : weight, threshold and push of every layer, as in `SpikeOnce`
    """

    @staticmethod
    def forward(
        ctx: Any, times: Tensor, until_decision: bool, rules: list[LayerRule],
        backend: NetworkBackend, *operands: Tensor | None,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        weights, thresholds, pushes = operands[0::3], operands[1::3], operands[2::3]
        pass_ = backend.fire(times, weights, thresholds, rules[0].t_max, until_decision)
        ctx.pass_, ctx.rules, ctx.thresholds, ctx.pushes = pass_, rules, thresholds, pushes
        spike_times = pass_.spike_times
        ctx.shared_by = [_shared_by(of_layer) for of_layer in spike_times]
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*spike_times[:-1])
        return *spike_times, pass_.excess[-1] * rules[-1].unit

    @staticmethod
    def backward(ctx: Any, *errors_above: Tensor | None) -> Any:
        pass_, rules = ctx.pass_, ctx.rules
        error = _arriving(*errors_above[-2:], pass_.excess[-1])
        reaches = [
            _reach(rule, threshold) if rule.gate else None
            for rule, threshold in zip(rules, ctx.thresholds, strict=True)
        ]
        pushes = [
            None if push is None else push / ctx.shared_by[layer]
            for layer, push in enumerate(ctx.pushes)
        ]
        sums, errors = pass_.send_back(error, rules, reaches, pushes)
        gradients: list[Tensor | None] = []
        for layer, rule in enumerate(rules):
            gradients.append(_of_weights(rule, sums[layer], errors[layer]))
            wanted = ctx.needs_input_grad[4 + 3 * layer + 1]
            gradients.append(-rule.unit * errors[layer].sum(0) if wanted else None)
            gradients.append(None)
        return None, None, None, None, *gradients
