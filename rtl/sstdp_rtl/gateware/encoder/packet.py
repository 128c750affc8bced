"""The input stream's packets, with their length checked."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.widths import index_width


def axis_layout(width):
    """One beat of an AXI4-Stream: ``data`` and ``last``."""
    return data.StructLayout({"data": unsigned(width), "last": unsigned(1)})


def beat_layout(width, beats):
    """One beat of an image.

    Members
    -------
    data : the pixels
    number : which beat of the image
    final : the image ends here, whether or not all its beats came
    error : the packet has the wrong length (valid with ``final``)
    """
    return data.StructLayout(
        {
            "data": unsigned(width),
            "number": unsigned(index_width(beats)),
            "final": unsigned(1),
            "error": unsigned(1),
        }
    )


class PacketReader(wiring.Component):
    """Counts the beats of each packet and makes exactly one image of it.

    A packet that ends early makes an image whose missing pixels never fire; of one that goes on
    beyond the last beat the rest is thrown away up to its ``last``. Both are marked ``error``.

    Parameters
    ----------
    width : int
        Bits of a beat.
    beats : int
        Beats of an image.

    Members
    -------
    i : stream of `axis_layout`
    o : stream of `beat_layout`
    """

    def __init__(self, width, beats):
        self.beats = beats
        super().__init__(
            {
                "i": In(stream.Signature(axis_layout(width))),
                "o": Out(stream.Signature(beat_layout(width, beats))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        beat, out = self.i.payload, self.o.payload
        number = Signal(index_width(self.beats))
        full = Signal()
        m.d.comb += [
            full.eq(number == self.beats - 1),
            out.data.eq(beat.data),
            out.number.eq(number),
            out.final.eq(full | beat.last),
            out.error.eq(full ^ beat.last),
        ]
        with m.FSM():
            with m.State("READ"):
                m.d.comb += [self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready)]
                with m.If(self.i.valid & self.o.ready):
                    m.d.sync += number.eq(number + 1)
                    with m.If(out.final):
                        m.d.sync += number.eq(0)
                        with m.If(~beat.last):
                            m.next = "DISCARD"
            with m.State("DISCARD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid & beat.last):
                    m.next = "READ"
        return m
