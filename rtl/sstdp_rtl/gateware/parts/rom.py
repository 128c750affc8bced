"""A read-only memory that becomes compact Verilog.

Amaranth writes one assignment per row, in a single block that yosys reads in quadratic time: five
minutes for 784x400 weights. This one writes chunks of rows as one literal each, in an `initial`
of its own, which yosys reads in linear time (docs/decisions/0003-weight-memory.md).
"""

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import BANK_ROWS, rom_latency
from sstdp_hw.blocks.widths import index_width

CHUNK_BITS = 4096

#: Attributes of a block RAM that is never read where it is being written: yosys need not add the
#: logic that would then give the old contents.
NO_COLLISION = {"no_rw_check": 1}

#: Attribute of a memory that is best made of LUT RAM. A name of our own, because `ram_style =
#: "distributed"` is a demand: where there is no LUT RAM, or none with initial contents, yosys
#: refuses it. Builds turn it into that demand for families that can meet it.
LUT_RAM = {"lut_ram": 1}


def is_constant(rows):
    """Whether all rows are equal, so that no memory is needed."""
    return len(set(rows)) == 1


def give_in_columns(m, component, port):
    """For the Amaranth simulator: what ``port`` reads as ``component.data``, after its latency, and
    every column a cycle after the one before."""
    width, columns, latency = component.width, component.columns, component.latency
    rows = [port.data]  # of this cycle, of the one before, ...
    for stage in range(latency - 1 + len(columns) - 1):
        rows.append(Signal(width, name=f"row_{stage}"))
        m.d.sync += rows[-1].eq(rows[-2])
    ends = [*columns[1:], width]
    for row, low, end in zip(rows[latency - 1 :], columns, ends, strict=True):
        m.d.comb += component.data[low:end].eq(row[low:end])


def rom_verilog(name, width, rows, style, columns=(0,), bank_rows=BANK_ROWS):
    """Verilog of a `Rom`; the same input gives the same text."""
    addr_width = index_width(len(rows))
    if is_constant(rows):
        body = [_literal(0, width, rows[:1]), "  assign data = ROWS_0;"]
    else:
        body = _memory(width, rows, style, columns, addr_width, bank_rows)
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


