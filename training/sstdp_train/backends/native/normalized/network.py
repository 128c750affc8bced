"""Normalized networks in two compiled passes, whose cost follows spikes and errors.

`forward.cpp` and `backward.cpp` say how; here stands what passes between them and PyTorch. Every
image is worked on by one thread, and what is summed over images are integers or sums in the order
of the images, so results are the same with any number of threads. Sums over samples are of errors
rounded to 12 bits, relative to the largest of the layer and batch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sstdp_hw.network.layers import Array

from ....recipes.architecture import PooledLayer
from ....rule.normalized import NormalizedRule, Operands, Statistics, looked_at
from ..arrays import array_of
from .library import library

LANES = 16
NEVER = {np.int16: 16383, np.int32: 1 << 30}


class _Layer(ctypes.Structure):
    """`Layer` of layer.h."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in (
            "in_h", "in_w", "in_c", "in_pitch", "out_h", "out_w", "out_c", "out_pitch",
            "kernel_h", "kernel_w", "stride_h", "stride_w", "pad_h", "pad_w", "pool_h", "pool_w",
            "stat_rows", "wide", "wake_silent",
        )),
        *((name, ctypes.c_void_p) for name in (
            "weight", "theta", "times", "margins", "excess", "winners", "potential", "fired",
            "presence", "back", "gate", "gain", "errors", "sent", "gradient", "step", "drive",
        )),
    ]  # fmt: skip


