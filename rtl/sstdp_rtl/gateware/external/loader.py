"""Fetches the tiles of a network one after the other, always the next while one is in use."""

from itertools import pairwise

from amaranth.hdl import Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.axi_read import ADDRESS_WIDTH, OK
from sstdp_hw.blocks.sequential.tiles import PAGE
from sstdp_hw.blocks.widths import index_width

from ..sequential.tables import by_layer
from .buffer import fill_layout
from .reader import AxiReader, axi_members

PAGE_SHIFT = PAGE.bit_length() - 1


class TileLoader(wiring.Component):
    """Fills one half of the weight buffer after the other.

    Tiles come in the order of the plan, for ever: an image takes each of them once, so that nothing
    has to be asked for. A half is filled when the tile in it is not needed any more. A tile that
    failed is given all the same, and marked; the next image fetches it again.

    Parameters
    ----------
    plan : sstdp_hw.blocks.sequential.tiles.TilePlan
    base_port : bool
        Whether ``base`` tells where the first tile stands, in place of the plan.

    Members
    -------
    base : In(32)
        With ``base_port``: taken in every cycle of a reset, and kept until the next one. Bits
        within a page count for nothing: tiles begin where bursts do.
    there : Out(1)
        The tile that comes next is in the buffer; until ``ends``.
    bad : Out(1)
        With ``there``: it failed.
    ends : In(1)
        The tile is not needed any more.
    fill : Out
        `buffer.fill_layout`
    ar*, r* : `reader.axi_members`
    """

    def __init__(self, plan, base_port=False):
        self.plan, self.base_port = plan, base_port
        super().__init__(
            {
                "there": Out(1),
                "bad": Out(1),
                "ends": In(1),
                "fill": Out(fill_layout(plan)),
                **({"base": In(ADDRESS_WIDTH)} if base_port else {}),
                **axi_members(plan.bus),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan = self.plan
        tiles, offsets = plan.tiles, plan.offsets
        m.submodules.reader = reader = AxiReader(plan.bus)
        for name, flow in axi_members(plan.bus).items():
            here, there = getattr(self, name), getattr(reader, name)
            m.d.comb += here.eq(there) if flow.flow is Out else there.eq(here)

        full, failed = Signal(2), Signal(2)  # by half
        reads, writes = Signal(), Signal()  # the half that is read, that is written
        number = Signal(index_width(len(tiles)))  # of the tile that is fetched
        # Of the next tile; counted from the base where that comes by a port.
        begin = 0 if self.base_port else plan.base
        address = Signal(ADDRESS_WIDTH, init=begin)
        busy = Signal()  # a fetch was begun
        last = number == len(tiles) - 1
        strides = [end - first for first, end in pairwise(offsets)]
        beats = [plan.beats(tile) for tile in tiles]
        m.d.comb += [
            reader.i.payload.address.eq(self._from_base(m, address)),
            reader.i.payload.beats.eq(by_layer(m, number, beats, "beats")),
            reader.i.valid.eq(~busy & ~full.bit_select(writes, 1)),
            self.there.eq(full.bit_select(reads, 1)),
            self.bad.eq(failed.bit_select(reads, 1)),
        ]
        with m.If(reader.i.valid & reader.i.ready):
            m.d.sync += busy.eq(1)
        with m.If(reader.done):
            m.d.sync += [
                busy.eq(0),
                full.bit_select(writes, 1).eq(1),
                failed.bit_select(writes, 1).eq(reader.error != OK),
                writes.eq(~writes),
                number.eq(Mux(last, 0, number + 1)),
                address.eq(Mux(last, begin, address + by_layer(m, number, strides, "stride"))),
            ]
        with m.If(self.ends):
            m.d.sync += [full.bit_select(reads, 1).eq(0), reads.eq(~reads)]

        # ---- Where the next beat goes.
        row = Signal(index_width(plan.half_rows))
        column = Signal(index_width(plan.row_beats))
        m.d.comb += [
            self.fill.reads.eq(reads),
            self.fill.half.eq(writes),
            self.fill.row.eq(row),
            self.fill.column.eq(column),
            self.fill.beat.eq(reader.data),
            self.fill.writes.eq(reader.valid),
        ]
        with m.If(reader.valid):
            m.d.sync += column.eq(column + 1)
            with m.If(column == plan.row_beats - 1):
                m.d.sync += [column.eq(0), row.eq(row + 1)]
        with m.If(reader.done):
            m.d.sync += [row.eq(0), column.eq(0)]
        return m

    def _from_base(self, m, address):
        """An address on the bus."""
        if not self.base_port:
            return address
        # Not reset: it is the reset that it is written by.
        page = Signal(ADDRESS_WIDTH - PAGE_SHIFT, reset_less=True)
        with m.If(ResetSignal()):
            m.d.sync += page.eq(self.base[PAGE_SHIFT:])
        return (page << PAGE_SHIFT) + address
