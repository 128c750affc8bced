"""Results of the accelerator to bytes for the host."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import crc, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.contract.serial_protocol import ANSWER_START, Status


class AnswerSender(wiring.Component):
    """Makes one answer (see `protocol`) of each result word and of each error.

    An error goes before a result that waits at the same time, and so do the end of a load and the
    answer to a question. An answer that has begun is sent to its end.

    Parameters
    ----------
    inputs : int
        Bytes of an image: the word of an error.
    loads : bool
        Whether weights are loaded.

    Members
    -------
    result : stream of 32 bit
    error : stream of `Status`
    told : stream of 32 bit
        The answer to a question.
    loaded : stream of 32 bit
        Only where weights are loaded: the status of an image of the memories that has ended.
    o : stream of bytes
    """

    def __init__(self, inputs, loads=False):
        self.inputs, self.loads = inputs, loads
        super().__init__(
            {
                "result": In(stream.Signature(32)),
                "error": In(stream.Signature(Status)),
                "told": In(stream.Signature(32)),
                "o": Out(stream.Signature(8)),
                **({"loaded": In(stream.Signature(32))} if loads else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = checksum = crc.catalog.CRC16_XMODEM(data_width=8).create()
        body = Signal(8 * 5)  # status and word, next byte lowest
        left = Signal(range(5))
        m.d.comb += checksum.data.eq(body[:8])

        with m.FSM():
            with m.State("WAIT"):
                m.d.comb += [
                    self.error.ready.eq(1),
                    self.told.ready.eq(~self.error.valid),
                    self.result.ready.eq(~self.error.valid & ~self.told.valid),
                    checksum.start.eq(1),
                ]
                if self.loads:
                    m.d.comb += [
                        self.loaded.ready.eq(~self.error.valid & ~self.told.valid),
                        self.result.ready.eq(
                            ~self.error.valid & ~self.told.valid & ~self.loaded.valid
                        ),
                    ]
                m.d.sync += left.eq(4)
                with m.If(self.error.valid):
                    m.d.sync += body.eq(Cat(self.error.payload, Const(0, 8))[:8] | self.inputs << 8)
                    m.next = "START"
                with m.Elif(self.told.valid):
                    m.d.sync += body.eq(Cat(Const(Status.ANSWER, 8), self.told.payload))
                    m.next = "START"
                if self.loads:
                    with m.Elif(self.loaded.valid):
                        m.d.sync += body.eq(Cat(Const(Status.LOADED, 8), self.loaded.payload))
                        m.next = "START"
                with m.Elif(self.result.valid):
                    m.d.sync += body.eq(Cat(Const(Status.RESULT, 8), self.result.payload))
                    m.next = "START"
            with m.State("START"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(ANSWER_START)]
                with m.If(self.o.ready):
                    m.next = "BODY"
            with m.State("BODY"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(body[:8])]
                m.d.comb += checksum.valid.eq(self.o.ready)
                with m.If(self.o.ready):
                    m.d.sync += [body.eq(body >> 8), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.next = "CHECKSUM_HIGH"
            with m.State("CHECKSUM_HIGH"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(checksum.crc[8:])]
                with m.If(self.o.ready):
                    m.next = "CHECKSUM_LOW"
            with m.State("CHECKSUM_LOW"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(checksum.crc[:8])]
                with m.If(self.o.ready):
                    m.next = "WAIT"
        return m
