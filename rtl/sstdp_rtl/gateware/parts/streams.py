"""What travels between the blocks of the accelerator.

Images in flight are told apart by a tag of `TAG_WIDTH` bits. The decision publishes the tag of the
oldest image it has not answered; whatever carries an older tag is stale and may be dropped by
anybody at any time. That is all there is to early exit: no block is ever told to stop.
"""

from amaranth.hdl import unsigned
from amaranth.lib import data

from sstdp_hw.blocks.pipeline import TAG_WIDTH
from sstdp_hw.contract.events import event_fields, group_fields
from sstdp_hw.contract.fields import total_width

#: Attributes of signals that only the co-simulation reads: they survive clean-up under their own
#: names. The generator strips the attribute at the end, so that synthesis may drop them.
TRACED = {"keep": 1}


def is_stale(tag, oldest):
    """Whether ``tag`` lies before ``oldest`` on the circle of tags."""
    return (tag - oldest)[TAG_WIDTH - 1]


def layout_of(fields, size=None):
    """A `StructLayout` of fields of the contract, which must stand one behind another.

    Parameters
    ----------
    fields : tuple of sstdp_hw.contract.fields.Field
    size : int, optional
        Bits of the word; those behind the last field are its member ``zero``.
    """
    width = total_width(fields)
    members = {field.name: unsigned(field.width) for field in fields}
    if size is not None:
        members["zero"] = unsigned(size - width)
    layout = data.StructLayout(members)
    assert all(layout[field.name].offset == field.offset for field in fields)
    return layout


def event_layout(inputs_width, step_width):
    """A spike event, or the end of an image; members as `contract.events.event_fields`."""
    return layout_of(event_fields(inputs_width, step_width))


def group_layout(lanes, neurons_width, step_width, membrane_width=0):
    """The neurons of one group that fired, at the end of a step; members as
    `contract.events.group_fields`."""
    return layout_of(group_fields(lanes, neurons_width, step_width, membrane_width))
