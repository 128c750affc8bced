"""What the harness has besides where weights stand in an external memory: that memory."""

from __future__ import annotations

from dataclasses import dataclass

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.contract.external_memory import MODEL, external_image, memory_model

#: Contents of the memory, a beat in hexadecimal a line.
MEMORY_FILE = "memory.hex"

_INPUTS = """\
  input  wire [31:0] memory_latency,
  input  wire [7:0] memory_stalls,
  input  wire [7:0] memory_faults,
"""
_DECLARATIONS = """\
  wire [31:0] ar_addr;
  wire [7:0] ar_len;
  wire [2:0] ar_size;
  wire [1:0] ar_burst;
  wire ar_valid, ar_ready, r_last, r_valid, r_ready;
  wire [{width}-1:0] r_data;
  wire [1:0] r_resp;
  {model} memory (
    .clk(clk), .rst_n(rst_n & (resetting == 0)), .begin_n(rst_n), .latency(memory_latency),
    .stalls(memory_stalls), .faults(memory_faults), .seed(random_seed), .araddr(ar_addr),
    .arlen(ar_len), .arsize(ar_size), .arburst(ar_burst), .arvalid(ar_valid),
    .arready(ar_ready), .rdata(r_data), .rresp(r_resp), .rlast(r_last), .rvalid(r_valid),
    .rready(r_ready));
"""
_PORTS = """,
    .m_axi_araddr(ar_addr),
    .m_axi_arlen(ar_len),
    .m_axi_arsize(ar_size),
    .m_axi_arburst(ar_burst),
    .m_axi_arvalid(ar_valid),
    .m_axi_arready(ar_ready),
    .m_axi_rdata(r_data),
    .m_axi_rresp(r_resp),
    .m_axi_rlast(r_last),
    .m_axi_rvalid(r_valid),
    .m_axi_rready(r_ready)"""

_PLACES = ("memory_inputs", "memory_declarations", "memory_ports")


def memory_places(width: int) -> dict[str, str]:
    """What goes into the places of the harness' template; nothing without a memory."""
    texts = (_INPUTS, _DECLARATIONS.format(width=width, model=MODEL), _PORTS)
    return dict(zip(_PLACES, texts if width else [""] * len(_PLACES), strict=True))


def memory_verilog(parameters: AcceleratorParameters) -> str:
    """The memory of an accelerator, which reads `MEMORY_FILE`."""
    return memory_model(parameters, MODEL, f'  initial $readmemh("{MEMORY_FILE}", words);\n')


@dataclass(frozen=True)
class External:
    """The external memory of an accelerator's weights.

    Parameters
    ----------
    width : int
        Bits of a beat.
    verilog, contents : str
        Its model, and the text of `MEMORY_FILE`.
    """

    width: int
    verilog: str
    contents: str

    @classmethod
    def of(cls, parameters: AcceleratorParameters, flipped: int | None = None) -> External:
        """The memory of an accelerator, perhaps with the bit of that number flipped."""
        width = parameters.tiled.plan.bus.data_width
        return cls(width, memory_verilog(parameters), memory_hex(parameters, flipped))


def memory_hex(parameters: AcceleratorParameters, flipped: int | None = None) -> str:
    """The text of `MEMORY_FILE`; see `External.of`."""
    size, image = parameters.tiled.plan.bus.beat_bytes, bytearray(external_image(parameters))
    if flipped is not None:
        image[flipped // 8] ^= 1 << flipped % 8
    beats = (image[place : place + size][::-1].hex() for place in range(0, len(image), size))
    return "\n".join([*beats, ""])
