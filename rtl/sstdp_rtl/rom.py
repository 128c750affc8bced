"""A read-only memory that becomes compact Verilog.

Amaranth writes one assignment per row, in a single block that yosys reads in quadratic time: five
minutes for 784x400 weights. This one writes chunks of rows as one literal each, in an `initial`
of its own, which yosys reads in linear time (docs/decisions/0003-weight-memory.md).
"""

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.hardware import index_width
from sstdp_hw.pipeline import BANK_ROWS, rom_latency

CHUNK_BITS = 4096

#: Attributes of a block RAM that is never read where it is being written: yosys need not add the
#: logic that would then give the old contents.
NO_COLLISION = {"no_rw_check": 1}


def is_constant(rows):
    """Whether all rows are equal, so that no memory is needed."""
    return len(set(rows)) == 1


def rom_verilog(name, width, rows, style):
    """Verilog of a `Rom`; the same input gives the same text."""
    addr_width = index_width(len(rows))
    if is_constant(rows):
        body = [_literal(0, width, rows[:1]), "  assign data = ROWS_0;"]
    else:
        make = _table if style == "logic" else _banks
        body = [f"  localparam WIDTH = {width};", "  integer i;", *make(width, rows, style)]
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


def _table(width, rows, style):
    lines, _ = _bank("memory", width, rows, style, 0)
    return [
        *lines,
        "  reg [WIDTH-1:0] row;",
        "  always @(posedge clk) row <= memory[addr];",
        "  assign data = row;",
    ]


def _banks(width, rows, style):
    """Banks whose outputs are registered, silenced unless chosen, and joined, a cycle for each."""
    body, chunks, addr_width = [], 0, index_width(len(rows))
    count = -(-len(rows) // BANK_ROWS)
    for number in range(count):
        bank_rows = rows[number * BANK_ROWS : (number + 1) * BANK_ROWS]
        text, chunks = _bank(f"memory_{number}", width, bank_rows, style, chunks)
        body += text
    low = index_width(BANK_ROWS) if count > 1 else addr_width
    every = range(count)
    body += [f"  reg [WIDTH-1:0] row_{number}, out_{number};" for number in every]
    if count > 1:
        bank = f"[{addr_width - low - 1}:0]"
        body += [f"  reg {bank} bank_0, bank_1;", "  reg [WIDTH-1:0] all;"]
        body += [f"  reg [WIDTH-1:0] chosen_{number};" for number in every]
    body.append("  always @(posedge clk) begin")
    body += [f"    row_{number} <= memory_{number}[addr[{low - 1}:0]];" for number in every]
    body += [f"    out_{number} <= row_{number};" for number in every]
    if count > 1:
        body += [f"    bank_0 <= addr[{addr_width - 1}:{low}];", "    bank_1 <= bank_0;"]
        body += [f"    chosen_{n} <= bank_1 == {n} ? out_{n} : {width}'d0;" for n in every]
        body.append(f"    all <= {' | '.join(f'chosen_{number}' for number in every)};")
    body += ["  end", f"  assign data = {'all' if count > 1 else 'out_0'};"]
    return body


def _bank(memory, width, rows, style, first_chunk):
    """One memory with its contents; returns the lines and the number of the next chunk."""
    lines = [f'  (* ram_style = "{style}" *)', f"  reg [WIDTH-1:0] {memory} [0:{len(rows) - 1}];"]
    per_chunk = max(1, CHUNK_BITS // width)
    number = first_chunk
    for start in range(0, len(rows), per_chunk):
        chunk = rows[start : start + per_chunk]
        lines += [
            _literal(number, width, chunk),
            f"  initial for (i = 0; i < {len(chunk)}; i = i + 1) "
            f"{memory}[{start} + i] = ROWS_{number}[i*WIDTH +: WIDTH];",
        ]
        number += 1
    return lines, number


def _literal(number, width, rows):
    value = sum(row << (width * position) for position, row in enumerate(rows))
    bits = width * len(rows)
    return f"  localparam [{bits - 1}:0] ROWS_{number} = {bits}'h{value:x};"


class Rom(wiring.Component):
    """Synchronous read-only memory: ``data`` is the row at ``addr`` of `latency` cycles ago.

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

    Attributes
    ----------
    latency : int
        1 for logic, 2 for block RAM with its register, 4 for several banks of it.

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
        self.latency = rom_latency(len(rows), style)
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
            m.d.comb += port.addr.eq(self.addr)
            row = port.data
            for stage in range(self.latency - 1):
                later = Signal(self.width, name=f"row_{stage}")
                m.d.sync += later.eq(row)
                row = later
            m.d.comb += self.data.eq(row)
        return m

    def verilog(self):
        """The module's Verilog text."""
        return rom_verilog(self.name, self.width, self.rows, self.style)


class RomCollector:
    """The platform object of Verilog generation: gathers the ROMs that the design instantiates."""

    def __init__(self):
        self.roms = []
