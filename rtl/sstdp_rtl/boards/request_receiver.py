"""Bytes of the host to beats of the accelerator, whatever is in them."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import crc, data, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.contract.serial_protocol import LENGTH_BYTES, MEMORIES_START, QUESTION_START, Status

#: Bytes of a word of an image of the memories.
WORD_BYTES = 4


def beat_layout(beat_bytes):
    """One beat of AXI4-Stream: ``data``, first byte lowest, and ``last``."""
    return data.StructLayout({"data": unsigned(8 * beat_bytes), "last": unsigned(1)})


class RequestReceiver(wiring.Component):
    """Takes requests apart (see `protocol`) and hands their contents on.

    Beats are handed on as they come, except for the last one, which waits for the checksum: a
    packet is complete for the accelerator only if it was received whole. At any error the
    accelerator is held in reset, bytes are thrown away until none came for ``quiet`` cycles, and
    the error is reported; so a quiet line leads back to the same state, whatever went before.

    Parameters
    ----------
    beat_bytes : int
        Bytes of one beat; the last beat is filled up with zeros.
    quiet : int
        Cycles without a byte that count as a quiet line, at least 1.
    memory_bytes : int
        Bytes of an image of the memories; 0 if weights are constants.

    Members
    -------
    i : stream of bytes
    o : stream of `beat_layout`
    memories : stream of `beat_layout` of 4 bytes
        Only where weights are loaded: words of images of the memories, by the same rules.
    question : stream of 24 bit
        The number of each question that was received whole.
    error : stream of `Status`
        One item per error.
    clear : Out
        Set while the accelerator must be held in reset; for ``quiet`` cycles at least.

    Attributes
    ----------
    start : int
        The byte that begins a request; of the subclass.
    """

    def __init__(self, beat_bytes, quiet, memory_bytes=0):
        self.beat_bytes, self.quiet, self.memory_bytes = beat_bytes, quiet, memory_bytes
        loads = {"memories": Out(stream.Signature(beat_layout(WORD_BYTES)))} if memory_bytes else {}
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(beat_layout(beat_bytes))),
                "question": Out(stream.Signature(8 * LENGTH_BYTES)),
                "error": Out(stream.Signature(Status)),
                "clear": Out(1),
                **loads,
            }
        )

    def left(self):
        """A signal for the bytes of the request's contents after the next one."""
        raise NotImplementedError

    def begin(self, m, left):
        """What is set before a request."""

    def read_length(self, m, left, field, arrived):
        """Take byte number ``field`` of the length of the request that `start` begins, when it has
        ``arrived``; a value that tells whether it is a wrong one."""
        raise NotImplementedError

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = checksum = crc.catalog.CRC16_XMODEM(data_width=8).create()
        arrived = Signal()
        m.d.comb += [arrived.eq(self.i.valid & self.i.ready), checksum.data.eq(self.i.payload)]

        # Cycles since the last byte, or since an error.
        silence = Signal(range(self.quiet + 1))
        silent = Signal()
        m.d.comb += silent.eq(silence == self.quiet)
        with m.If(arrived):
            m.d.sync += silence.eq(0)
        with m.Elif(~silent):
            m.d.sync += silence.eq(silence + 1)

        loads, size = bool(self.memory_bytes), self.beat_bytes
        beat = Signal(8 * max(size, WORD_BYTES * loads))
        lane = Signal(range(max(size, WORD_BYTES * loads)))
        left = self.left()
        field = Signal(range(LENGTH_BYTES))  # byte within the length or the checksum
        wrong = Signal()  # some byte of the length was
        status = Signal(Status)
        m.d.comb += [self.o.p.data.eq(beat), self.error.payload.eq(status)]
        asks = Signal()  # the request is a question
        number = Signal(8 * LENGTH_BYTES)
        m.d.comb += self.question.payload.eq(number)
        # Which of the two the request is for, and where its beats go.
        last_lane, out_ready = size - 1, self.o.ready
        if loads:
            memories, offer, offer_last = Signal(), Signal(), Signal()
            memory_length = Const(self.memory_bytes, 8 * LENGTH_BYTES)
            last_lane = Mux(memories, WORD_BYTES - 1, size - 1)
            out_ready = Mux(memories, self.memories.ready, self.o.ready)
            m.d.comb += [
                self.o.valid.eq(offer & ~memories),
                self.o.p.last.eq(offer_last),
                self.memories.valid.eq(offer & memories),
                self.memories.p.last.eq(offer_last),
                self.memories.p.data.eq(beat),
            ]

        def offers(last=False):
            """The beat is offered, perhaps as the last one."""
            if loads:
                return [offer.eq(1), offer_last.eq(last)]
            return [self.o.valid.eq(1), *([self.o.p.last.eq(1)] if last else [])]

        def fail(reason):
            m.d.sync += [status.eq(reason), silence.eq(0)]
            m.next = "FLUSH"

        with m.FSM():
            with m.State("SEEK"):
                m.d.comb += [self.i.ready.eq(1), checksum.start.eq(1)]
                m.d.sync += [field.eq(0), wrong.eq(0)]
                self.begin(m, left)
                m.d.sync += [lane.eq(0), beat.eq(0)]
                m.d.sync += asks.eq(self.i.payload == QUESTION_START)
                unknown = (self.i.payload != self.start) & (self.i.payload != QUESTION_START)
                if loads:
                    m.d.sync += memories.eq(self.i.payload == MEMORIES_START)
                    with m.If(self.i.payload == MEMORIES_START):
                        m.d.sync += left.eq(self.memory_bytes - 1)
                    unknown &= self.i.payload != MEMORIES_START
                with m.If(arrived):
                    m.next = "LENGTH"
                    # Perhaps a request without its start byte: had it no answer at all, a host that
                    # sends ahead would take the answer to the next image for this one's.
                    with m.If(unknown):
                        fail(Status.NOISE)

            with m.State("LENGTH"):
                m.d.comb += [self.i.ready.eq(1), checksum.valid.eq(arrived)]
                differs, counted = Signal(), arrived
                if loads:
                    counted = arrived & ~memories
                another = self.read_length(m, left, field, counted)
                if loads:
                    byte = memory_length.word_select(field, 8)
                    another = Mux(memories, self.i.payload != byte, another)
                m.d.comb += differs.eq(another)
                with m.If(arrived):
                    m.d.sync += [field.eq(field + 1), wrong.eq(wrong | differs)]
                    m.d.sync += number.eq(Cat(number[8:], self.i.payload))
                    with m.If(field == LENGTH_BYTES - 1):
                        m.d.sync += field.eq(0)
                        m.next = "IMAGE"
                        with m.If(asks):
                            m.next = "CHECKSUM"
                        with m.Elif(wrong | differs):
                            fail(Status.LENGTH)
                with m.Elif(silent):
                    fail(Status.INCOMPLETE)

            with m.State("IMAGE"):
                m.d.comb += [self.i.ready.eq(1), checksum.valid.eq(arrived)]
                with m.If(arrived):
                    m.d.sync += beat.word_select(lane, 8).eq(self.i.payload)
                    m.d.sync += [lane.eq(lane + 1), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.next = "CHECKSUM"
                    with m.Elif(lane == last_lane):
                        m.d.sync += lane.eq(0)
                        m.next = "SEND"
                with m.Elif(silent):
                    fail(Status.INCOMPLETE)

            with m.State("SEND"):
                m.d.comb += offers()
                with m.If(out_ready):
                    m.d.sync += beat.eq(0)
                    m.next = "IMAGE"

            with m.State("CHECKSUM"):
                m.d.comb += [self.i.ready.eq(1), checksum.valid.eq(arrived)]
                with m.If(arrived):
                    m.d.sync += field.eq(field + 1)
                    with m.If(field == 1):
                        m.next = "JUDGE"
                with m.Elif(silent):
                    fail(Status.INCOMPLETE)

            with m.State("JUDGE"):  # the checksum's register holds the last byte only now
                m.next = "SEND_LAST"
                with m.If(asks):
                    m.next = "ASK"
                with m.If(~checksum.match_detected):
                    fail(Status.CHECKSUM)

            with m.State("SEND_LAST"):
                m.d.comb += offers(last=True)
                with m.If(out_ready):
                    m.next = "SEEK"

            with m.State("ASK"):
                m.d.comb += self.question.valid.eq(1)
                with m.If(self.question.ready):
                    m.next = "SEEK"

            with m.State("FLUSH"):
                m.d.comb += [self.i.ready.eq(1), self.clear.eq(1)]
                with m.If(~arrived & silent):
                    m.next = "REPORT"

            with m.State("REPORT"):
                m.d.comb += [self.error.valid.eq(1), self.clear.eq(1)]
                with m.If(self.error.ready):
                    m.next = "SEEK"
        return m
