"""The bytes on the serial line, as numbers for the gateware and as functions for a host.

Host to board, one image::

    A5 | length, 3 bytes, lowest first | pixels | CRC-16, high byte first

Host to board, one inference of a network that takes spikes; an event is the word of
`sstdp_hw.contract.event_packets`, 4 bytes, lowest first::

    A6 | events, at least 1, 3 bytes, lowest first | events | CRC-16, high byte first

Where weights are loaded, one image of the memories is sent as an image is behind another start
byte, and answered when it has ended, with the accelerator's ``weights_status`` for a word::

    A7 | length, 3 bytes, lowest first | words, lowest byte first | CRC-16, high byte first

Host to board, a question: which design the board has, word by word (`Identity`), or what comes
back of a number that has bit 23 set::

    A8 | number, 3 bytes, lowest first | CRC-16, high byte first

Board to host, one answer per image, question and load, or one per error::

    5A | status | word, 4 bytes, lowest first | CRC-16, high byte first

The CRC is CRC-16/XMODEM (Python: ``binascii.crc_hqx(data, 0)``) over all bytes between the start
byte and the CRC. The word of a result is the accelerator's result word; that of an error is the
number of bytes that an image must have, or of inputs that events can name.

A host asks when nothing that it sent waits for an answer. Boards of before 1.0 take A8 for noise.
"""

from __future__ import annotations

import binascii
import enum
from dataclasses import dataclass

from ..network.layers import Array
from .answer import unpack_answers
from .event_packets import EVENT_BYTES

REQUEST_START = 0xA5
EVENTS_START = 0xA6
MEMORIES_START = 0xA7
QUESTION_START = 0xA8
ANSWER_START = 0x5A
LENGTH_BYTES = 3
ANSWER_BYTES = 8
MAX_IMAGE_BYTES = 256**LENGTH_BYTES - 1
#: Set in the number of a question that asks for nothing but itself.
ECHO = 1 << 8 * LENGTH_BYTES - 1


class Status(enum.IntEnum):
    """What an answer says. After any error all images without an answer are lost."""

    RESULT = 0
    INCOMPLETE = 1  # the line fell quiet in the middle of an image
    CHECKSUM = 2  # a byte was lost, added or changed
    LENGTH = 3  # the length is not that of this network's images, or there are no events
    NOISE = 4  # a byte came where an image, or events, should have begun
    LOADED = 5  # an image of the memories has ended
    ANSWER = 6  # to a question


@dataclass(frozen=True)
class Answer:
    """One answer of the board. Of a ``RESULT`` the fields of the word are properties."""

    status: Status
    word: int

    @property
    def label(self) -> int:
        return int(self._fields["class"])

    @property
    def decision_time(self) -> int:
        return int(self._fields["decision_time"])

    @property
    def silent(self) -> bool:
        return bool(self._fields["silent"])

    @property
    def frame_error(self) -> bool:
        return bool(self._fields["frame_error"])

    @property
    def _fields(self) -> dict[str, Array]:
        return unpack_answers(self.word)


def encode_request(image: bytes) -> bytes:
    """The bytes that send one image."""
    return _framed(REQUEST_START, image)


def encode_memories(image: bytes) -> bytes:
    """The bytes that send one image of the memories, as `sstdp-hw memory` writes it."""
    return _framed(MEMORIES_START, image)


def _framed(start: int, data: bytes) -> bytes:
    body = len(data).to_bytes(LENGTH_BYTES, "little") + data
    return bytes([start]) + body + binascii.crc_hqx(body, 0).to_bytes(2, "big")


def encode_events(words: Array) -> bytes:
    """The bytes that send one inference's events: words of `event_packets.event_words`."""
    count = len(words).to_bytes(LENGTH_BYTES, "little")
    body = count + b"".join(int(word).to_bytes(EVENT_BYTES, "little") for word in words)
    return bytes([EVENTS_START]) + body + binascii.crc_hqx(body, 0).to_bytes(2, "big")


def encode_question(number: int) -> bytes:
    """The bytes that ask for a word of the identity, or, with `ECHO` set, for the number itself."""
    body = number.to_bytes(LENGTH_BYTES, "little")
    return bytes([QUESTION_START]) + body + binascii.crc_hqx(body, 0).to_bytes(2, "big")


def encode_answer(answer: Answer) -> bytes:
    """The bytes that the board sends for an answer."""
    body = bytes([answer.status]) + answer.word.to_bytes(4, "little")
    return bytes([ANSWER_START]) + body + binascii.crc_hqx(body, 0).to_bytes(2, "big")


def decode_answer(data: bytes) -> Answer:
    """One answer from its 8 bytes.

    Raises
    ------
    ValueError
        If the bytes are no answer: the host has lost its place.
    """
    if len(data) != ANSWER_BYTES or data[0] != ANSWER_START or binascii.crc_hqx(data[1:], 0):
        raise ValueError(f"not an answer: {data.hex()}")
    return Answer(Status(data[1]), int.from_bytes(data[2:6], "little"))
