"""The weight buffer: one half is read, the other is written."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import LUT_RAM_DEPTH
from sstdp_hw.blocks.sequential.tiled import BUFFER_LATENCY
from sstdp_hw.blocks.widths import index_width

from ..parts.coordinates import delayed
from ..parts.rom import LUT_RAM, NO_COLLISION


def fill_layout(plan):
    """What is written into the buffer, and which half is read.

    Members
    -------
    reads : the half that is read
    half, row, column : where a beat goes
    beat : the beat
    writes : there is one
    """
    return data.StructLayout(
        {
            "reads": unsigned(1),
            "half": unsigned(1),
            "row": unsigned(index_width(plan.half_rows)),
            "column": unsigned(index_width(plan.row_beats)),
            "beat": unsigned(plan.bus.data_width),
            "writes": unsigned(1),
        }
    )


class WeightBuffer(wiring.Component):
    """``data`` is the row at ``addr`` of `latency` cycles ago, in the half that is read.

    A row stands in columns as wide as a beat, the last one narrower, each of which is written
    alone; a beat is written a cycle after it came. The half that is read changes while no row is on
    its way.

    Parameters
    ----------
    plan : sstdp_hw.blocks.sequential.tiles.TilePlan

    Members
    -------
    addr : In
    data : Out
    fill : In
        `fill_layout`
    """

    def __init__(self, plan):
        self.plan, self.latency = plan, BUFFER_LATENCY
        super().__init__(
            {
                "addr": In(index_width(plan.half_rows)),
                "data": Out(plan.row_bits),
                "fill": In(fill_layout(plan)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, width = self.plan, self.plan.bus.data_width
        deep = plan.half_rows > LUT_RAM_DEPTH
        attributes = {"ram_style": "block", **NO_COLLISION} if deep else LUT_RAM
        fill = Signal.like(self.fill, name="fill_1", reset_less=True)  # near the memory
        writes = Signal()
        m.d.sync += [fill.eq(self.fill), writes.eq(self.fill.writes)]
        halves = []
        for half in range(2):
            columns = []
            for column in range(plan.row_beats):
                size = min(width, plan.row_bits - column * width)
                name = f"half_{half}_{column}"
                m.submodules[name] = found = memory.Memory(
                    shape=unsigned(size), depth=plan.half_rows, init=[], attrs=attributes
                )
                read, write = found.read_port(), found.write_port()
                m.d.comb += [
                    read.addr.eq(self.addr),
                    write.addr.eq(fill.row),
                    write.data.eq(fill.beat),
                    write.en.eq(writes & (fill.half == half) & (fill.column == column)),
                ]
                columns.append(read.data)
            # The block RAM's own register, and one near what reads it.
            halves.append(delayed(m, Cat(*columns), 2, f"half_{half}"))
        chosen = Signal(plan.row_bits, reset_less=True)
        m.d.sync += chosen.eq(Mux(self.fill.reads, halves[1], halves[0]))
        m.d.comb += self.data.eq(chosen)
        return m
