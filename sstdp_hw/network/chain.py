"""What a network is whatever its numbers are: an input and layers one after the other.

`Network` (integers) and `FloatNetwork` share these rules and the figures that follow from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from ..base.errors import UserError
from . import given
from .layers import KINDS, Array, Dense, Layer, Shape, ShapeError, WeightedLayer

MAX_T = 255
MAX_CLASSES = 256
MAX_PLANES = 4

#: The kinds of input: pixels, each with a spike time by the encoder's tables, and spike times as
#: they are.
PIXELS, SPIKES = "pixels", "spikes"
INPUT_KINDS = (PIXELS, SPIKES)

#: What one sample of each kind holds, as messages name it.
INPUT_NAMES = {PIXELS: "images", SPIKES: "spike times"}


def shortened(value: object) -> str:
    """A value as text of at most 60 characters, whatever an untrusted file put there."""
    text = str(value) if not isinstance(value, int) or abs(value) < 1 << 200 else "a huge integer"
    return text if len(text) <= 60 else text[:57] + "..."


def printable(text: str) -> str:
    """A text as networks may hold it: every character that no terminal shows is an underscore."""
    return "".join(character if character.isprintable() else "_" for character in text)


class LayerChain:
    """Base of both kinds of network; the attributes are the fields of the subclass.

    Raises
    ------
    UserError
        From `check_frame`, if a rule is broken: names the source, the field, the rule and the
        value.
    """

    name: str
    t_max: int
    input_shape: Shape
    class_names: tuple[str, ...]
    encoder: Array | None
    layers: tuple[Layer, ...]
    provenance: dict[str, Any]
    source: str

    def refuse(self, subject: str, rule_and_value: str) -> NoReturn:
        raise UserError(f"{self.source}: {subject} {rule_and_value}")

    def take(self, weight_types: Sequence[str], threshold_types: Sequence[str]) -> None:
        """Bring what the caller gave into the types of the fields; see `given`."""

        def put(name: str, convert: Callable[..., Any], *others: Any) -> None:
            object.__setattr__(self, name, self._given(name, convert, getattr(self, name), *others))

        put("name", given.text)
        put("t_max", given.integer)
        put("input_shape", given.integers)
        put("class_names", given.sequence, "strings")
        for name in self.class_names:
            self._given("class_names", given.text, name)
        if self.encoder is not None:
            put("encoder", given.array, ("uint8",))
        if not isinstance(self.provenance, dict):
            self.refuse("provenance", f"must be a dict, not {type(self.provenance).__name__}")
        put("layers", given.sequence, "layers")
        object.__setattr__(
            self,
            "layers",
            tuple(
                self._layer_given(f"layers.{index}", layer, weight_types, threshold_types)
                for index, layer in enumerate(self.layers)
            ),
        )

    def _given(self, subject: str, convert: Callable[..., Any], *values: Any) -> Any:
        try:
            return convert(*values)
        except given.Unfit as error:
            self.refuse(subject, str(error))

    def _layer_given(
        self,
        subject: str,
        layer: Layer,
        weight_types: Sequence[str],
        threshold_types: Sequence[str],
    ) -> Layer:
        if not isinstance(layer, Layer):
            *most, last = (kind.__name__ for kind in KINDS.values())
            rule = f"must be a {', '.join(most)} or {last}"
            self.refuse(subject, f"{rule}, not {type(layer).__name__}")
        changes: dict[str, Any] = {}
        fields: list[tuple[str, Callable[..., Any], Any]] = [
            (name, given.integers, 2) for name in sorted(layer.required | layer.optional)
        ]
        if isinstance(layer, WeightedLayer):
            fields += [
                ("weight", given.array, weight_types), ("threshold", given.array, threshold_types),
                ("weight_width", given.integer, None),
            ]  # fmt: skip
        for name, convert, other in fields:
            arguments = (getattr(layer, name), *([] if other is None else [other]))
            changes[name] = self._given(f"{subject}.{name}", convert, *arguments)
        same = all(changes[name] is getattr(layer, name) for name in changes)
        return layer if same else replace(layer, **changes)

    def check_frame(self) -> None:
        """Check everything but the types and ranges of weights and thresholds."""
        if not 1 <= self.t_max <= MAX_T:
            self.refuse("t_max", f"must be between 1 and {MAX_T}, not {shortened(self.t_max)}")
        for subject, text in [("name", self.name), *(("class_names", n) for n in self.class_names)]:
            if not text.isprintable():
                self.refuse(subject, f"must be printable text, not {shortened(ascii(text))}")
        if len(self.input_shape) != 3 or min(self.input_shape) < 1:
            self.refuse(
                "input_shape", f"must be three positive integers, not {list(self.input_shape)}"
            )
        if self.encoder is not None:
            self._check_encoder(self.encoder)

    def _check_encoder(self, encoder: Array) -> None:
        if encoder.ndim == 2 and 1 <= len(encoder) <= MAX_PLANES:
            self.check_array("encoder", encoder, ("uint8",), (None, 256))
        else:
            self.check_array("encoder", encoder, ("uint8",), (256,))
        if encoder.max() > self.t_max:
            self.refuse("encoder", f"must not exceed t_max {self.t_max}, not {encoder.max()}")

    def check_array(
        self, subject: str, array: Array, dtypes: tuple[str, ...], shape: tuple[int | None, ...]
    ) -> None:
        """Check type and shape; ``None`` in ``shape`` stands for any positive extent."""
        if array.dtype.name not in dtypes:
            self.refuse(subject, f"must be {' or '.join(dtypes)}, not {array.dtype.name}")
        found = list(array.shape)
        if len(found) != len(shape) or any(
            size < 1 if rule is None else size != rule
            for size, rule in zip(found, shape, strict=False)
        ):
            wanted = ", ".join("*" if rule is None else str(rule) for rule in shape)
            self.refuse(subject, f"must have shape [{wanted}], not {found}")

    def check_weights(
        self,
        index: int,
        layer: WeightedLayer,
        weight_types: tuple[str, ...],
        threshold_types: tuple[str, ...],
    ) -> None:
        """Check type and rank of a weighted layer's tensors."""
        shape = (None,) * layer.weight_rank
        self.check_array(f"layers.{index}.weight", layer.weight, weight_types, shape)
        self.check_array(
            f"layers.{index}.threshold", layer.threshold, threshold_types, layer.weight.shape[:1]
        )

    def check_geometry(self, index: int, layer: Layer) -> None:
        """Check stride, padding, kernel and the like."""

        def refuse(key: str, rule_and_value: str) -> NoReturn:
            self.refuse(f"layers.{index}.{key}", rule_and_value)

        layer.check_geometry(refuse)

    def check_chain(self) -> None:
        """Check that the layers fit each other and end in the classes."""
        if not self.layers or not isinstance(self.layers[-1], Dense):
            found = self.layers[-1].kind if self.layers else "no layer at all"
            self.refuse(
                "layers", f"must end with a dense layer, whose neurons are the classes, not {found}"
            )
        _ = self.shapes
        classes = self.layers[-1].neurons
        if classes > MAX_CLASSES:
            self.refuse("layers", f"must end in at most {MAX_CLASSES} classes, not {classes}")
        if len(self.class_names) != classes:
            self.refuse(
                "class_names",
                f"must have one name per output neuron, {classes}, not {len(self.class_names)}",
            )

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Shape of the spikes of the input and of every layer: ``shapes[n]`` is the input of layer
        n."""
        channels, *extents = self.input_shape
        shapes: list[Shape] = [(channels * self.planes, *extents)]
        for index, layer in enumerate(self.layers):
            try:
                shapes.append(layer.output_shape(shapes[-1]))
            except ShapeError as error:
                self.refuse(f"layers.{index}", str(error))
        return tuple(shapes)

    @property
    def input_kind(self) -> str:
        """What an inference begins with: one of `INPUT_KINDS`."""
        return SPIKES if self.encoder is None else PIXELS

    @property
    def tables(self) -> Array:
        """The encoder's tables, one a plane: uint8 [planes, 256]; none if spikes come as they
        are."""
        return (
            np.zeros((0, 256), np.uint8) if self.encoder is None else self.encoder.reshape(-1, 256)
        )

    @property
    def planes(self) -> int:
        """Spike channels that a channel of the input becomes: with pixels, one for each table."""
        return max(1, len(self.tables))

    @property
    def pixels(self) -> int:
        """Number of pixels, or of spike times, of one sample."""
        return int(np.prod(self.input_shape))

    @property
    def inputs(self) -> int:
        """Number of spikes that the input can have."""
        return self.planes * self.pixels

    @property
    def weighted(self) -> tuple[tuple[int, WeightedLayer], ...]:
        """The layers that have neurons, each with its index in `layers`."""
        return tuple(
            (index, layer)
            for index, layer in enumerate(self.layers)
            if isinstance(layer, WeightedLayer)
        )

    def takes_pixels(self, index: int) -> bool:
        """Whether layer ``index`` takes the encoder's spikes as they are, at most in one row."""
        return all(layer.passes_inputs_on for layer in self.layers[:index])

    @cached_property
    def live_inputs(self) -> Array:
        """Inputs that any neuron has a weight for, in C order: bool [inputs].

        The spike of another one changes no potential. Behind a pooling layer every input counts as
        live, and so does every one that sends its spikes itself: nobody is there to drop them.
        """
        first, layer = self.weighted[0]
        if self.input_kind == SPIKES or not self.takes_pixels(first):
            return np.ones(self.inputs, bool)
        return layer.used_inputs(self.shapes[first]).reshape(-1)

    @cached_property
    def multiply_accumulates(self) -> int:
        """Multiply-accumulates of the same network without spikes, padding among them."""
        return sum(
            layer.multiply_accumulates(shape)
            for layer, shape in zip(self.layers, self.shapes, strict=False)
        )
