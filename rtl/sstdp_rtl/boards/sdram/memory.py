"""The external memory of a board: SDRAM, controller, and what fills it."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from sstdp_hw.contract.memory_image import STATUS_WIDTH

from ...gateware.external.reader import axi_members
from ..request_receiver import WORD_BYTES, beat_layout
from .controller import SdramController, chip_layout
from .filler import MemoryFiller
from .timing import WORD_BITS


class BoardMemory(wiring.Component):
    """Holds the accelerator's weights behind its bus.

    Parameters
    ----------
    parameters : parameters.MemoryParameters

    Members
    -------
    chip : Out
    word : In
        See `SdramController`.
    ar*, r* : `reader.axi_members`, of a slave
    reset : In(1)
        The accelerator is in reset.
    i : stream of `beat_layout` of 4 bytes
    clear : In(1)
    there : Out(1)
    status : Out(32)
        See `MemoryFiller`.
    """

    def __init__(self, parameters):
        self.p = parameters
        super().__init__(
            {
                "chip": Out(chip_layout()),
                "word": In(WORD_BITS),
                **{name: member.flip() for name, member in axi_members(parameters.bus).items()},
                "reset": In(1),
                "i": In(stream.Signature(beat_layout(WORD_BYTES))),
                "clear": In(1),
                "there": Out(1),
                "status": Out(STATUS_WIDTH),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.controller = controller = SdramController(p.cycles, p.bus)
        m.submodules.filler = filler = MemoryFiller(p.base // 2, p.size // 4, p.crc)
        connect(m, filler.o, controller.host)
        connect(m, flipped(self.i), filler.i)
        m.d.comb += [
            self.chip.eq(controller.chip),
            controller.word.eq(self.word),
            controller.clear.eq(self.reset),
            filler.read.eq(controller.read),
            filler.read_valid.eq(controller.read_valid),
            filler.clear.eq(self.clear),
            self.there.eq(filler.there),
            self.status.eq(filler.status),
        ]
        for name, flow in axi_members(p.bus).items():
            here, inner = getattr(self, name), getattr(controller, name)
            m.d.comb += inner.eq(here) if flow.flow is Out else here.eq(inner)
        return m
