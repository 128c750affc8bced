"""Bucket sort of one image's spikes by time, as linked lists."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.widths import index_width

from ..parts.one_hot import all_but_lowest, one_hot_index, several
from ..parts.rom import LUT_RAM, NO_COLLISION


def times_layout(lanes, time_width, beats):
    """One beat of an image as spike times.

    Members
    -------
    times : spike time in every lane of the beat: of each of its pixels, plane by plane
    fires : one bit a lane: it is not silent
    number : which beat
    final : the last beat of the image
    """
    return data.StructLayout(
        {
            "times": data.ArrayLayout(unsigned(time_width), lanes),
            "fires": unsigned(lanes),
            "number": unsigned(index_width(beats)),
            "final": unsigned(1),
        }
    )


def spike_layout(index_bits, step_width):
    """A pixel that fires, or the end of the image: as `streams.event_layout` without the tag."""
    return data.StructLayout(
        {
            "end": unsigned(1),
            "last": unsigned(1),
            "step": unsigned(step_width),
            "index": unsigned(index_bits),
        }
    )


@dataclass(frozen=True)
class _List:
    """Signals of the list of one lane of the beat, of the present step.

    Members
    -------
    number : beat of the pixel held
    offered : it can leave: whether one follows is known
    held : a pixel is held; so it is while what is ahead is being read
    more : another is known to follow
    head : the list of ``step`` is not empty
    """

    number: Any
    offered: Any
    held: Any
    more: Any
    head: Any


class BucketSorter(wiring.Component):
    """Holds one image: takes its beats, one a cycle, then emits its spikes in order of time.

    For each lane of the beat there is a list per time step, linked through the beat numbers,
    so that all spikes of a beat are filed at once, and heads of the lists of one step are read at
    once. A list yields a spike every second cycle, two or more lists one every cycle. A step costs
    one cycle, three if it has spikes. After the last step comes the end. Then, or as soon as
    ``drop`` is high, the remaining heads are cleared, one step a cycle, before the next image is
    taken; the same happens after reset, whatever the memory held.

    Which list a spike is taken from is decided while ``room`` is high; the spike itself comes out a
    cycle later and cannot be held up, so that neither way is part of the other's cycle.

    Parameters
    ----------
    lanes, beats, t_max : int

    Members
    -------
    i : stream of `times_layout`
    o : Out
        `spike_layout`
    valid : Out(1)
        A spike, or the end, comes out in this cycle.
    room : In(1)
        What is decided now may come out.
    go : In(1)
        The image may be emitted.
    drop : In(1)
        The image being emitted is stale. May come while ``go`` is still high.
    sorted : Out(1)
        A whole image waits for ``go``.
    ended : Out(1)
        Emission ends with this cycle, by the end or by ``drop``.
    """

    def __init__(self, lanes, beats, t_max):
        self.lanes, self.beats, self.t_max = lanes, beats, t_max
        self.step_width = index_width(t_max)
        self.lane_width = (lanes - 1).bit_length()
        super().__init__(
            {
                "i": In(stream.Signature(times_layout(lanes, self.step_width, beats))),
                "o": Out(spike_layout(index_width(beats << self.lane_width), self.step_width)),
                "valid": Out(1),
                "room": In(1),
                "go": In(1),
                "drop": In(1),
                "sorted": Out(1),
                "ended": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        step = Signal(self.step_width)
        last_step = Signal()
        m.d.comb += last_step.eq(step == self.t_max - 1)

        # An image is being taken. Beside the state, because its way through the heads is long.
        loads = Signal()
        clear = Signal()  # the heads of `step` become empty
        fetch = Signal()  # the heads of `step` become the present pixels
        take = Signal(self.lanes)  # the present pixel of this list leaves
        lists = [
            self._list(m, lane, step, loads, clear, fetch, take[lane]) for lane in range(self.lanes)
        ]
        offered = Cat(entry.offered for entry in lists)
        held = Cat(entry.held for entry in lists)
        any_head = Cat(entry.head for entry in lists).any()
        # With the next pixel the step ends: no other is held, and none is to follow.
        single = ~several(held) & ~Cat(entry.more for entry in lists).any()
        chosen = offered & ~all_but_lowest(offered)

        leaves, ends = Signal(), Signal()
        with m.FSM(init="CLEAR"):
            with m.State("CLEAR"):
                m.d.comb += clear.eq(1)
                m.d.sync += step.eq(Mux(last_step, 0, step + 1))
                with m.If(last_step):
                    m.d.sync += loads.eq(1)
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid & self.i.payload.final):
                    m.d.sync += loads.eq(0)
                    m.next = "SORTED"
            with m.State("SORTED"):
                m.d.comb += self.sorted.eq(1)
                with m.If(self.go):
                    m.next = "STEP"
            with m.State("STEP"):
                m.d.comb += [fetch.eq(1), clear.eq(1), self.ended.eq(self.drop)]
                with m.If(any_head):
                    m.next = "EMIT"
                with m.Elif(last_step):
                    m.next = "END"
                with m.Else():
                    m.d.sync += step.eq(step + 1)
                with m.If(self.drop):
                    m.next = "CLEAR"
            with m.State("EMIT"):
                m.d.comb += self.ended.eq(self.drop)
                with m.If(self.room):
                    m.d.comb += [take.eq(chosen), leaves.eq(offered.any())]
                with m.If(leaves & single):
                    with m.If(last_step):
                        m.next = "END"
                    with m.Else():
                        m.d.sync += step.eq(step + 1)
                        m.next = "STEP"
                with m.If(self.drop):
                    m.next = "CLEAR"
            with m.State("END"):
                m.d.comb += [
                    leaves.eq(self.room),
                    ends.eq(1),
                    self.ended.eq(self.room | self.drop),
                ]
                with m.If(self.ended):
                    m.d.sync += [step.eq(0), loads.eq(1)]
                    m.next = "LOAD"

        # The spike, from copies of all that it may be.
        out = self.o
        chosen1 = Signal(self.lanes, reset_less=True)
        numbers = [
            Signal.like(entry.number, name=f"number1_{lane}", reset_less=True)
            for lane, entry in enumerate(lists)
        ]
        m.d.sync += [
            self.valid.eq(leaves & ~self.drop),
            out.end.eq(ends),
            out.last.eq(single & ~ends),
            out.step.eq(step),
            chosen1.eq(chosen),
            *(number.eq(entry.number) for number, entry in zip(numbers, lists, strict=True)),
        ]
        number = 0
        for lane, entry_number in enumerate(numbers):
            number |= Mux(chosen1[lane], entry_number, 0)
        m.d.comb += out.index.eq(Cat(one_hot_index(chosen1, self.lane_width), number))
        return m

    def _list(self, m, lane, step, loads, clear, fetch, take):
        """The lists of one lane of the beat.

        The output of the memory of links is slow, so that nothing but registers follows it: the
        pixel `ahead` is known before the one `held` is offered.
        """
        beat = self.i.payload
        number_width = index_width(self.beats)
        link = data.StructLayout({"number": unsigned(number_width), "valid": unsigned(1)})
        heads = memory.Memory(shape=link, depth=max(2, self.t_max), init=[],
                              attrs=LUT_RAM)  # fmt: skip
        links = memory.Memory(shape=link, depth=max(2, self.beats), init=[], attrs=NO_COLLISION)
        m.submodules[f"heads_{lane}"], m.submodules[f"links_{lane}"] = heads, links
        head_read, head_write = heads.read_port(domain="comb"), heads.write_port()
        link_write, link_read = links.write_port(), links.read_port()

        file = Signal(name=f"file_{lane}")
        # Whether a beat is there does not matter to the address: it would only make its way longer.
        bucket = Mux(loads, beat.times[lane], step)
        m.d.comb += [
            file.eq(loads & self.i.valid & beat.fires[lane]),
            head_read.addr.eq(bucket),
            head_write.addr.eq(bucket),
            head_write.en.eq(file | clear),
            head_write.data.number.eq(beat.number),
            head_write.data.valid.eq(file),
        ]
        # Written a cycle later, so that the heads' output has that cycle to get here.
        m.d.sync += [
            link_write.addr.eq(beat.number),
            link_write.en.eq(file),
            link_write.data.eq(head_read.data),
        ]
        # A list is empty, or its pixel waits for what is ahead, or it is offered.
        number = Signal(number_width, name=f"number_{lane}", reset_less=True)
        reading = Signal(name=f"reading_{lane}")
        offered = Signal(name=f"offered_{lane}")
        # What is ahead comes from the heads first, then from the links; each has a register of its
        # own, because the links' output has no time for a multiplexer before it. That of the links
        # has no reset, as the block RAM's own register has none.
        linked = Signal(link, name=f"linked_{lane}", reset_less=True)
        first = Signal(link, name=f"first_{lane}")
        at_head = Signal(name=f"at_head_{lane}", init=1)
        ahead = Signal(link, name=f"ahead_{lane}")
        m.d.comb += [ahead.eq(Mux(at_head, first, linked)), link_read.addr.eq(ahead.number)]
        with m.If(reading):
            m.d.sync += [linked.eq(link_read.data), at_head.eq(0), reading.eq(0), offered.eq(1)]
        with m.Elif(take | ~offered):
            m.d.sync += [number.eq(ahead.number), reading.eq(ahead.valid), offered.eq(0)]
        with m.If(fetch):
            m.d.sync += [first.eq(head_read.data), at_head.eq(1), reading.eq(0), offered.eq(0)]
        return _List(
            number=number,
            offered=offered,
            held=reading | offered,
            more=ahead.valid,
            head=head_read.data.valid,
        )
