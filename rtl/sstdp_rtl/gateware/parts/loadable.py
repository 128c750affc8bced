"""A memory that is written at run time, word by word, and read as `rom.Rom` is."""

from dataclasses import dataclass

from amaranth.hdl import ClockSignal, Instance, Module, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import BANK_ROWS, SPRAM_ROWS, WORD_BITS, rom_latency
from sstdp_hw.blocks.sequential.engine import BANK_ROWS as ENGINE_BANK_ROWS
from sstdp_hw.blocks.widths import index_width

from ..loading.loader import load_layout
from .rom import RomCollector, banks_verilog, give_in_columns


@dataclass(frozen=True)
class Style:
    """What a memory is made of.

    Parameters
    ----------
    attribute : str
        Of the memory in Verilog.
    registered : bool
        Whether its output has registers, see `rom.banks_verilog`.
    bank_rows : int
        Rows of a bank; 0 if it is not cut into banks.
    single_port : bool
        Whether it is read and written through one port.
    """

    attribute: str
    registered: bool
    bank_rows: int = 0
    single_port: bool = False

    def latency(self, rows):
        """Cycles from an address to its row."""
        if not self.registered:
            return rom_latency(rows, "logic")
        style = "spram" if self.single_port else "block"
        return rom_latency(rows if self.bank_rows else 1, style, self.bank_rows or BANK_ROWS)


#: ``block`` and ``spram`` for weights, ``banks`` for those of a sequential engine, ``deep`` for
#: potentials of many groups, ``table`` for block RAM whose output goes to a queue at once.
STYLES = {
    "block": Style('ram_style = "block"', registered=True, bank_rows=BANK_ROWS),
    "banks": Style('ram_style = "block"', registered=True, bank_rows=ENGINE_BANK_ROWS),
    "spram": Style("spram = 1", registered=True, bank_rows=SPRAM_ROWS, single_port=True),
    "deep": Style('ram_style = "block"', registered=True),
    "table": Style('ram_style = "block"', registered=False),
    "logic": Style("lut_ram = 1", registered=False),
}


