"""The encoder: pixels in, spike events in order of time out."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.memory_map import TABLE_ROWS, table_name, table_rows
from sstdp_hw.blocks.pipeline import MAX_IN_FLIGHT, TAG_WIDTH, reserve
from sstdp_hw.blocks.widths import index_width

from ..loading.loader import load_layout
from ..parts.loadable import LoadableMemory
from ..parts.queue import Queue
from ..parts.rom import Rom
from ..parts.streams import TRACED, event_layout, is_stale
from .bucket import BucketSorter, times_layout
from .packet import beat_layout


def _rom_table(p, plane):
    return Rom(table_name(plane), p.step_width + 1, table_rows(p, plane), style="logic")


def _loadable_table(p, plane):
    return LoadableMemory(table_name(plane), p.step_width + 1, TABLE_ROWS, style="table")


#: By the kind of weight store: makes the table of a plane, spike time by the value of a pixel and
#: one bit above it for "fires".
TABLES = {"rom": _rom_table, "loadable": _loadable_table, "external": _rom_table}


class Encoder(wiring.Component):
    """Looks up the spike times of every pixel and emits the spikes of an image in order of time.

    A pixel has a spike for each plane of tables. Spikes that no neuron has a weight for are
    dropped. An event's index is its place among the beats that are left
    (`sstdp_hw.blocks.inputs.PixelInput.order`).

    Takes a beat a cycle. Double-buffered: while one image is emitted the next one loads. Every
    image ends with an event that has ``end`` set, unless it went stale before.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.hardware.AcceleratorParameters

    Members
    -------
    i : stream of `packet.beat_layout`
    o : stream of `event_layout`
    oldest : In(TAG_WIDTH)
    errors : Out(1 << TAG_WIDTH)
        For every tag in flight, whether the image's packet had the wrong length.
    load : In
        Only where weights are loaded: `load_layout`, a bit of ``writes`` for each plane's table.
    """

    def __init__(self, parameters):
        self.p = parameters
        self.event_layout = event_layout(parameters.input.index_width, parameters.step_width)
        # Seen by simulations, used by nothing else.
        self.spikes = Signal(self.event_layout, attrs=TRACED)
        self.spikes_valid = Signal(attrs=TRACED)
        super().__init__(
            {
                "i": In(
                    stream.Signature(beat_layout(8 * parameters.pixels_per_beat, parameters.beats))
                ),
                "o": Out(stream.Signature(self.event_layout)),
                "oldest": In(TAG_WIDTH),
                "errors": Out(1 << TAG_WIDTH),
                **(
                    {"load": In(load_layout(TABLE_ROWS, 1, len(parameters.network.tables)))}
                    if parameters.store.loaded
                    else {}
                ),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        live_beats = len(p.input.live_beats)
        sorters = [BucketSorter(p.input.lanes, live_beats, p.t_max) for _ in range(2)]
        for number, sorter in enumerate(sorters):
            m.submodules[f"sorter_{number}"] = sorter
        loads, emits = Signal(), Signal()  # which sorter does so next
        error = Signal(2)  # of the image in each sorter

        # The tables, a pipeline that never waits: a beat enters while the queue has room for it and
        # for those on their way.
        live = self._live()
        m.submodules.live = live
        shape = times_layout(p.input.lanes, p.step_width, live_beats)
        m.submodules.queue = queue = Queue(
            data.StructLayout({"times": shape, "error": 1}),
            depth=p.input.queue_depth, reserve=reserve(p.input.live_latency),
        )  # fmt: skip
        beat = self.i.payload
        enter = Signal()
        m.d.comb += [
            self.i.ready.eq(queue.has_room),
            enter.eq(self.i.valid & self.i.ready),
            live.addr.eq(beat.number),
        ]
        stages = [Cat(enter, beat.final, beat.error, beat.data)]
        for stage in range(live.latency):
            later = Signal(len(stages[-1]), name=f"beat_{stage + 1}")
            m.d.sync += later.eq(stages[-1])
            stages.append(later)
        valid, final, error_now = stages[-1][:3]
        found = queue.i.payload.times
        planes = len(p.network.tables)
        for lane in range(p.input.lanes):
            pixel, plane = divmod(lane, planes)
            table = TABLES[p.store.kind](p, plane)
            m.submodules[f"table_{lane}"] = table
            if p.store.loaded:
                m.d.comb += [
                    *(table.load[name].eq(self.load[name]) for name in ("word", "row", "column")),
                    table.load.writes.eq(self.load.writes[plane]),
                ]
            m.d.comb += [
                table.addr.eq(stages[live.latency - 1][3 + 8 * pixel :][:8]),
                found.times[lane].eq(table.data[:-1]),
                found.fires[lane].eq(table.data[-1] & live.data[lane]),
            ]
        # A beat without a live pixel goes no further, but for the image's last.
        number = Signal(index_width(live_beats))
        m.d.comb += [
            queue.i.valid.eq(valid & (live.data.any() | final)),
            queue.i.payload.error.eq(error_now),
            found.final.eq(final),
            found.number.eq(number),
        ]
        with m.If(queue.i.valid):
            m.d.sync += number.eq(Mux(final, 0, number + 1))

        # Loading alternates between the sorters.
        times, ready = queue.o.payload.times, queue.o.ready
        for number, sorter in enumerate(sorters):
            m.d.comb += [
                sorter.i.payload.eq(times),
                sorter.i.valid.eq(queue.o.valid & (loads == number)),
            ]
        m.d.comb += ready.eq(Mux(loads, sorters[1].i.ready, sorters[0].i.ready))
        with m.If(queue.o.valid & ready & times.final):
            m.d.sync += [
                loads.eq(~loads),
                error.bit_select(loads, 1).eq(queue.o.payload.error),
            ]

        # Emission alternates between the sorters; each image gets the next tag. A spike leaves its
        # sorter while the queue of events has room.
        stages = p.input.stages
        m.submodules.events = events = Queue(self.event_layout, reserve=reserve(stages))
        wiring.connect(m, wiring.flipped(self.o), events.o)
        tag, tag1 = Signal(TAG_WIDTH), Signal(TAG_WIDTH, reset_less=True)
        stale, ended = Signal(), Signal()
        m.d.comb += [
            stale.eq(is_stale(tag, self.oldest)),
            ended.eq(sorters[0].ended | sorters[1].ended),
        ]
        m.d.sync += tag1.eq(tag)
        with m.If(ended):
            m.d.sync += [emits.eq(~emits), tag.eq(tag + 1)]
        for number, sorter in enumerate(sorters):
            m.d.comb += [sorter.room.eq(events.has_room), sorter.drop.eq(stale)]
            m.d.comb += sorter.go.eq(
                (emits == number) & ((tag - self.oldest)[:TAG_WIDTH] < MAX_IN_FLIGHT)
            )
            with m.If(sorter.sorted & sorter.go):
                m.d.sync += self.errors.bit_select(tag, 1).eq(error[number])

        # A spike comes out of its sorter a cycle later; one chosen among several lists goes through
        # a register on its way to the queue.
        out = Signal(self.event_layout)
        valid = Signal()
        m.d.comb += [
            valid.eq(sorters[0].valid | sorters[1].valid),
            out.tag.eq(tag1),
            *(
                out[name].eq(Mux(sorters[1].valid, sorters[1].o[name], sorters[0].o[name]))
                for name, _ in sorters[0].o.shape()
            ),
            self.spikes.eq(out),
            self.spikes_valid.eq(valid),
        ]
        for stage in range(1, stages):
            later = Signal(self.event_layout, name=f"event_{stage}", reset_less=True)
            valid_later = Signal(name=f"event_valid_{stage}")
            m.d.sync += [later.eq(out), valid_later.eq(valid)]
            out, valid = later, valid_later
        m.d.comb += [events.i.payload.eq(out), events.i.valid.eq(valid)]
        return m

    def _live(self):
        """Which lanes of a beat are live, one bit each, by the number of the beat."""
        p = self.p
        rows = [sum(int(bit) << lane for lane, bit in enumerate(beat)) for beat in p.input.live]
        return Rom("encoder_live", p.input.lanes, rows, style=p.input.live_style)
