"""The answer to an image: the word on ``m_axis_tdata``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..blocks.hardware import AcceleratorParameters
from ..network.layers import Array
from .fields import Field, Fields, pack, unpack

ANSWER_WIDTH = 32

ANSWER = (
    Field("class", 0, 8, "index of the output neuron"),
    Field("decision_time", 8, 8, "step of the first output spike; `t_max` if silent"),
    Field("silent", 16, 1, "no output neuron fired"),
    Field("frame_error", 17, 1, "the packet had the wrong length, or a wrong event"),
)

#: With weights that are loaded: which of the two last loads the answer comes from.
LOAD = Field("load", 18, 1, "flips with every load of weights")


#: With weights from an external memory: they were not read well, and the class means nothing.
BUS_ERROR = Field("bus_error", 19, 1, "weights could not be read")


def answer_fields(parameters: AcceleratorParameters) -> Fields:
    """The fields of an accelerator's answers."""
    if parameters.store.external:
        return (*ANSWER, BUS_ERROR)
    return (*ANSWER, LOAD) if parameters.store.loaded else ANSWER


def bus_errors(words: Array | int) -> Array:
    """Which answers of an accelerator with an external memory say that weights could not be read:
    bool, of the shape of ``words``."""
    found: Array = np.asarray(words, np.int64) >> BUS_ERROR.offset & 1 == 1
    return found


def pack_answers(values: Mapping[str, Array]) -> Array:
    """Words that hold the values of `ANSWER`: int64, of the values' shape.

    Parameters
    ----------
    values : mapping of str to array of int or bool
        By name of the field; a field without values is zero.
    """
    return np.asarray(
        pack(ANSWER, {name: np.asarray(found, np.int64) for name, found in values.items()})
    )


def unpack_answers(words: Array | int) -> dict[str, Array]:
    """The fields of `ANSWER` by name, of the shape of ``words``: bool where a field is a flag (one
    bit wide), else int64."""
    found = unpack(ANSWER, np.asarray(words, np.int64))
    return {
        field.name: found[field.name] == 1 if field.width == 1 else found[field.name]
        for field in ANSWER
    }
