"""The pins of an SDRAM."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out

from .controller import chip_layout
from .timing import WORD_BITS


class SdramPins(wiring.Component):
    """Registers at the pins, and the chip's clock.

    The chip's clock is the inverse of ours: what goes out at our rising edge is at the chip for
    half a cycle before its edge and for half a cycle after it. What the chip gives at one of its
    edges is taken at the next one, our falling edge; on the way there and back the FPGA's pads only
    add to the time that it stays.

    Parameters
    ----------
    ports : object
        ``clk``, ``clk_en``, ``cs``, ``ras``, ``cas``, ``we``, ``ba``, ``a``, ``dqm`` and ``dq``: of
        amaranth-boards' ``SDRAMResource``.

    Members
    -------
    chip : In
        `controller.chip_layout`; at the pins a cycle later.
    word : Out(16)
        What came in.
    """

    def __init__(self, ports):
        self.ports = ports
        super().__init__({"chip": In(chip_layout()), "word": Out(WORD_BITS)})

    def elaborate(self, platform):
        m = Module()
        p, chip = self.ports, self.chip
        m.submodules.clock = clock = io.DDRBuffer("o", p.clk)
        m.d.comb += [clock.o[0].eq(0), clock.o[1].eq(1)]
        ras, cas, we = chip.command.as_value()
        for name, value in {
            "clk_en": Const(1), "cs": Const(1), "ras": ras, "cas": cas, "we": we, "ba": chip.bank,
            "a": chip.address, "dqm": Cat(chip.mask, chip.mask),
        }.items():  # fmt: skip
            m.submodules[name] = buffer = io.FFBuffer("o", getattr(p, name))
            m.d.comb += buffer.o.eq(value)

        # No registers within the pads: those have the rising edge only.
        m.domains.fall = ClockDomain(clk_edge="neg", reset_less=True, local=True)
        m.d.comb += ClockSignal("fall").eq(ClockSignal())
        m.submodules.dq = dq = io.Buffer("io", p.dq)
        word, drives, taken = Signal(WORD_BITS), Signal(), Signal(WORD_BITS)
        m.d.sync += [word.eq(chip.word), drives.eq(chip.drives), self.word.eq(taken)]
        m.d.fall += taken.eq(dq.i)
        m.d.comb += [dq.o.eq(word), dq.oe.eq(drives)]
        return m
