"""The clock and the reset of a board's design."""

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Elaboratable,
    Instance,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

# Cycles of reset after the clock is stable; enough for any depth of synchronizer behind it, and
# at the 12 MHz of iCE40 boards for block RAM, which reads as 0 in the first microseconds there.
_RESET_CYCLES = 255


class ClockSource(Elaboratable):
    """Drives the domain ``sync`` from the board's clock, directly or through a PLL.

    ``sync`` is in reset from configuration until the clock has been stable for 255 cycles.

    Parameters
    ----------
    pll : Pll or None
        None takes the board's clock as it is.
    global_reset : bool
        Whether the FPGA has ECP5's SGSR.
    """

    def __init__(self, pll, global_reset):
        self.pll, self.global_reset = pll, global_reset

    def elaborate(self, platform):
        m = Module()
        m.submodules.pin = pin = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
        clock, locked = Signal(), Signal()
        if self.pll is None:
            m.d.comb += [clock.eq(pin.i), locked.eq(1)]
        else:
            m.submodules.pll = self._pll(pin.i, clock, locked)

        # The end of configuration releases the registers at any moment of the clock, some a cycle
        # before others. The global reset, released with the clock, holds them until it is over (as
        # in Amaranth's own clock of this family); the counter then starts from a known state.
        # Without a global reset the counter may lose or gain a cycle at its start, which is why
        # only registers behind it, and none before, rely on the reset.
        if self.global_reset:
            held, released = Signal(), Signal()
            common = {"p_GSR": "DISABLED", "i_CK": clock}
            m.submodules.held = Instance("FD1S3AX", i_D=locked, o_Q=held, **common)
            m.submodules.released = Instance("FD1S3AX", i_D=held, o_Q=released, **common)
            m.submodules.global_reset = Instance("SGSR", i_CLK=clock, i_GSR=released)

        m.domains.boot = ClockDomain(reset_less=True)
        m.d.comb += [ClockSignal("boot").eq(clock), ClockSignal("sync").eq(clock)]
        stable = Signal()
        m.submodules.stable = FFSynchronizer(locked, stable, o_domain="boot")
        waited = Signal(range(_RESET_CYCLES + 1))
        running = Signal()
        m.d.comb += ResetSignal("sync").eq(~running)
        m.d.boot += running.eq(waited == _RESET_CYCLES)
        with m.If(~stable):
            m.d.boot += waited.eq(0)
        with m.Elif(waited != _RESET_CYCLES):
            m.d.boot += waited.eq(waited + 1)
        return m

    def _pll(self, board_clock, clock, locked):
        pll = self.pll
        loop = Signal()
        return Instance(
            "EHXPLLL",
            # Analog settings that Project Trellis uses for all frequencies (ecppll).
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            a_FREQUENCY_PIN_CLKI=f"{pll.input_mhz:g}",
            a_FREQUENCY_PIN_CLKOS=f"{pll.output_mhz:g}",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC",
            p_OUTDIVIDER_MUXD="DIVD",
            p_CLKI_DIV=pll.reference,
            p_CLKFB_DIV=pll.feedback,
            p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=pll.primary,
            p_CLKOP_CPHASE=pll.primary // 2,
            p_CLKOP_FPHASE=0,
            p_CLKOS_ENABLE="ENABLED",
            p_CLKOS_DIV=pll.secondary,
            p_CLKOS_CPHASE=0,
            p_CLKOS_FPHASE=0,
            i_RST=0,
            i_STDBY=0,
            i_CLKI=board_clock,
            i_CLKFB=loop,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=1,
            i_PHASESTEP=1,
            i_PHASELOADREG=1,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=0,
            o_CLKOP=loop,
            o_CLKOS=clock,
            o_LOCK=locked,
        )
