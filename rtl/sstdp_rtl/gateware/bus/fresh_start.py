"""A reset for an accelerator that reads a memory: AXI has no way to give anything up."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.axi_read import ADDRESS_WIDTH


class FreshStart(wiring.Component):
    """Resets the accelerator, and lets it go when its memory owes nothing.

    An address that was offered may not be withdrawn, and a burst that was asked for comes to its
    last beat. So after ``begins`` the accelerator stays what it is, cut off from its streams, until
    it offers no address; then it is in reset, and its beats are taken here, until all have come. A
    memory that never gives them keeps it there. From power-up until the first ``begins`` it is in
    reset, too, so that nothing is fetched before somebody has said where from.

    Beats are counted and not the ends of bursts: a memory whose `rlast` stands elsewhere than it
    should is awaited all the same.

    Parameters
    ----------
    bus : sstdp_hw.blocks.axi_read.AxiReadParameters

    Members
    -------
    begins : In(1)
        For a cycle; it may come again at any time.
    base : In(32)
        Where the weights begin; taken with ``begins``.
    told : Out(32)
        The base that was taken last: what the accelerator's port is told.
    resets : Out(1)
        The accelerator is in reset.
    holds : Out(1)
        Nothing may go to the accelerator.
    stopped, owed : Out(1)
        Why it is so: there was no ``begins`` yet; one waits for the memory.
    arvalid, arready, arlen, rvalid, rready : In
        Of the memory's bus; ``rready`` is the accelerator's.
    takes : Out(1)
        Beats are taken, whatever the accelerator says.
    """

    def __init__(self, bus):
        self.bus = bus
        super().__init__(
            {
                "begins": In(1), "base": In(ADDRESS_WIDTH), "told": Out(ADDRESS_WIDTH),
                "resets": Out(1), "holds": Out(1), "stopped": Out(1), "owed": Out(1),
                "arvalid": In(1), "arready": In(1), "arlen": In(8), "rvalid": In(1),
                "rready": In(1), "takes": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        owes = Signal(range(self.bus.outstanding * self.bus.longest + 1))  # beats
        asked, came = self.arvalid & self.arready, self.rvalid & (self.rready | self.takes)
        m.d.sync += owes.eq(owes + Mux(asked, self.arlen + 1, 0) - (came & (owes != 0)))
        with m.If(self.begins):
            m.d.sync += self.told.eq(self.base)

        m.d.comb += self.holds.eq(1)
        with m.FSM():
            with m.State("STOPPED"):
                m.d.comb += [self.resets.eq(1), self.stopped.eq(1)]
                with m.If(self.begins):
                    m.next = "DRAIN"
            with m.State("RUN"):
                m.d.comb += self.holds.eq(0)
                with m.If(self.begins):
                    m.next = "CUT"
            with m.State("CUT"):
                # There is a cycle without an address soon, as only so many bursts may be on their
                # way; the reset falls into it, before the next one is offered.
                m.d.comb += [self.owed.eq(1), self.resets.eq(~self.arvalid)]
                with m.If(~self.arvalid):
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                # At least one cycle of it, in which the accelerator takes what it is told.
                m.d.comb += [self.owed.eq(1), self.resets.eq(1), self.takes.eq(1)]
                with m.If((owes == 0) & ~self.begins):
                    m.next = "RUN"
        return m
