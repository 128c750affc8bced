"""Memories that are written at run time: their Verilog, written and read back by Icarus, and the
same in Amaranth's simulator."""

import shutil
import subprocess

import numpy as np
import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from sstdp_rtl.gateware.parts.loadable import STYLES, LoadableMemory
from sstdp_rtl.gateware.parts.rom import RomCollector

SHAPES = [
    (7, 1, "logic", (0,)),
    (70, 1, "logic", (0,)),
    (33, 12, "logic", (0,)),
    (40, 40, "deep", (0,)),
    (5, 256, "table", (0,)),
    (64, 300, "block", (0,)),
    (64, 300, "banks", (0,)),
    (100, 300, "block", (0, 32, 64)),
    (20, 4500, "block", (0,)),
    (48, 300, "spram", (0,)),
    (4, 16500, "spram", (0,)),
]


def contents(width, rows):
    rng = np.random.default_rng(width)
    return [int.from_bytes(rng.bytes(16), "little") % (1 << width) for _ in range(rows)]


def writes(memory, rows):
    """(row, column, word) in the order of the stream; bits beyond the row are set."""
    for number, row in enumerate(rows):
        padded = row | -1 << memory.width
        for column in range(memory.words):
            yield number, column, padded >> 32 * column & 0xFFFF_FFFF


def parts(memory, shown):
    """Rows put together from what was read cycle by cycle, later columns later."""
    late = memory.latency if memory.rows > 1 else 0
    ends = [*memory.columns[1:], memory.width]
    found = [0] * memory.rows
    for place, (low, end) in enumerate(zip(memory.columns, ends, strict=True)):
        mask = (1 << end) - (1 << low)
        for row in range(memory.rows):
            found[row] |= shown[row + late + place] & mask
    return found


@pytest.mark.parametrize("width, rows, style, columns", SHAPES)
def test_verilog(width, rows, style, columns, tmp_path):
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    memory = LoadableMemory("dut", width, rows, style, columns)
    held = contents(width, rows)
    words = list(writes(memory, held))
    addr, column = memory.addr_width, len(memory.load.column)
    lines = [f"{row << 64 | place << 32 | word:x}" for row, place, word in words]
    (tmp_path / "words.hex").write_text("\n".join(lines))
    reads = rows + memory.latency + len(columns)
    bench = f"""
    module bench;
      reg clk = 0; reg [{addr - 1}:0] addr = 0; reg write = 0;
      reg [95:0] words [0:{len(words) - 1}]; reg [95:0] now = 0;
      wire [{width - 1}:0] data; integer n;
      dut dut (.clk(clk), .addr(addr), .data(data), .word(now[31:0]),
               .row(now[{64 + addr - 1}:64]), .column(now[{32 + column - 1}:32]), .write(write));
      initial begin
        $readmemh("words.hex", words);
        for (n = 0; n < {len(words)}; n = n + 1) begin
          now = words[n]; write = 1; #1 clk = 1; #1 clk = 0;
          write = 0;
          if (n % 7 == 0) begin now = ~now; #1 clk = 1; #1 clk = 0; end
        end
        write = 0;
        for (n = 0; n < 3; n = n + 1) begin #1 clk = 1; #1 clk = 0; end
        for (n = 0; n < {reads}; n = n + 1) begin
          addr = n < {rows} ? n : 0; #1 $display("%b", data); clk = 1; #1 clk = 0;
        end
      end
    endmodule
    """
    collector = RomCollector()
    Fragment.get(memory, collector)
    (tmp_path / "all.v").write_text(collector.texts["dut"] + bench)
    subprocess.run(["iverilog", "-g2005", "-o", "out", "all.v"], cwd=tmp_path, check=True)
    shown = subprocess.run(
        [tmp_path / "out"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    read = [int(line.replace("x", "0").replace("z", "0"), 2) for line in shown.split()]
    assert parts(memory, read) == held


@pytest.mark.parametrize("width, rows, style, columns", [each for each in SHAPES if each[1] < 400])
def test_gateware(width, rows, style, columns):
    memory = LoadableMemory("dut", width, rows, style, columns)
    held, read = contents(width, rows), []

    async def drive(ctx):
        load = memory.load
        for row, column, word in writes(memory, held):
            for field, value in (("row", row), ("column", column), ("word", word), ("writes", 1)):
                ctx.set(load[field], value)
            await ctx.tick()
        ctx.set(load.writes, 0)
        await ctx.tick().repeat(3)
        for row in range(rows + memory.latency + len(columns)):
            ctx.set(memory.addr, row if row < rows else 0)
            read.append(ctx.get(memory.data))
            await ctx.tick()

    simulator = Simulator(memory)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    assert parts(memory, read) == held


def test_every_style_is_tried():
    assert {style for _, _, style, _ in SHAPES} == set(STYLES)
