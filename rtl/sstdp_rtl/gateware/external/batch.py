"""Which image of a batch is computed, and which is next."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.widths import index_width


class Batch(wiring.Component):
    """Runs every pass for all images of a batch, in order, before the next pass.

    A batch is what is there: it begins with the image that is whole first, and when an image has
    been through the first pass, the next one joins if it is whole by then and there is a place for
    it; else the batch is closed. So nobody waits for an image that does not come.

    Images are counted, modulo twice as many as there can be at a time.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.sequential.tiled.TiledEngineParameters
        With a batch of several images.

    Members
    -------
    arrived : In
        Images that are whole, since the reset.
    first_pass, last_pass : In(1)
        The present pass.
    ends : In(1)
        It has ended for the present image.
    again : Out(1)
        With ``ends``: it is run for the next image of the batch.
    number, after : Out
        The present image, also one that has not come; with ``ends``, the next one.
    first : Out
        The first image of its batch: those before it have been answered.
    """

    def __init__(self, parameters):
        self.p = parameters
        count = index_width(2 * parameters.image_places)
        super().__init__(
            {
                "arrived": In(count),
                "first_pass": In(1),
                "last_pass": In(1),
                "ends": In(1),
                "again": Out(1),
                "number": Out(count),
                "after": Out(count),
                "first": Out(count),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p, number, first = self.p, self.number, self.first
        last = Signal.like(number)  # of the batch, once it is closed
        behind, within = Signal.like(number), Signal(p.image_bits)
        joins = Signal()
        m.d.comb += [
            behind.eq(number + 1),
            within.eq(number - first),
            joins.eq((self.arrived != behind) & (within != p.batch - 1)),
            self.again.eq(Mux(self.first_pass, joins, number != last)),
            self.after.eq(Mux(self.again | self.last_pass, behind, first)),
        ]
        with m.If(self.ends):
            m.d.sync += number.eq(self.after)
            with m.If(self.first_pass):
                m.d.sync += last.eq(number)
            with m.If(self.last_pass & ~self.again):
                m.d.sync += first.eq(behind)
        return m
