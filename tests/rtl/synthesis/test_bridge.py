"""Bridge: whole images reach the accelerator, damaged ones never, and a quiet line heals all."""

import random
from dataclasses import dataclass, field

import pytest
from amaranth.sim import Simulator

from sstdp_hw.contract.board_identity import WORDS, Identity
from sstdp_hw.contract.serial_protocol import (
    ANSWER_BYTES,
    ECHO,
    Answer,
    Status,
    decode_answer,
    encode_answer,
    encode_events,
    encode_memories,
    encode_question,
    encode_request,
)
from sstdp_rtl.boards.bridge import QUEUE_BYTES, Bridge

QUIET = 40


@dataclass
class Bench:
    """A bridge between a host and a model of the accelerator, both with random stalls.

    The model gathers the beats of a packet and answers with their sum; a ``clear`` makes it forget
    the packet it was in and any result not yet taken, as the reset of the accelerator does, and
    makes it show a result that is none.
    """

    inputs: int
    pixels_per_beat: int
    seed: int = 1
    input_kind: str = "pixels"
    byte_gap: tuple[int, int] = (8, 14)  # cycles from byte to byte, as of a serial line
    stall: float = 0.3  # share of cycles in which the accelerator and the line are not ready
    identity: tuple[int, ...] = (0,) * WORDS
    memory_bytes: int = 0
    loads: list[list[int]] = field(default_factory=list)  # words of images of the memories
    packets: list[list[int]] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    clears: list[int] = field(default_factory=list)  # how many cycles each took

    def __post_init__(self):
        self.dut = Bridge(
            self.inputs, self.pixels_per_beat, QUIET, self.input_kind, self.memory_bytes,
            identity=self.identity,
        )  # fmt: skip
        self.random = random.Random(self.seed)

    def run(self, host):
        """Run the coroutine function ``host(ctx)``, then wait until nothing more can come."""

        async def drive(ctx):
            await host(ctx)
            await ctx.tick().repeat(10 * QUIET)

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(drive)
        simulator.add_testbench(self._accelerator, background=True)
        simulator.add_testbench(self._line, background=True)
        if self.memory_bytes:
            simulator.add_testbench(self._memories, background=True)
        simulator.run()

    async def send(self, ctx, data):
        for byte in data:
            ctx.set(self.dut.rx.payload, byte)
            ctx.set(self.dut.rx.valid, 1)
            await ctx.tick()
            ctx.set(self.dut.rx.valid, 0)
            await ctx.tick().repeat(self.random.randint(*self.byte_gap) - 1)

    async def answers(self, ctx, count):
        """Wait until ``count`` answers have come."""
        for _ in range(200 * QUIET):
            if len(self.received) >= count * ANSWER_BYTES:
                return
            await ctx.tick()
        raise AssertionError(f"{len(self.received)} bytes of answers, not {count * ANSWER_BYTES}")

    def decoded(self):
        assert len(self.received) % ANSWER_BYTES == 0
        chunks = range(0, len(self.received), ANSWER_BYTES)
        return [decode_answer(bytes(self.received[i : i + ANSWER_BYTES])) for i in chunks]

    def result_of(self, image):
        return Answer(Status.RESULT, word_of(image))

    async def _accelerator(self, ctx):
        image, result = self.dut.image, self.dut.result
        packet, results, was_clear = [], [], False
        while True:
            taking = self.random.random() >= self.stall
            ctx.set(image.ready, taking)
            ctx.set(result.valid, bool(results))
            ctx.set(result.payload, results[0] if results else 0)
            *_, valid, beat, taken, clear = await ctx.tick().sample(
                image.valid, image.payload, result.ready, self.dut.clear
            )
            if clear:
                self.clears += [] if was_clear else [0]
                self.clears[-1] += 1
                packet, results, was_clear = [], [0xBAD], True
                continue
            if was_clear:
                results, was_clear = [], False
            elif results and taken:
                results.pop(0)
            if valid and taking:
                packet.append(int(beat.data))
                if beat.last:
                    self.packets.append(packet)
                    results.append(word_of(self.bytes_of(packet)))
                    packet = []

    async def _memories(self, ctx):
        """Takes images of the memories, all of them right."""
        words = []
        ctx.set(self.dut.memories.ready, 1)
        while True:
            ctx.set(self.dut.status, 2 * bool(words) | bool(self.loads))
            *_, valid, beat, clear = await ctx.tick().sample(
                self.dut.memories.valid, self.dut.memories.payload, self.dut.clear
            )
            words = [] if clear else words + [int(beat.data)] * valid
            if valid and beat.last:
                self.loads.append(words)
                words = []

    def bytes_of(self, packet):
        if self.input_kind == "spikes":
            return b"".join(beat.to_bytes(4, "little") for beat in packet)
        data = b"".join(beat.to_bytes(self.pixels_per_beat, "little") for beat in packet)
        return data[: self.inputs]

    async def _line(self, ctx):
        tx = self.dut.tx
        while True:
            ready = self.random.random() >= self.stall
            ctx.set(tx.ready, ready)
            *_, valid, byte = await ctx.tick().sample(tx.valid, tx.payload)
            if valid and ready:
                self.received.append(byte)


