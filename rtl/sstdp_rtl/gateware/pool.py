"""First-spike pooling: a filter that lets the first event of every window pass."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import POOL_STAGES, STAMP_LATENCY, TAG_WIDTH, reserve

from .parts.coordinates import Coordinates, delayed
from .parts.hold import hold_back
from .parts.queue import Queue
from .parts.rom import Rom
from .parts.stamps import Stamps
from .parts.streams import event_layout


class PoolLayer(wiring.Component):
    """Takes an event a cycle; between two images it takes none for a cycle.

    The first event of a window in an image passes, with the index of the pooled cell. Others, and
    those of rows and columns that fill no window, are dropped. The last event of a step that is
    left carries ``last``.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.pooling.PoolParameters
    step_width : int
    name : str
        Prefix of the ROM modules' names.

    Members
    -------
    i, o : streams of `event_layout`
    """

    def __init__(self, parameters, step_width, name):
        self.p, self.name = parameters, name
        self.event_layout = event_layout(parameters.leaving.index_width, step_width)
        super().__init__(
            {
                "i": In(stream.Signature(event_layout(parameters.index_width, step_width))),
                "o": Out(stream.Signature(self.event_layout)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.queue = queue = Queue(self.event_layout, p.queue_depth, reserve(p.latency))
        m.submodules.stamps = stamps = Stamps(p.cells, p.stamp_width)
        wiring.connect(m, wiring.flipped(self.o), queue.o)

        # Stage 0: before the first event of an image goes the word that all marks are old now. The
        # event waits for it if the marks have to be cleared, the word for that of another image.
        event = self.i.payload
        walked = Signal(TAG_WIDTH, init=(1 << TAG_WIDTH) - 1)  # the last image seen
        other, begins, go = Signal(), Signal(), Signal()
        beginning, clears = Signal(), Signal()  # the word is on its way; the marks will be cleared
        m.d.comb += [
            other.eq(event.tag != walked),
            begins.eq(self.i.valid & other & stamps.ready & ~beginning),
            self.i.ready.eq(queue.has_room & stamps.ready & ~other & ~clears),
            go.eq(self.i.valid & self.i.ready),
            stamps.advance.eq(delayed(m, begins, p.places_latency + POOL_STAGES, "begins")),
        ]
        with m.If(stamps.advance):
            m.d.sync += [beginning.eq(0), clears.eq(0)]
        with m.If(begins):
            m.d.sync += [walked.eq(event.tag), beginning.eq(1), clears.eq(stamps.wraps)]

        # Coordinates, and in the stage behind them what they stand for in the index of a cell;
        # in the next one the index.
        m.submodules.coordinates = coordinates = Coordinates(p, self.name)
        m.d.comb += coordinates.index.eq(event.index)
        column, inside_column = self._table(m, coordinates.x, 1, p.leaving.column)
        row, inside_row = self._table(m, coordinates.y, 0, p.leaving.row)
        channel = delayed(m, coordinates.channel, 1, "channel")
        valid = delayed(m, go, p.places_latency + 1, "valid")
        ends = delayed(m, event.end, p.places_latency + 1, "end")
        cell = Signal(p.leaving.index_width, reset_less=True)
        inside, valid_cell, end_cell = Signal(), Signal(), Signal()
        m.d.sync += [
            cell.eq(row + column + channel),
            inside.eq(valid & inside_row & inside_column & ~ends),
            valid_cell.eq(valid),
            end_cell.eq(valid & ends),
        ]
        m.d.comb += [stamps.addr.eq(cell), stamps.valid.eq(inside)]

        # The stamp tells which events pass. One that closes its step and does not pass hands that
        # on to the one before.
        found = Signal(self.event_layout)
        passes, closes = Signal(), Signal()
        arrived = delayed(m, event, p.latency - 1, "event")
        m.d.comb += [
            found.tag.eq(arrived.tag),
            found.step.eq(arrived.step),
            found.end.eq(arrived.end),
            found.last.eq(arrived.last),
            found.index.eq(delayed(m, cell, STAMP_LATENCY, "cell")),
            passes.eq(
                (delayed(m, inside, STAMP_LATENCY, "inside") & stamps.fresh)
                | delayed(m, end_cell, STAMP_LATENCY, "end_cell")
            ),
            closes.eq(~passes & arrived.last),
        ]
        seen = delayed(m, valid_cell, STAMP_LATENCY, "valid_cell")
        hold_back(m, queue, found, seen & (passes | closes), closes)
        return m

    def _table(self, m, coordinate, axis, pitch):
        """What a coordinate adds to the index of the cell, and whether it lies in a window."""
        cells = self.p.cell(axis)
        rows = [(int(cell) * pitch << 1 | 1) if cell >= 0 else 0 for cell in cells]
        name = "columns" if axis else "rows"
        m.submodules[name] = table = Rom(
            f"{self.name}_{name}", max(2, max(rows).bit_length()), rows, style="logic"
        )
        m.d.comb += table.addr.eq(coordinate)
        return table.data[1:], table.data[0]