class LoadableMemory(wiring.Component):
    """``data`` is the row at ``addr`` of `latency` cycles ago.

    A row stands in columns of `WORD_BITS` bits, each of which is written alone. A word is written
    two cycles after it arrived; nothing may be read meanwhile. A memory of one row is a register,
    whose value is always there. Contents are undefined before they are written.

    Parameters
    ----------
    name : str
        Module name in Verilog behind the accelerator's prefix.
    width, rows : int
        Bits of a row, and how many.
    style : str
        One of `STYLES`.
    columns : sequence of int
        Lowest bit of every part of a row that comes a cycle later than the part before it, a
        multiple of `WORD_BITS`.

    Members
    -------
    addr : In
    data : Out
    load : In
        `load_layout`
    """

    def __init__(self, name, width, rows, style="block", columns=(0,)):
        if any(low % WORD_BITS for low in columns):
            raise ValueError(f"Columns must begin at multiples of {WORD_BITS}, not {columns}")
        self.name, self.width, self.rows, self.style = name, width, rows, style
        self.columns = tuple(columns)
        self.words = -(-width // WORD_BITS)
        self.addr_width = index_width(rows)
        self.latency = STYLES[style].latency(rows)
        super().__init__(
            {
                "addr": In(self.addr_width),
                "data": Out(width),
                "load": In(load_layout(rows, self.words)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if isinstance(platform, RomCollector):
            m.submodules.memory = Instance(
                platform.collect(self),
                ("i", "clk", ClockSignal()),
                ("i", "addr", self.addr),
                ("o", "data", self.data),
                *(("i", name, self.load[name]) for name in ("word", "row", "column")),
                ("i", "write", self.load.writes),
            )
            return m
        # The Amaranth simulator.
        padded = self.words * WORD_BITS
        m.submodules.memory = found = memory.Memory(
            shape=unsigned(padded), depth=self.rows, init=[]
        )
        load = Signal.like(self.load, name="load_1")
        m.d.sync += load.eq(self.load)
        write = found.write_port(granularity=WORD_BITS)
        m.d.comb += [
            write.addr.eq(load.row),
            write.data.eq(load.word.replicate(self.words)),
            write.en.eq(load.writes << load.column),
        ]
        port = found.read_port(domain="comb" if self.rows == 1 else "sync")
        m.d.comb += port.addr.eq(self.addr)
        if self.rows == 1:
            m.d.comb += self.data.eq(port.data)
            return m
        give_in_columns(m, self, port)
        return m

    def verilog(self, name):
        """The text of its module; the same input gives the same text."""
        column_width = index_width(self.words)
        lines = [
            f"module {name} (",
            "  input  wire clk,",
            f"  input  wire [{self.addr_width - 1}:0] addr,",
            f"  output wire [{self.width - 1}:0] data,",
            f"  input  wire [{WORD_BITS - 1}:0] word,",
            f"  input  wire [{self.addr_width - 1}:0] row,",
            f"  input  wire [{column_width - 1}:0] column,",
            "  input  wire write",
            ");",
            # Near the memory: the way from the stream is long.
            f"  reg [{WORD_BITS - 1}:0] word_1;",
            f"  reg [{self.addr_width - 1}:0] row_1;",
            f"  reg [{column_width - 1}:0] column_1;",
            "  reg write_1;",
            "  initial write_1 = 1'd0;",
            "  always @(posedge clk) begin",
            "    word_1 <= word;",
            "    row_1 <= row;",
            "    column_1 <= column;",
            "    write_1 <= write;",
            "  end",
        ]
        for number in range(1, len(self.columns)):
            before = f"addr_{number - 1}" if number > 1 else "addr"
            lines.append(f"  reg [{self.addr_width - 1}:0] addr_{number};")
            lines.append(f"  always @(posedge clk) addr_{number} <= {before};")
        for column in range(self.words):
            low = column * WORD_BITS
            part = sum(low >= start for start in self.columns) - 1
            width = min(WORD_BITS, self.width - low)
            lines += self._column(column, width, f"addr_{part}" if part else "addr")
            lines.append(f"  assign data[{low + width - 1}:{low}] = out_{column};")
        return "\n".join([*lines, "endmodule", ""])

    def _column(self, column, width, addr):
        """Memories of one column, a bank after the other, their writes and their reads."""
        here = f"write_1 & (column_1 == {column})" if self.words > 1 else "write_1"
        if self.rows == 1:
            return [
                f"  reg [{width - 1}:0] out_{column};",
                f"  always @(posedge clk) if ({here}) out_{column} <= word_1[{width - 1}:0];",
            ]
        style = STYLES[self.style]
        size = style.bank_rows or self.rows
        counts = [min(size, self.rows - n) for n in range(0, self.rows, size)]
        low = index_width(size) if len(counts) > 1 else self.addr_width
        lines = []
        for bank, rows in enumerate(counts):
            name, enable = f"{bank}_{column}", here
            if len(counts) > 1:
                enable += f" & (row_1[{self.addr_width - 1}:{low}] == {bank})"
            to = f"row_1[{low - 1}:0]"
            lines += [
                f"  (* {style.attribute}, no_rw_check = 1 *)",
                f"  reg [{width - 1}:0] memory_{name} [0:{rows - 1}];",
                f"  wire writes_{name} = {enable};",
            ]
            if style.single_port:
                lines.append(
                    f"  wire [{low - 1}:0] port_{name} = "
                    f"writes_{name} ? {to} : {addr}[{low - 1}:0];"
                )
                to = f"port_{name}"
            lines.append(
                f"  always @(posedge clk) if (writes_{name}) "
                f"memory_{name}[{to}] <= word_1[{width - 1}:0];"
            )
        return lines + banks_verilog(
            width, len(counts), addr, self.addr_width, f"_{column}", bank_rows=size,
            registers=style.registered, single_port=style.single_port,
        )  # fmt: skip