def _memory(width, rows, style, columns, addr_width, bank_rows):
    """Literals of the rows, the address on its way from column to column, and the columns."""
    per_bank = len(rows) if style == "logic" else bank_rows
    banks = [rows[start : start + per_bank] for start in range(0, len(rows), per_bank)]
    per_chunk = max(1, CHUNK_BITS // width)
    chunks, places = [], []  # places: (bank, row in it, chunk, its rows)
    for bank, contents in enumerate(banks):
        for start in range(0, len(contents), per_chunk):
            chunk = contents[start : start + per_chunk]
            places.append((bank, start, len(chunks), len(chunk)))
            chunks.append(_literal(len(chunks), width, chunk))
    lines = [f"  localparam WIDTH = {width};", "  integer i;", *chunks]
    ends = [*columns[1:], width]
    for column, (low, end) in enumerate(zip(columns, ends, strict=True)):
        column_width, name, addr = end - low, f"_column_{column}" if column else "", "addr"
        if column:
            addr = f"addr_{column}"
            before = f"addr_{column - 1}" if column > 1 else "addr"
            lines.append(f"  reg [{addr_width - 1}:0] {addr};")
            lines.append(f"  always @(posedge clk) {addr} <= {before};")
        for bank, contents in enumerate(banks):
            lines.append(f'  (* ram_style = "{style}" *)')
            lines.append(
                f"  reg [{column_width - 1}:0] memory_{bank}{name} [0:{len(contents) - 1}];"
            )
        lines += [
            f"  initial for (i = 0; i < {count}; i = i + 1) memory_{bank}{name}[{start} + i] = "
            f"ROWS_{chunk}[i*WIDTH + {low} +: {column_width}];"
            for bank, start, chunk, count in places
        ]
        lines += banks_verilog(
            column_width, len(banks), addr, addr_width, name, registers=style != "logic",
            bank_rows=bank_rows,
        )  # fmt: skip
        lines.append(f"  assign data[{end - 1}:{low}] = out{name};")
    return lines


def banks_verilog(
    width, count, addr, addr_width, name, *, registers, bank_rows=BANK_ROWS, single_port=False
):
    """Banks and their registers, a cycle for each: the block RAM's own, which the build merges into
    it; one near what reads it, with the bank that was not addressed silenced; with several banks
    one more, where they are joined. Without ``registers`` there is one bank, read in one cycle.

    The memory of bank N is ``memory_N`` with ``name`` behind it, what is read ``out`` with it. One
    with a ``single_port`` is read at ``port_N``, in cycles without ``writes_N``.
    """
    if not registers:
        return [
            f"  reg [{width - 1}:0] out{name};",
            f"  always @(posedge clk) out{name} <= memory_0{name}[{addr}];",
        ]
    low = index_width(bank_rows) if count > 1 else addr_width
    word, every = f"[{width - 1}:0]", range(count)
    lines = [f"  reg {word} row_{n}{name}, own_{n}{name}, near_{n}{name};" for n in every]
    lines.append(f"  reg {word} out{name};" if count > 1 else f"  wire {word} out{name};")
    if count > 1:
        lines.append(f"  reg [{addr_width - low - 1}:0] bank_0{name}, bank_1{name};")
    lines.append("  always @(posedge clk) begin")
    for n in every:
        if single_port:
            lines.append(
                f"    if (!writes_{n}{name}) row_{n}{name} <= memory_{n}{name}[port_{n}{name}];"
            )
        else:
            lines.append(f"    row_{n}{name} <= memory_{n}{name}[{addr}[{low - 1}:0]];")
        lines.append(f"    own_{n}{name} <= row_{n}{name};")
        near = f"own_{n}{name}"
        if count > 1:
            near = f"bank_1{name} == {n} ? {near} : {width}'d0"
        lines.append(f"    near_{n}{name} <= {near};")
    if count > 1:
        lines.append(f"    bank_0{name} <= {addr}[{addr_width - 1}:{low}];")
        lines.append(f"    bank_1{name} <= bank_0{name};")
        lines.append(f"    out{name} <= {' | '.join(f'near_{n}{name}' for n in every)};")
    lines.append("  end")
    if count == 1:
        lines.append(f"  assign out{name} = near_0{name};")
    return lines


def fill_memory(name, width, rows, literals="ROWS"):
    """Lines that fill a memory of one bank, as `Rom` does it; ``i`` is an integer of the module,
    and names that begin with ``literals`` are free."""
    per_chunk, lines = max(1, CHUNK_BITS // width), []
    for number, start in enumerate(range(0, len(rows), per_chunk)):
        chunk = rows[start : start + per_chunk]
        lines += [
            _literal(number, width, chunk, literals),
            f"  initial for (i = 0; i < {len(chunk)}; i = i + 1) "
            f"{name}[{start} + i] = {literals}_{number}[i*{width} +: {width}];",
        ]
    return lines


def _literal(number, width, rows, name="ROWS"):
    value = sum(row << (width * position) for position, row in enumerate(rows))
    bits = width * len(rows)
    return f"  localparam [{bits - 1}:0] {name}_{number} = {bits}'h{value:x};"


class Rom(wiring.Component):
    """Synchronous read-only memory: ``data`` is the row at ``addr`` of `latency` cycles ago.

    If all rows are equal it is no memory but a constant, in a module all the same, so that a
    mutation finds every weight and threshold in the same form.

    Parameters
    ----------
    name : str
        Module name in Verilog behind the accelerator's prefix, unique within a design.
    width : int
        Bits of a row.
    rows : list of int
        Contents.
    style : str
        ``block`` for block RAM, ``logic`` for small tables: the LUT RAM of most FPGAs has no
        initial contents.
    bank_rows : int
        Rows of a bank of block RAM.
    columns : sequence of int
        Lowest bit of every part of a row that comes a cycle later than the part before it; by
        default the row comes at once. A constant is always there.

    Attributes
    ----------
    latency : int
        Of the first column; see `sstdp_hw.blocks.pipeline.rom_latency`.

    Members
    -------
    addr : In
    data : Out
    """

    def __init__(self, name, width, rows, style="block", columns=(0,), bank_rows=BANK_ROWS):
        if not rows:
            raise ValueError("Rom must have at least one row, not 0")
        self.name, self.width, self.rows, self.style = name, width, list(rows), style
        self.columns, self.bank_rows = tuple(columns), bank_rows
        self.addr_width = index_width(len(rows))
        self.latency = rom_latency(len(rows), style, bank_rows)
        super().__init__({"addr": In(self.addr_width), "data": Out(width)})

    def elaborate(self, platform):
        m = Module()
        if isinstance(platform, RomCollector):
            m.submodules.rom = Instance(
                platform.collect(self),
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
            give_in_columns(m, self, port)
        return m

    def verilog(self, name):
        """The text of its module."""
        return rom_verilog(name, self.width, self.rows, self.style, self.columns, self.bank_rows)


class RomCollector:
    """The platform object of Verilog generation: gathers the memories that are written as text.

    Parameters
    ----------
    prefix : str
        What the name of every module begins with.

    Attributes
    ----------
    texts : dict
        From a module's name to its Verilog.
    """

    def __init__(self, prefix=""):
        self.prefix, self.texts = prefix, {}

    def collect(self, rom):
        """Take in a memory with ``name`` and ``verilog``; returns the name of its module."""
        name = f"{self.prefix}{rom.name}"
        self.texts[name] = rom.verilog(name)
        return name
