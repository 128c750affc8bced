"""The ports of the accelerator's top module: AXI4-Stream with the standard names."""

from __future__ import annotations

from typing import NamedTuple

from ..blocks.axi_read import ADDRESS_WIDTH
from ..blocks.hardware import AcceleratorParameters
from ..blocks.weight_store import ExternalStore
from .answer import ANSWER_WIDTH
from .memory_image import STATUS_WIDTH, WORD_BITS


class Port(NamedTuple):
    """A port as the accelerator sees it."""

    name: str
    direction: str  # "input" or "output"
    width: int


#: Of an accelerator whose weights are loaded: the stream that brings them, and what became of it.
LOADING_PORTS = (
    Port("s_axis_weights_tdata", "input", WORD_BITS),
    Port("s_axis_weights_tvalid", "input", 1),
    Port("s_axis_weights_tready", "output", 1),
    Port("s_axis_weights_tlast", "input", 1),
    Port("weights_status", "output", STATUS_WIDTH),
)


#: Of the names of the read channels of an external memory.
MEMORY_PREFIX = "m_axi_"


#: Where the weights begin, if a port tells it: a byte address, whose bits within a page count for
#: nothing. Taken in every cycle of a reset, so that what stands there at its end is kept.
BASE_PORT = Port(f"{MEMORY_PREFIX}base", "input", ADDRESS_WIDTH)


def memory_ports(data_width: int) -> tuple[Port, ...]:
    """Of an accelerator whose weights stand in an external memory: the read channels of AXI4."""
    return (
        Port(f"{MEMORY_PREFIX}araddr", "output", ADDRESS_WIDTH),
        Port(f"{MEMORY_PREFIX}arlen", "output", 8),
        Port(f"{MEMORY_PREFIX}arsize", "output", 3),
        Port(f"{MEMORY_PREFIX}arburst", "output", 2),
        Port(f"{MEMORY_PREFIX}arvalid", "output", 1),
        Port(f"{MEMORY_PREFIX}arready", "input", 1),
        Port(f"{MEMORY_PREFIX}rdata", "input", data_width),
        Port(f"{MEMORY_PREFIX}rresp", "input", 2),
        Port(f"{MEMORY_PREFIX}rlast", "input", 1),
        Port(f"{MEMORY_PREFIX}rvalid", "input", 1),
        Port(f"{MEMORY_PREFIX}rready", "output", 1),
    )


def ports_of(parameters: AcceleratorParameters) -> tuple[Port, ...]:
    """All ports of an accelerator."""
    store = parameters.store
    width = parameters.input.data_width
    if isinstance(store, ExternalStore):
        return ports(width, memory_width=store.bus.data_width, base_port=store.base_port)
    return ports(width, loaded=store.loaded)


def ports(
    input_width: int, *, loaded: bool = False, memory_width: int = 0, base_port: bool = False
) -> tuple[Port, ...]:
    """All ports, in the order of the Verilog.

    Parameters
    ----------
    input_width : int
        Bits a beat of the input stream.
    loaded : bool
        Whether weights are loaded.
    memory_width : int
        Bits of a beat from an external memory; 0 for none.
    base_port : bool
        Whether a port tells where its weights begin.
    """
    fixed = (
        Port("aclk", "input", 1),
        Port("aresetn", "input", 1),
        Port("s_axis_tdata", "input", input_width),
        Port("s_axis_tvalid", "input", 1),
        Port("s_axis_tready", "output", 1),
        Port("s_axis_tlast", "input", 1),
        Port("m_axis_tdata", "output", ANSWER_WIDTH),
        Port("m_axis_tvalid", "output", 1),
        Port("m_axis_tready", "input", 1),
        Port("m_axis_tlast", "output", 1),
    )
    if memory_width:
        return fixed + memory_ports(memory_width) + (BASE_PORT,) * base_port
    return fixed + LOADING_PORTS if loaded else fixed
