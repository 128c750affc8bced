"""Fills a memory with weights, and reads them back before anything is computed with them."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from sstdp_hw.contract.memory_image import REFUSALS, STATUS, STATUS_WIDTH

from ...gateware.parts.streams import layout_of
from ..request_receiver import WORD_BYTES, beat_layout
from .controller import request_layout
from .timing import ADDRESS_BITS, WORD_BITS


class MemoryFiller(wiring.Component):
    """Writes an image into a memory, reads all of it again, and compares its CRC-32 with the one
    that the image must have.

    From the first word of an image until one has been read back right, the memory does not hold
    what it must.

    Parameters
    ----------
    base : int
        Address of the image's first 16-bit word.
    words : int
        32-bit words of the image.
    crc : int
        CRC-32 of its bytes.

    Members
    -------
    i : stream of `beat_layout` of 4 bytes
        An image, always of ``words`` beats; the next one waits while this one is read back.
    clear : In(1)
        The line lost its place: an image that has not come to its end is given up.
    o : stream of `controller.request_layout`
    read : In(16)
    read_valid : In(1)
        See `SdramController`.
    there : Out(1)
        The whole image is in the memory, and right.
    status : Out(32)
        `sstdp_hw.contract.memory_image.STATUS`, of which a wrong CRC is the only refusal.
    """

    def __init__(self, base, words, crc):
        self.base, self.words, self.crc = base, words, crc
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(WORD_BYTES))),
                "clear": In(1),
                "o": Out(stream.Signature(request_layout())),
                "read": In(WORD_BITS),
                "read_valid": In(1),
                "there": Out(1),
                "status": Out(STATUS_WIDTH),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=WORD_BITS).create()
        place = Signal(ADDRESS_BITS, init=self.base)
        last = Signal()
        high = Signal()  # half of the word
        m.d.comb += [
            self.o.payload.address.eq(place),
            self.o.payload.word.eq(self.i.payload.data.word_select(high, WORD_BITS)),
            last.eq(place == self.base + 2 * self.words - 1),
            crc.data.eq(self.read),
            crc.valid.eq(self.read_valid),
        ]

        goes_on = Signal()
        with m.If(goes_on):
            m.d.sync += place.eq(place + 1)
            with m.If(last):
                m.d.sync += place.eq(self.base)

        status = Signal(layout_of(STATUS))
        there, refused, waits = Signal(), Signal(), Signal()
        ended = Signal(16)
        m.d.comb += [
            self.there.eq(there),
            self.status.eq(status),
            status.loaded.eq(there),
            status.loading.eq(~waits),
            status.refused.eq(refused * REFUSALS.index("crc")),
            status.ended.eq(ended),
        ]
        with m.FSM():
            with m.State("WAIT"):
                m.d.comb += waits.eq(1)
                m.d.sync += [place.eq(self.base), high.eq(0)]
                with m.If(self.i.valid):
                    m.d.sync += there.eq(0)
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += [
                    self.o.valid.eq(self.i.valid),
                    self.o.payload.writes.eq(1),
                    goes_on.eq(self.o.valid & self.o.ready),
                    self.i.ready.eq(goes_on & high),
                    crc.start.eq(1),
                ]
                with m.If(goes_on):
                    m.d.sync += high.eq(~high)
                    with m.If(last):
                        m.next = "READ"
                with m.Elif(self.clear):
                    m.next = "WAIT"
            with m.State("READ"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "TAKE"
            with m.State("TAKE"), m.If(self.read_valid):
                m.d.comb += goes_on.eq(1)
                m.next = "READ"
                with m.If(last):
                    m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.sync += [
                    there.eq(crc.crc == self.crc), refused.eq(crc.crc != self.crc),
                    ended.eq(ended + 1),
                ]  # fmt: skip
                m.next = "WAIT"
        return m
