"""Between the bytes of the serial port and the streams of the accelerator."""

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from sstdp_hw.contract.board_identity import MEMORY_STATUS, WORDS
from sstdp_hw.contract.event_packets import EVENT_BYTES
from sstdp_hw.contract.serial_protocol import ECHO

from .answer_sender import AnswerSender
from .event_receiver import EventReceiver
from .image_receiver import ImageReceiver
from .load_reporter import LoadReporter
from .request_receiver import WORD_BYTES, beat_layout

# Bytes held while the accelerator stalls. A serial line has no backpressure: what comes on top is
# lost, and found by the checksum.
QUEUE_BYTES = 64

#: By the kind of the accelerator's input: bytes of a beat, and what receives requests; from
#: `Bridge`'s ``inputs``, ``pixels_per_beat`` and ``quiet``.
RECEIVERS = {
    "pixels": (lambda pixels_per_beat: pixels_per_beat, ImageReceiver),
    "spikes": (
        lambda _: EVENT_BYTES,
        lambda _inputs, _pixels, quiet, memory_bytes: EventReceiver(quiet, memory_bytes),
    ),
}


class Bridge(wiring.Component):
    """Receives images or events, sends answers; composes and computes nothing.

    Parameters
    ----------
    inputs, pixels_per_beat, quiet : int
        See `ImageReceiver`; with events, ``inputs`` is what errors tell.
    input_kind : str
        A key of `RECEIVERS`.
    memory_bytes : int
        Bytes of an image of the accelerator's memories; 0 if its weights are constants.
    identity : sequence of int
        The words that questions are answered with, see `sstdp_hw.contract.board_identity`.
    keeps : bool
        Whether a question is answered with ``status``: what is loaded can only be the one image.

    Members
    -------
    rx : stream of bytes, always ready
        From the host.
    tx : stream of bytes
        To the host.
    image : stream of `beat_layout`
        To the accelerator.
    result : stream of 32 bit
        From the accelerator.
    clear : Out
        The accelerator must be in reset while this is set.
    memories : stream of `beat_layout` of 4 bytes
        Only where weights are loaded: images of the memories, to the accelerator.
    status : In(32)
        Only there: its ``weights_status``.
    """

    def __init__(
        self, inputs, pixels_per_beat, quiet, input_kind="pixels", memory_bytes=0,
        identity=(0,) * WORDS, keeps=False,
    ):  # fmt: skip
        self.beat_bytes, self.receiver = RECEIVERS[input_kind]
        self.inputs, self.pixels_per_beat, self.quiet = inputs, pixels_per_beat, quiet
        self.memory_bytes, self.identity, self.keeps = memory_bytes, identity, keeps
        loads = {}
        if memory_bytes:
            loads = {"memories": Out(stream.Signature(beat_layout(WORD_BYTES))), "status": In(32)}
        super().__init__(
            {
                "rx": In(stream.Signature(8, always_ready=True)),
                "tx": Out(stream.Signature(8)),
                "image": Out(stream.Signature(beat_layout(self.beat_bytes(pixels_per_beat)))),
                "result": In(stream.Signature(32)),
                "clear": Out(1),
                **loads,
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = SyncFIFOBuffered(width=8, depth=QUEUE_BYTES)
        m.submodules.receiver = receiver = self.receiver(
            self.inputs, self.pixels_per_beat, self.quiet, self.memory_bytes
        )
        m.submodules.sender = sender = AnswerSender(self.inputs, bool(self.memory_bytes))
        m.d.comb += [queue.w_en.eq(self.rx.valid), queue.w_data.eq(self.rx.payload)]
        connect(m, queue.r_stream, receiver.i)
        connect(m, receiver.o, flipped(self.image))
        connect(m, receiver.error, sender.error)
        connect(m, sender.o, flipped(self.tx))
        asks = receiver.question.payload
        # Of one constant: yosys would make a memory of an array, and block RAM is for weights.
        words = Cat(
            self.status if self.keeps and number == MEMORY_STATUS else Const(word, 32)
            for number, word in enumerate(self.identity)
        )
        asked = words.word_select(asks[: WORDS.bit_length() - 1], 32)
        m.d.comb += [
            sender.told.valid.eq(receiver.question.valid),
            receiver.question.ready.eq(sender.told.ready),
            sender.told.payload.eq(Mux(asks & ECHO, asks, asked)),
        ]
        m.d.comb += [
            self.clear.eq(receiver.clear),
            # What an accelerator in reset shows is no result.
            sender.result.valid.eq(self.result.valid & ~receiver.clear),
            sender.result.payload.eq(self.result.payload),
            self.result.ready.eq(sender.result.ready & ~receiver.clear),
        ]
        if self.memory_bytes:
            m.submodules.reporter = reporter = LoadReporter()
            words = receiver.memories
            connect(m, words, flipped(self.memories))
            connect(m, reporter.o, sender.loaded)
            m.d.comb += [
                reporter.sent.eq(words.valid & words.ready & words.p.last),
                reporter.clear.eq(receiver.clear),
                reporter.status.eq(self.status),
            ]
        return m
