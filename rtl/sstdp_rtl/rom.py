"""A read-only memory that becomes compact Verilog.

Amaranth writes one assignment per row, in a single block that yosys reads in quadratic time: five
minutes for 784x400 weights. This one writes chunks of rows as one literal each, in an `initial`
of its own, which yosys reads in linear time (docs/decisions/0003-weight-memory.md).
"""

from amaranth.hdl import ClockSignal, Const, Instance, Module, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.hardware import index_width

CHUNK_BITS = 4096


def is_constant(rows):
    """Whether all rows are equal, so that no memory is needed."""
    return len(set(rows)) == 1


def rom_verilog(name, width, rows, style):
    """Verilog of a `Rom`; the same input gives the same text."""
    addr_width = index_width(len(rows))
    constant = is_constant(rows)
    rows = rows[:1] if constant else rows
    per_chunk = max(1, CHUNK_BITS // width)
    chunks, fills = [], []
    for number, start in enumerate(range(0, len(rows), per_chunk)):
        chunk = rows[start : start + per_chunk]
        value = sum(row << (width * position) for position, row in enumerate(chunk))
        bits = width * len(chunk)
        chunks.append(f"  localparam [{bits - 1}:0] ROWS_{number} = {bits}'h{value:x};")
        fills.append(
            f"  initial for (i = 0; i < {len(chunk)}; i = i + 1) "
            f"memory[{start} + i] = ROWS_{number}[i*{width} +: {width}];"
        )
    if constant:
        body = [*chunks, "  assign data = ROWS_0;"]
    else:
        body = [
            f'  (* ram_style = "{style}" *)',
            f"  reg [{width - 1}:0] memory [0:{len(rows) - 1}];",
            f"  reg [{width - 1}:0] row;",
            "  integer i;",
            *chunks,
            *fills,
            "  always @(posedge clk) row <= memory[addr];",
            "  assign data = row;",
        ]
    return "\n".join(
        [
            f"module {name} (",
            "  input  wire clk,",
            f"  input  wire [{addr_width - 1}:0] addr,",
            f"  output wire [{width - 1}:0] data",
            ");",
            *body,
            "endmodule",
            "",
        ]
    )


class Rom(wiring.Component):
    """Synchronous read-only memory: ``data`` is the row at the ``addr`` of the cycle before.

    If all rows are equal it is no memory but a constant, in a module all the same, so that a
    mutation finds every weight and threshold in the same form.

    Parameters
    ----------
    name : str
        Module name in Verilog, unique within a design.
    width : int
        Bits of a row.
    rows : list of int
        Contents.
    style : str
        ``block`` for block RAM, ``logic`` for small tables: the LUT RAM of most FPGAs has no
        initial contents.

    Members
    -------
    addr : In
    data : Out
    """

    def __init__(self, name, width, rows, style="block"):
        if not rows:
            raise ValueError("Rom must have at least one row, not 0")
        self.name, self.width, self.rows, self.style = name, width, list(rows), style
        self.addr_width = index_width(len(rows))
        super().__init__({"addr": In(self.addr_width), "data": Out(width)})

    def elaborate(self, platform):
        m = Module()
        if isinstance(platform, RomCollector):
            platform.roms.append(self)
            m.submodules.rom = Instance(
                self.name,
                ("i", "clk", ClockSignal()),
                ("i", "addr", self.addr),
                ("o", "data", self.data),
            )
        elif is_constant(self.rows):
            m.d.comb += self.data.eq(Const(self.rows[0], self.width))
        else:  # the Amaranth simulator
            m.submodules.rom = rom = memory.Memory(
                shape=unsigned(self.width), depth=len(self.rows), init=self.rows
            )
            port = rom.read_port()
            m.d.comb += [port.addr.eq(self.addr), self.data.eq(port.data)]
        return m

    def verilog(self):
        """The module's Verilog text."""
        return rom_verilog(self.name, self.width, self.rows, self.style)


class RomCollector:
    """The platform object of Verilog generation: gathers the ROMs that the design instantiates."""

    def __init__(self):
        self.roms = []
