"""First-spike pooling behind a layer of the engine, group by group."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import LUT_RAM_DEPTH, rom_latency
from sstdp_hw.blocks.widths import index_width

from ..parts.coordinates import delayed
from ..parts.rom import LUT_RAM, NO_COLLISION
from .lists import place_layout
from .tables import by_layer, table
from .walk import word_layout


class Pooled(wiring.Component):
    """Lets of the neurons that fire those pass whose window has not fired before.

    A word of marks, one bit a lane, stands for a group at a pooled position. The walk that gives
    the words of a layer their initial potentials clears them, too: they are fewer. Behind a layer
    without pooling all pass.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.sequential.engine.EngineParameters

    Members
    -------
    early : In
        `walk.word_layout`, the word that was issued `ahead` cycles before.
    word, done, fires : In
        Of `lanes.EngineLanes`. A comparison comes every second cycle at most.
    layer : In
    place : Out
        `lists.place_layout`: where the neurons stand that pass.
    passes : Out
        One bit a lane; of no meaning but with ``done``.
    """

    def __init__(self, parameters):
        self.p = p = parameters
        self.style = p.table_style(len(p.passes) << max(p.y_width, p.x_width, 1))
        self.table_latency = rom_latency(1, self.style)
        #: Cycles from ``early`` to ``word``: tables, address of the marks, marks.
        self.ahead = self.table_latency + 2
        super().__init__(
            {
                "early": In(word_layout(p)),
                "word": In(word_layout(p)),
                "done": In(1),
                "fires": In(p.lanes),
                "layer": In(p.layer_width),
                "place": Out(place_layout(p)),
                "passes": Out(p.lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        rows = self._axis(m, "pool_rows", 0, self.early.place.y)
        columns = self._axis(m, "pool_columns", 1, self.early.place.x)
        group = delayed(m, self.early.place.group, self.table_latency, "group")
        address = Signal(index_width(p.marks), reset_less=True)
        own = group
        if p.tiled:  # marks are those of the tile's groups
            firsts = [layer.first_group for layer in p.passes]
            own = group - by_layer(m, self.layer, firsts, "first_group", p.group_width)
        m.d.sync += address.eq(rows.address + columns.address + own)

        m.submodules.marks = marks = memory.Memory(
            shape=unsigned(p.lanes), depth=p.marks, init=[],
            attrs={"ram_style": "block", **NO_COLLISION} if p.marks > LUT_RAM_DEPTH else LUT_RAM,
        )  # fmt: skip
        read, write = marks.read_port(), marks.write_port()
        pools = by_layer(m, self.layer, [int(bool(layer.pools)) for layer in p.passes], "pools")
        inside = delayed(m, rows.inside & columns.inside, 2, "inside")
        starts = self.word.starts
        small = self.word.address < p.marks
        m.d.comb += [
            read.addr.eq(address),
            write.addr.eq(Mux(starts, self.word.address, delayed(m, address, 1, "address"))),
            write.data.eq(Mux(starts, 0, read.data | self.fires)),
            write.en.eq(self.done & Mux(starts, small, self.word.compare & inside & pools)),
            self.passes.eq(Mux(inside, self.fires & ~Mux(pools, read.data, 0), 0)),
            self.place.group.eq(delayed(m, group, 2, "group_late")),
            self.place.x.eq(delayed(m, columns.place, 2, "x")),
            self.place.y.eq(delayed(m, rows.place, 2, "y")),
        ]
        return m

    def _axis(self, m, name, axis, coordinate):
        """Table of one axis: the pooled row, or column, of a layer's output."""
        p = self.p
        fields = p.pooled_fields(axis)
        coordinate = coordinate if len(coordinate) else Signal(1, name=f"{name}_none")
        return table(m, name, self.layer, coordinate, fields, self.style, self.table_latency)
