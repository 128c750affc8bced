"""The memory behind the lists: deep, and without initial contents.

Amaranth gives every memory initial contents, an assignment a row, which yosys reads in quadratic
time (docs/decisions/0003-weight-memory.md): the lists of a deep network have 50,000 rows.
"""

from amaranth.hdl import ClockSignal, Instance, Module, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.widths import index_width

from ..parts.rom import RomCollector


class ItemMemory(wiring.Component):
    """``data`` is the row at ``place`` of the cycle before. A row is never read while it is
    written, and its contents are undefined before that.

    Parameters
    ----------
    name : str
        Module name in Verilog behind the accelerator's prefix.
    width, rows : int

    Members
    -------
    place : In
    data : Out
    addr, item, writes : In
        A row that is written.
    """

    def __init__(self, name, width, rows):
        self.name, self.width, self.rows = name, width, rows
        self.addr_width = index_width(rows)
        super().__init__(
            {
                "place": In(self.addr_width),
                "data": Out(width),
                "addr": In(self.addr_width),
                "item": In(width),
                "writes": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if isinstance(platform, RomCollector):
            m.submodules.memory = Instance(
                platform.collect(self),
                ("i", "clk", ClockSignal()),
                ("o", "data", self.data),
                *(("i", name, getattr(self, name)) for name in ("place", "addr", "item", "writes")),
            )
            return m
        # The Amaranth simulator.
        m.submodules.memory = found = memory.Memory(
            shape=unsigned(self.width), depth=self.rows, init=[]
        )
        read, write = found.read_port(), found.write_port()
        m.d.comb += [
            read.addr.eq(self.place),
            self.data.eq(read.data),
            write.addr.eq(self.addr),
            write.data.eq(self.item),
            write.en.eq(self.writes),
        ]
        return m

    def verilog(self, name):
        """The text of its module; the same input gives the same text."""
        word, addr = f"[{self.width - 1}:0]", f"[{self.addr_width - 1}:0]"
        return "\n".join(
            [
                f"module {name} (",
                "  input  wire clk,",
                f"  input  wire {addr} place,",
                f"  output reg  {word} data,",
                f"  input  wire {addr} addr,",
                f"  input  wire {word} item,",
                "  input  wire writes",
                ");",
                "  (* no_rw_check = 1 *)",
                f"  reg {word} items [0:{self.rows - 1}];",
                "  always @(posedge clk) begin",
                "    if (writes) items[addr] <= item;",
                "    data <= items[place];",
                "  end",
                "endmodule",
                "",
            ]
        )
