"""What travels between the blocks of the accelerator: events, and groups of neurons that fired.

docs/streams.md has the rules of both streams.
"""

from __future__ import annotations

from ..blocks.pipeline import TAG_WIDTH
from .fields import Field, Fields, in_row, total_width


def event_header(step_width: int) -> Fields:
    """What stands in front of every event's index."""
    return in_row(
        (
            ("tag", TAG_WIDTH, "which image"),
            ("end", 1, "no spike: the image has no more events"),
            ("last", 1, "this is the last event of its step"),
            ("step", step_width, "time step"),
        )
    )


def event_fields(index_width: int, step_width: int) -> Fields:
    """A spike event, or the end of an image."""
    header = event_header(step_width)
    place = total_width(header)
    return (*header, Field("index", place, index_width, "which neuron (or pixel) fired"))


def group_fields(lanes: int, index_width: int, step_width: int, membrane_width: int = 0) -> Fields:
    """The neurons of one group that fired, at the end of a step.

    Parameters
    ----------
    membrane_width : int
        Of an output layer, which shows its potentials; else 0.
    """
    fields = (
        ("tag", TAG_WIDTH, "which image"),
        ("final", 1, "the image has ended; an output layer's group shows its last potentials"),
        ("close", 1, "no further group follows for this step"),
        ("step", step_width, "time step"),
        ("base", index_width, "index of the neuron in lane 0"),
        ("fired", lanes, "one bit a lane"),
    )
    potentials = ("v", lanes * membrane_width, "`V - theta - 1` of each lane, signed")
    return in_row((*fields, potentials) if membrane_width else fields)