def word_of(image):
    """A result word that depends on every byte and its place."""
    return sum((place + 1) * byte * 2654435761 for place, byte in enumerate(image)) % 2**32


def images(count, inputs, seed=7):
    generator = random.Random(seed)
    return [generator.randbytes(inputs) for _ in range(count)]


@pytest.mark.parametrize("pixels_per_beat", [1, 2, 4, 8])
@pytest.mark.parametrize("inputs", [1, 7, 8, 17])
def test_images_become_packets_and_results_answers(inputs, pixels_per_beat):
    bench = Bench(inputs, pixels_per_beat, seed=inputs)
    sent = images(5, inputs)

    async def host(ctx):
        for image in sent:  # back to back, answers are not waited for
            await bench.send(ctx, encode_request(image))

    bench.run(host)
    assert [bench.bytes_of(packet) for packet in bench.packets] == sent
    beats = -(-inputs // pixels_per_beat)
    assert {len(packet) for packet in bench.packets} == {beats}
    last_pixels = inputs - (beats - 1) * pixels_per_beat
    assert all(packet[-1] < 256**last_pixels for packet in bench.packets), "filled up with zeros"
    assert bench.decoded() == [bench.result_of(image) for image in sent]
    assert bench.clears == []


def lose(data, place):
    return data[:place] + data[place + 1 :]


def add(data, place):
    return data[:place] + b"\x5c" + data[place:]


def change(data, place):
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


@pytest.mark.parametrize("damage", [lose, add, change])
def test_a_damaged_request_is_never_a_result_and_harms_no_other(damage):
    inputs = 6
    first, second, third = images(3, inputs)
    whole = encode_request(second)
    for place in range(len(whole)):
        bench = Bench(inputs, 2, seed=place)

        async def host(ctx, bench=bench, place=place):
            await bench.send(ctx, encode_request(first))
            await bench.answers(ctx, 1)
            await bench.send(ctx, damage(whole, place))
            await ctx.tick().repeat(5 * QUIET)
            await bench.send(ctx, encode_request(third))

        bench.run(host)
        answers = bench.decoded()
        assert answers[0] == bench.result_of(first), place
        assert answers[-1] == bench.result_of(third), place
        (error,) = answers[1:-1]
        assert (error.status != Status.RESULT, error.word) == (True, inputs), place
        assert [bench.bytes_of(packet) for packet in bench.packets] == [first, third], place


def test_each_error_has_its_status():
    inputs = 9
    image, last = images(2, inputs)
    bench = Bench(inputs, 4)
    cases = [
        (encode_request(image)[:-5], Status.INCOMPLETE),
        (encode_request(image)[:2], Status.INCOMPLETE),
        (encode_request(image)[:-1], Status.INCOMPLETE),
        (change(encode_request(image), 8), Status.CHECKSUM),
        (encode_request(image + b"\0"), Status.LENGTH),
        (encode_request(b""), Status.LENGTH),  # how a host asks for the length
    ]

    async def host(ctx):
        for number, (data, _status) in enumerate(cases):
            await bench.send(ctx, data)
            await bench.answers(ctx, number + 1)
        await bench.send(ctx, encode_request(last))

    bench.run(host)
    expected = [Answer(status, inputs) for _data, status in cases]
    assert bench.decoded() == [*expected, bench.result_of(last)]
    assert len(bench.clears) == len(cases)
    assert min(bench.clears) >= QUIET


@pytest.mark.parametrize("noise", [b"\x00", b"\xff\x5a", b"\x00\xa5\x01"])
def test_noise_between_images_is_an_error_and_harms_none(noise):
    bench = Bench(5, 1)
    first, second = images(2, 5)

    async def host(ctx):
        await bench.send(ctx, encode_request(first))
        await bench.answers(ctx, 1)
        await bench.send(ctx, noise)
        await bench.answers(ctx, 2)
        await bench.send(ctx, encode_request(second))

    bench.run(host)
    expected = [bench.result_of(first), Answer(Status.NOISE, 5), bench.result_of(second)]
    assert bench.decoded() == expected


def test_a_host_that_goes_on_after_an_error_is_heard_again_after_a_pause():
    bench = Bench(12, 1)
    sent = images(4, 12)

    async def host(ctx):
        await bench.send(ctx, lose(encode_request(sent[0]), 5))
        await bench.send(ctx, encode_request(sent[1]) + encode_request(sent[2]))
        await bench.answers(ctx, 1)
        await bench.send(ctx, encode_request(sent[3]))

    bench.run(host)
    assert bench.decoded() == [Answer(Status.CHECKSUM, 12), bench.result_of(sent[3])]
    assert [bench.bytes_of(packet) for packet in bench.packets] == [sent[3]]


def test_bytes_lost_in_a_full_queue_are_found():
    inputs = 3 * QUEUE_BYTES
    bench = Bench(inputs, 1, byte_gap=(2, 2), stall=0.9)
    image, last = images(2, inputs)

    async def host(ctx):
        await bench.send(ctx, encode_request(image))
        await bench.answers(ctx, 1)
        bench.stall, bench.byte_gap = 0.1, (8, 8)
        await bench.send(ctx, encode_request(last))

    bench.run(host)
    error, result = bench.decoded()
    assert error.status in (Status.CHECKSUM, Status.INCOMPLETE)
    assert result == bench.result_of(last)
    assert [bench.bytes_of(packet) for packet in bench.packets] == [last]


def test_events_become_packets_of_any_length():
    bench = Bench(100, 1, input_kind="spikes")
    generator = random.Random(3)
    sent = [[generator.randrange(1 << 32) for _ in range(count)] for count in (1, 5, 70, 2)]

    async def host(ctx):
        for words in sent:  # back to back, answers are not waited for
            await bench.send(ctx, encode_events(words))

    bench.run(host)
    assert bench.packets == sent
    assert bench.decoded() == [bench.result_of(bench.bytes_of(words)) for words in sent]
    assert bench.clears == []


def test_damaged_events_are_never_a_result_and_harm_no_others():
    first, second, third = [7], [1 << 24, 5 | 3 << 24], [9, 1 << 31]
    whole = encode_events(second)
    for place in range(len(whole)):
        damage = (lose, add, change)[place % 3]
        bench = Bench(100, 1, seed=place, input_kind="spikes")

        async def host(ctx, bench=bench, place=place, damage=damage):
            await bench.send(ctx, encode_events(first))
            await bench.answers(ctx, 1)
            await bench.send(ctx, damage(whole, place))
            await ctx.tick().repeat(5 * QUIET)
            await bench.send(ctx, encode_events(third))

        bench.run(host)
        assert bench.packets == [first, third], place
        answers = bench.decoded()
        (error,) = answers[1:-1]
        assert (error.status != Status.RESULT, error.word) == (True, 100), place


@pytest.mark.parametrize("kind", ["pixels", "spikes"])
def test_weights_come_between_samples(kind):
    """Images of the memories, one of them damaged and one too short, and questions; a sample before
    and behind each."""
    generator = random.Random(5)
    bench = Bench(20, 1, input_kind=kind, memory_bytes=300)
    contents = [generator.randbytes(20) for _ in range(4)]
    requests = [
        encode_request(data) if kind == "pixels"
        else encode_events([int.from_bytes(data[at : at + 4], "little") for at in range(0, 20, 4)])
        for data in contents
    ]  # fmt: skip
    images_of_memories = [generator.randbytes(300) for _ in range(2)]
    loads = [encode_memories(image) for image in images_of_memories]
    parts = [requests[0], loads[0], requests[1], change(loads[0], 150), encode_question(ECHO | 5),
             encode_memories(bytes(296)), requests[2], loads[1], requests[3]]  # fmt: skip

    async def host(ctx):
        for count, part in enumerate(parts):
            await bench.send(ctx, part)
            await bench.answers(ctx, count + 1)

    bench.run(host)
    assert [bench.bytes_of(packet) for packet in bench.packets] == contents
    found = [b"".join(word.to_bytes(4, "little") for word in words) for words in bench.loads]
    assert found == images_of_memories
    results = [bench.result_of(data) for data in contents]
    loaded, asked = Answer(Status.LOADED, 1), Answer(Status.ANSWER, ECHO | 5)
    damaged, length = Answer(Status.CHECKSUM, 20), Answer(Status.LENGTH, 20)
    assert bench.decoded() == [
        results[0], loaded, results[1], damaged, asked, length, results[2], loaded, results[3]
    ]  # fmt: skip


def test_an_image_or_no_event_at_all_is_no_request_for_events():
    bench = Bench(6, 1, input_kind="spikes")
    cases = [
        (encode_events([]), Status.LENGTH),  # how a host asks for the number of inputs
        (encode_request(b"123456"), Status.NOISE),
        (encode_events([1, 2])[:-1], Status.INCOMPLETE),
    ]

    async def host(ctx):
        for number, (data, _status) in enumerate(cases):
            await bench.send(ctx, data)
            await bench.answers(ctx, number + 1)
        await bench.send(ctx, encode_events([3]))

    bench.run(host)
    assert bench.decoded()[:-1] == [Answer(status, 6) for _data, status in cases]
    assert bench.packets == [[3]]


def test_protocol_functions_are_inverse_and_refuse_damage():
    answer = Answer(Status.RESULT, 0x0003_0507)
    assert decode_answer(encode_answer(answer)) == answer
    fields = answer.label, answer.decision_time, answer.silent, answer.frame_error
    assert fields == (7, 5, True, True)
    for bad in (encode_answer(answer)[:-1], change(encode_answer(answer), 3), b""):
        with pytest.raises(ValueError, match="not an answer"):
            decode_answer(bad)


def test_questions_are_answered_with_the_identity_or_with_their_own_number():
    """Also before a request, and with the line that brings them damaged."""
    identity = Identity(9, "pixels", 0, 12, 50, "".join(f"{byte:02x}" for byte in range(3, 35)))
    bench = Bench(9, 4, identity=tuple(identity.words()))
    (image,) = images(1, 9)
    numbers = [*range(WORDS), ECHO, ECHO | 0x2A5B3C, ECHO | 0x7FFFFF]

    async def host(ctx):
        for count, number in enumerate(numbers):
            await bench.send(ctx, encode_question(number))
            await bench.answers(ctx, count + 1)
        await bench.send(ctx, encode_request(image))
        await bench.answers(ctx, len(numbers) + 1)
        await bench.send(ctx, change(encode_question(ECHO | 7), 2))
        await bench.answers(ctx, len(numbers) + 2)
        await bench.send(ctx, encode_question(4))

    bench.run(host)
    *told, result, error, last = bench.decoded()
    assert {answer.status for answer in (*told, last)} == {Status.ANSWER}
    assert Identity.from_words([answer.word for answer in told[:WORDS]]) == identity
    assert [answer.word for answer in told[WORDS:]] == numbers[WORDS:]
    assert (result, error) == (bench.result_of(image), Answer(Status.CHECKSUM, 9))
    assert last.word == int.from_bytes(bytes(range(3, 7)), "little")
    assert len(bench.packets) == 1
