"""The ports of an accelerator behind a bus: the standards' names."""

from __future__ import annotations

from ..blocks.bus_front import WORD_BYTES, WORD_WIDTH
from ..blocks.hardware import AXI_LITE, WISHBONE
from .ports import Port, memory_ports
from .registers import ADDRESS_WIDTH, REGISTER_BYTES

_AXI_LITE = (
    Port("s_axi_awaddr", "input", ADDRESS_WIDTH),
    Port("s_axi_awprot", "input", 3),
    Port("s_axi_awvalid", "input", 1),
    Port("s_axi_awready", "output", 1),
    Port("s_axi_wdata", "input", WORD_WIDTH),
    Port("s_axi_wstrb", "input", WORD_BYTES),
    Port("s_axi_wvalid", "input", 1),
    Port("s_axi_wready", "output", 1),
    Port("s_axi_bresp", "output", 2),
    Port("s_axi_bvalid", "output", 1),
    Port("s_axi_bready", "input", 1),
    Port("s_axi_araddr", "input", ADDRESS_WIDTH),
    Port("s_axi_arprot", "input", 3),
    Port("s_axi_arvalid", "input", 1),
    Port("s_axi_arready", "output", 1),
    Port("s_axi_rdata", "output", WORD_WIDTH),
    Port("s_axi_rresp", "output", 2),
    Port("s_axi_rvalid", "output", 1),
    Port("s_axi_rready", "input", 1),
)

_WISHBONE = (
    Port("wb_cyc", "input", 1),
    Port("wb_stb", "input", 1),
    Port("wb_we", "input", 1),
    Port("wb_adr", "input", ADDRESS_WIDTH - (REGISTER_BYTES - 1).bit_length()),
    Port("wb_sel", "input", WORD_BYTES),
    Port("wb_dat_w", "input", WORD_WIDTH),
    Port("wb_dat_r", "output", WORD_WIDTH),
    Port("wb_ack", "output", 1),
    Port("wb_err", "output", 1),
)

#: By the bus: its ports between clock and reset, which are those of the streams, and interrupt.
_BUSES = {AXI_LITE: _AXI_LITE, WISHBONE: _WISHBONE}


def bus_ports(bus: str, memory_width: int = 0) -> tuple[Port, ...]:
    """All ports, in the order of the Verilog.

    Parameters
    ----------
    bus : str
        One of `sstdp_hw.blocks.hardware.BUSES`.
    memory_width : int
        Bits of a beat from an external memory; 0 for none.
    """
    return (
        Port("aclk", "input", 1),
        Port("aresetn", "input", 1),
        *_BUSES[bus],
        Port("irq", "output", 1),
        *(memory_ports(memory_width) if memory_width else ()),
    )
