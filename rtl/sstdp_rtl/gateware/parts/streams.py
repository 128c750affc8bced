"""What travels between the blocks of the accelerator.

Images in flight are told apart by a tag of `TAG_WIDTH` bits. The decision publishes the tag of the
oldest image it has not answered; whatever carries an older tag is stale and may be dropped by
anybody at any time. That is all there is to early exit: no block is ever told to stop.
"""

from amaranth.hdl import unsigned
from amaranth.lib import data

from sstdp_hw.blocks.pipeline import TAG_WIDTH

#: Attributes of signals that only the co-simulation reads: they survive clean-up under their own
#: names. The generator strips the attribute at the end, so that synthesis may drop them.
TRACED = {"keep": 1}


def is_stale(tag, oldest):
    """Whether ``tag`` lies before ``oldest`` on the circle of tags."""
    return (tag - oldest)[TAG_WIDTH - 1]


def event_layout(inputs_width, step_width):
    """A spike event, or the end of an image.

    Members
    -------
    tag : which image
    end : no spike: the image has no more events
    last : this is the last event of its step
    step : time step
    index : which neuron (or pixel) fired
    """
    return data.StructLayout(
        {
            "tag": unsigned(TAG_WIDTH),
            "end": unsigned(1),
            "last": unsigned(1),
            "step": unsigned(step_width),
            "index": unsigned(inputs_width),
        }
    )


def group_layout(lanes, neurons_width, step_width, membrane_width=0):
    """The neurons of one group that fired, at the end of a step.

    Members
    -------
    tag : which image
    final : the image has ended; in an output layer the group shows its last potentials
    close : no further group follows for this step
    step : time step
    base : index of the neuron in lane 0
    fired : one bit a lane
    v : potentials of the lanes, as ``V - theta - 1`` (output layers only)
    """
    fields = {
        "tag": unsigned(TAG_WIDTH),
        "final": unsigned(1),
        "close": unsigned(1),
        "step": unsigned(step_width),
        "base": unsigned(neurons_width),
        "fired": unsigned(lanes),
    }
    if membrane_width:
        fields["v"] = unsigned(lanes * membrane_width)
    return data.StructLayout(fields)
