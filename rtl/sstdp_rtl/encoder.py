"""The encoder: pixels in, spike events in order of time out."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.hardware import index_width

from .bucket import BucketSorter, times_layout
from .packet import beat_layout
from .rom import Rom
from .streams import MAX_IN_FLIGHT, TAG_WIDTH, TRACED, event_layout, is_stale


class Encoder(wiring.Component):
    """Looks up the spike time of every pixel and emits the spikes of an image in order of time.

    Pixels that no neuron has a weight for are dropped. An event's index is the pixel's place among
    the beats that are left (`AcceleratorParameters.pixel_order`).

    Takes a beat a cycle. Double-buffered: while one image is emitted the next one loads. Every
    image ends with an event that has ``end`` set, unless it went stale before.

    Parameters
    ----------
    parameters : sstdp_hw.hardware.AcceleratorParameters

    Members
    -------
    i : stream of `packet.beat_layout`
    o : stream of `event_layout`
    oldest : In(TAG_WIDTH)
    errors : Out(1 << TAG_WIDTH)
        For every tag in flight, whether the image's packet had the wrong length.
    """

    def __init__(self, parameters):
        self.p = parameters
        self.event_layout = event_layout(
            index_width(len(parameters.pixel_order)), parameters.step_width
        )
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
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        live_beats = len(p.live_beats)
        sorters = [BucketSorter(p.pixels_per_beat, live_beats, p.t_max) for _ in range(2)]
        for number, sorter in enumerate(sorters):
            m.submodules[f"sorter_{number}"] = sorter
        loads, emits = Signal(), Signal()  # which sorter does so next
        error = Signal(2)  # of the image in each sorter

        # Stage 1: the pixels' spike times are there. Row = time, and one bit for "fires".
        rows = [
            (int(time) | 1 << p.step_width) if time < p.t_max else 0 for time in p.network.encoder
        ]
        beat = self.i.payload
        valid1 = Signal()
        beat1 = Signal(beat.shape(), reset_less=True)
        ready1 = Signal()
        m.d.comb += self.i.ready.eq(ready1 | ~valid1)
        advance = Signal()
        m.d.comb += advance.eq(self.i.ready)
        with m.If(advance):
            m.d.sync += [valid1.eq(self.i.valid), beat1.eq(beat)]
        live1 = self._live(m, Mux(advance, beat.number, beat1.number))
        taken = Signal()  # by a sorter; a beat without a live pixel goes to none, but for the last
        number1 = Signal(index_width(live_beats))
        with m.If(taken):
            m.d.sync += number1.eq(Mux(beat1.final, 0, number1 + 1))
        times = Signal(times_layout(p.pixels_per_beat, p.step_width, live_beats))
        m.d.comb += [times.number.eq(number1), times.final.eq(beat1.final)]
        for lane in range(p.pixels_per_beat):
            rom = Rom("encoder_table", p.step_width + 1, rows, style="logic")
            m.submodules[f"table_{lane}"] = rom
            # A beat that waits looks up its pixels again, so that the memory needs no enable.
            pixel, pixel1 = (b.data[8 * lane : 8 * lane + 8] for b in (beat, beat1))
            m.d.comb += [
                rom.addr.eq(Mux(advance, pixel, pixel1)),
                times.times[lane].eq(rom.data[:-1]),
                times.fires[lane].eq(rom.data[-1] & live1[lane]),
            ]
        sent1 = valid1 & (live1.any() | beat1.final)
        for number, sorter in enumerate(sorters):
            m.d.comb += [
                sorter.i.payload.eq(times),
                sorter.i.valid.eq(sent1 & (loads == number)),
            ]
        m.d.comb += [
            ready1.eq(~sent1 | Mux(loads, sorters[1].i.ready, sorters[0].i.ready)),
            taken.eq(sent1 & ready1),
        ]
        with m.If(taken & beat1.final):
            m.d.sync += [loads.eq(~loads), error.bit_select(loads, 1).eq(beat1.error)]

        # Emission alternates between the sorters; each image gets the next tag.
        tag = Signal(TAG_WIDTH)
        stale = Signal()
        out = self.o.payload
        m.d.comb += stale.eq(is_stale(tag, self.oldest))
        ended = Signal()
        with m.Switch(emits):
            for number, sorter in enumerate(sorters):
                with m.Case(number):
                    m.d.comb += [
                        self.o.valid.eq(sorter.o.valid & ~stale),
                        sorter.o.ready.eq(self.o.ready),
                        out.end.eq(sorter.o.payload.end),
                        out.last.eq(sorter.o.payload.last),
                        out.step.eq(sorter.o.payload.step),
                        out.index.eq(sorter.o.payload.index),
                        out.tag.eq(tag),
                        sorter.go.eq((tag - self.oldest)[:TAG_WIDTH] < MAX_IN_FLIGHT),
                        sorter.drop.eq(stale),
                        ended.eq(
                            sorter.emitting & (stale | (sorter.o.valid & self.o.ready & out.end))
                        ),
                    ]
                    with m.If(sorter.sorted & sorter.go):
                        m.d.sync += self.errors.bit_select(tag, 1).eq(error[number])
        m.d.comb += [self.spikes.eq(out), self.spikes_valid.eq(self.o.valid & self.o.ready)]
        with m.If(ended):
            m.d.sync += [emits.eq(~emits), tag.eq(tag + 1)]
        return m

    def _live(self, m, number):
        """Which pixels of the beat ``number`` of the cycle before are live, one bit each."""
        p = self.p
        rows = [sum(int(bit) << lane for lane, bit in enumerate(beat)) for beat in p.live]
        m.submodules.live = rom = Rom("encoder_live", p.pixels_per_beat, rows, style="logic")
        m.d.comb += rom.addr.eq(number)
        return rom.data