def _pitch(channels: int) -> int:
    return -(-channels // LANES) * LANES


@dataclass
class _Arrays:
    """A layer with its arrays, which live as long as the pass."""

    entry: _Layer
    held: dict[str, Array]

    def point(self, **arrays: Array) -> None:
        for name, array in arrays.items():
            assert array.flags.c_contiguous
            self.held[name] = array
            setattr(self.entry, name, array.ctypes.data)


def _padded(array: Array, pitch: int, value: float = 0) -> Array:
    """With the last axis filled up to ``pitch``."""
    width = [(0, 0)] * (array.ndim - 1) + [(0, pitch - array.shape[-1])]
    return np.ascontiguousarray(np.pad(array, width, constant_values=value))


class NativeNormalizedPass:
    """See `rule.normalized.NormalizedPass`."""

    def __init__(
        self, layers: Sequence[PooledLayer], times: Array, operands: Sequence[Operands], t_max: int,
        threads: int,
    ) -> None:  # fmt: skip
        self.layers, self.operands = layers, operands
        self.times = _padded(times, _pitch(times.shape[-1]), t_max)
        self.t_max, self.threads, self.batch = t_max, threads, len(times)
        self.arrays: list[_Arrays] = []
        pitch = self.times.shape[-1]
        for layer, of_layer in zip(layers, operands, strict=True):
            self.arrays.append(self._place(layer, of_layer, pitch, layer is layers[-1]))
            pitch = self.arrays[-1].entry.out_pitch
        self._call("forward")

    def _place(self, layer: PooledLayer, operands: Operands, in_pitch: int, wide: bool) -> _Arrays:
        """A layer and room for what its neurons do; ``wide`` is the output layer."""
        g, batch = layer.geometry, self.batch
        pitch = _pitch(g.outputs[2])
        rows, columns, _ = layer.pooled
        assert not wide or g.outputs[:2] == (1, 1)
        entry = _Layer(
            *g.inputs, in_pitch, *g.outputs, pitch, *g.kernel, *g.stride, *g.padding, *layer.pool,
            looked_at(g.outputs[0]), wide, 1,
        )  # fmt: skip
        theta = array_of(operands.threshold).astype(np.int32)
        never = NEVER[np.int32] if wide else NEVER[np.int16]
        arrays = _Arrays(entry, {})
        arrays.point(
            weight=_padded(array_of(operands.weight).astype(np.int16), pitch),
            theta=_padded(theta, pitch, never),
            times=np.empty((batch, rows, columns, pitch), np.uint8),
            margins=np.zeros((batch if wide else 0, pitch), np.int32),
            excess=np.empty((0 if wide else batch, rows, columns, pitch), np.int16),
            winners=np.empty((0 if wide else batch, rows, columns, pitch), np.uint8),
            potential=np.zeros((batch, 2, pitch), np.float64),
            fired=np.empty((batch, pitch), np.int32),
            presence=np.empty((batch, in_pitch), np.int64),
        )
        return arrays

    def _call(self, name: str) -> None:
        entries = (_Layer * len(self.arrays))(*(arrays.entry for arrays in self.arrays))
        getattr(library(), name)(
            entries, len(entries), self.batch, self.t_max,
            ctypes.c_void_p(self.times.ctypes.data), self.threads,
        )  # fmt: skip

    @property
    def spike_times(self) -> Tensor:
        return self._of_outputs("times")

    @property
    def margin(self) -> Tensor:
        return self._of_outputs("margins")

    def _of_outputs(self, name: str) -> Tensor:
        classes = self.layers[-1].geometry.outputs[2]
        array = self.arrays[-1].held[name].reshape(self.batch, -1)
        return torch.from_numpy(np.ascontiguousarray(array[:, :classes]))

    @cached_property
    def statistics(self) -> list[Statistics]:
        return [
            self._statistics(layer, arrays)
            for layer, arrays in zip(self.layers, self.arrays, strict=True)
        ]

    def _statistics(self, layer: PooledLayer, arrays: _Arrays) -> Statistics:
        height, width, channels = layer.geometry.outputs
        every = looked_at(height)
        rows = sum(len(range(-image % every, height, every)) for image in range(self.batch))
        count = rows * width * self.t_max
        sums = arrays.held["potential"].sum(0)[:, :channels] / count
        fired = arrays.held["fired"].sum(0, dtype=np.float64)[:channels]
        rate = fired / (self.batch * height * width)
        return Statistics(*map(torch.from_numpy, (sums[0], sums[1], rate)))

    @cached_property
    def presence(self) -> list[Tensor]:
        found = []
        for layer, arrays in zip(self.layers, self.arrays, strict=True):
            height, width, channels = layer.geometry.inputs
            steps = arrays.held["presence"].sum(0)[:channels]
            share = steps / (self.batch * height * width * self.t_max)
            found.append(torch.from_numpy(share.astype(np.float32)))
        return found

    def send_back(
        self, error: Tensor, rules: Sequence[NormalizedRule]
    ) -> list[tuple[Tensor, Tensor]]:
        errors = array_of(error)[:, None, None, :]
        for index in range(len(self.layers) - 1, -1, -1):
            errors = self._point_back(index, errors, rules[index])
            self.arrays[index].entry.wake_silent = rules[index].wake_silent
        self._call("backward")
        return [self._sums(*pair) for pair in zip(self.layers, self.arrays, strict=True)]

    def _point_back(self, index: int, errors: Array, rule: NormalizedRule) -> Array:
        """Give a layer room for its errors; returns that of the errors it sends."""
        layer, arrays, operands = self.layers[index], self.arrays[index], self.operands[index]
        g, pitch = layer.geometry, arrays.entry.out_pitch
        closing = np.zeros(pitch) if rule.closing is None else array_of(rule.closing)
        arrays.point(
            gate=_padded(closing.astype(np.float32), pitch),
            gain=_padded(array_of(rule.gain).astype(np.float32), pitch),
            errors=_padded(errors, pitch) if errors.shape[-1] < pitch else errors,
            gradient=np.zeros((*g.kernel, g.inputs[2], pitch), np.int32),
            step=np.zeros(1, np.float32),
            drive=np.empty((self.batch, pitch), np.float64),
        )
        if not index:
            return errors
        # What an error adds to the inputs, from the right edge of the kernel to the left.
        back = (operands.weight * operands.step).flip(1).permute(0, 1, 3, 2)
        in_pitch = arrays.entry.in_pitch
        sent = np.empty((self.batch, *g.inputs[:2], in_pitch), np.float32)
        arrays.point(back=_padded(array_of(back.to(torch.float32)), in_pitch), sent=sent)
        return sent

    def _sums(self, layer: PooledLayer, arrays: _Arrays) -> tuple[Tensor, Tensor]:
        channels = layer.geometry.outputs[2]
        held = arrays.held
        weights = held["gradient"][..., :channels].astype(np.float32) * held["step"]
        drive = held["drive"].sum(0)[:channels].astype(np.float32)
        return torch.from_numpy(weights), torch.from_numpy(drive)


@dataclass(frozen=True)
class NativeNormalizedNetwork:
    """See `rule.normalized.NormalizedBackend`."""

    layers: Sequence[PooledLayer]
    threads: int = 1

    def fire(self, times: Tensor, layers: Sequence[Operands], t_max: int) -> Any:
        return NativeNormalizedPass(self.layers, array_of(times), layers, t_max, self.threads)
