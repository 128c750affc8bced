"""The host's side of an accelerator behind a bus: for boards that run Linux, for testbenches of
systems, and for the tests of this project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.errors import UserError
from ..blocks.axi_read import ADDRESS_WIDTH
from ..blocks.sequential.tiles import PAGE
from ..network.chain import PIXELS, SPIKES
from ..network.layers import Array
from .event_packets import event_words
from .registers import (
    DIGEST_WORDS,
    IDENTITY,
    MAJOR,
    OFFSETS,
    REGISTER_BYTES,
    TAKEN,
    field_values,
    flags,
)

#: Reads in a row without anything new before it is said that the accelerator does not answer.
PATIENCE = 1_000_000

_WORD_BYTES = 4
(_VALID,) = (1 << field.offset for field in TAKEN if field.name == "valid")


@dataclass(frozen=True)
class Reply:
    """What the accelerator says to one sample.

    Parameters
    ----------
    word : int
        As on the stream of answers, see `contract.answer`.
    cycles : int
        Clock cycles from the packet's first beat to the answer.
    """

    word: int
    cycles: int

    @property
    def label(self) -> int:
        """The class."""
        return field_values("ANSWER", self.word)["class"]

    @property
    def decision_time(self) -> int:
        """Step of the first output spike; ``t_max`` if silent."""
        return field_values("ANSWER", self.word)["decision_time"]

    @property
    def silent(self) -> bool:
        """Whether no output neuron fired."""
        return bool(field_values("ANSWER", self.word)["silent"])

    @property
    def frame_error(self) -> bool:
        """Whether the packet had the wrong length, or a wrong event."""
        return bool(field_values("ANSWER", self.word)["frame_error"])

    @property
    def bus_error(self) -> bool:
        """Whether weights could not be read from their memory: the class means nothing then."""
        return bool(field_values("ANSWER", self.word)["bus_error"])


class BusDriver:
    """Uses an accelerator through two functions that read and write registers of 32 bits.

    Parameters
    ----------
    read : callable
        Of the byte address of a register: its word.
    write : callable
        Of byte address and word.
    digest : str, optional
        ``network.digest`` of the manifest; another network is refused.
    base : int
        Byte address of the first register.
    patience : int
        Reads in a row without anything new before it is said that there is no answer.

    Raises
    ------
    UserError
        If there is no accelerator, or another network, or registers that this driver does not know.
    """

    def __init__(
        self,
        read: Callable[[int], int],
        write: Callable[[int, int], None],
        *,
        digest: str | None = None,
        base: int = 0,
        patience: int = PATIENCE,
    ) -> None:
        self._read, self._write, self.base, self.patience = read, write, base, patience
        found = self.read("ID")
        if found != IDENTITY:
            raise UserError(
                f"Register ID at 0x{base:08x} must be 0x{IDENTITY:08x}, not 0x{found:08x}: there "
                "is no accelerator; check the base address"
            )
        major = self.fields("VERSION")["major"]
        if major != MAJOR:
            raise UserError(
                f"Registers at 0x{base:08x} must be of version {MAJOR}, not {major}: take the "
                "sstdp-hw that generated them"
            )
        if digest is not None and self.digest != digest:
            raise UserError(
                f"The accelerator at 0x{base:08x} must hold the network {digest[:12]}..., not "
                f"{self.digest[:12]}...: load its bitstream"
            )
        config, limits = self.fields("CONFIG"), self.fields("LIMITS")
        self.inputs, self.t_max = config["inputs"], config["t_max"]
        self.input_words, self.answers = limits["input_words"], limits["answers"]
        kind = self.fields("KIND")
        self.events, self.external = bool(kind["events"]), bool(kind["external"])

    def read(self, name: str) -> int:
        """The word of a register."""
        return self._read(self.base + OFFSETS[name])

    def write(self, name: str, word: int) -> None:
        """Write a register."""
        self._write(self.base + OFFSETS[name], word)

    def fields(self, name: str) -> dict[str, int]:
        """The fields of a register."""
        return field_values(name, self.read(name))

    @property
    def digest(self) -> str:
        """SHA-256 of the network."""
        first = OFFSETS["DIGEST_0"]
        places = range(first, first + REGISTER_BYTES * DIGEST_WORDS, REGISTER_BYTES)
        return "".join(f"{self._read(self.base + place):08x}" for place in places)

    def reset(self) -> None:
        """Begin anew: accelerator and queues are empty, nothing is pending. With weights in an
        external memory that takes until the memory has given what it was asked for before.

        Raises
        ------
        UserError
            If it does not give it.
        """
        self.write("CONTROL", 1)
        if not self.external:
            return
        for _ in range(self.patience + 1):
            if not self.fields("STATUS")["owed"]:
                return
        raise UserError(
            f"The memory of the accelerator at 0x{self.base:08x} must give the beats that it was "
            "asked for, and is quiet; reset it together with the accelerator (aresetn)"
        )

    def start(self, base: int | None = None) -> None:
        """Begin anew with the weights from an address of the external memory on. So an accelerator
        begins after power-up, and so it takes other weights.

        Parameters
        ----------
        base : int, optional
            Where the file of ``sstdp-hw memory`` stands, as the accelerator sees it; by default
            where they were told to be last, or when it was generated.

        Raises
        ------
        UserError
            If the address is none, weights stand on the chip, or the memory is quiet.
        """
        if not self.external:
            raise UserError(
                f"Weights of the accelerator at 0x{self.base:08x} must be external for a start "
                "from an address, and they are on the chip: call reset()"
            )
        if base is not None:
            if not 0 <= base < 1 << ADDRESS_WIDTH or base % PAGE:
                raise UserError(
                    f"Base of the weights must be a multiple of {PAGE} below 2^{ADDRESS_WIDTH}, "
                    f"not {base:#x}"
                )
            self.write("BASE", base)
        self.reset()

    def hold(self, on: bool) -> None:
        """Keep words in the input queue, so that an image's cycles do not depend on the bus."""
        self.write("CONTROL", int(on) << 1)

    def words(self, sample: Array) -> list[int]:
        """The packet of a sample: uint8 array, an image of so many pixels or the spike times.

        Raises
        ------
        UserError
            If it has another size.
        """
        if np.size(sample) != self.inputs:
            raise UserError(f"A sample must have {self.inputs} inputs, not {np.size(sample)}")
        return packet_words(sample, SPIKES if self.events else PIXELS, self.t_max)

    def take(self) -> Reply | None:
        """The next answer, if there is one."""
        word = self.read("ANSWER")
        valid = word & _VALID
        return Reply(word & ~_VALID, self.read("CYCLES")) if valid else None

    def predict(self, samples: Iterable[Array]) -> list[Reply]:
        """Classify samples in order; words of the next ones are sent while answers are awaited.

        Raises
        ------
        UserError
            If a sample has another size, or no answer comes.
        """
        packets = [self.words(sample) for sample in samples]
        return self.play(packets)

    def play(self, packets: Sequence[Sequence[int]]) -> list[Reply]:
        """Send packets of words; a reply for each, in order."""
        return self._collect(marked(packets), len(packets))

    def collect(self, count: int) -> list[Reply]:
        """So many replies, when they come.

        Raises
        ------
        UserError
            If one does not.
        """
        return self._collect([], count)

    def _collect(self, words: Sequence[tuple[bool, int]], count: int) -> list[Reply]:
        """Send words while there is room for them, until so many replies have come."""
        if self.external and self.fields("STATUS")["stopped"]:
            raise UserError(
                f"The accelerator at 0x{self.base:08x} must be started before it answers, as its "
                "weights stand in an external memory: call start()"
            )
        replies: list[Reply] = []
        sent = quiet = 0
        while len(replies) < count:
            before = sent, len(replies)
            if sent < len(words):
                free = self.fields("LEVELS")["free"]
                for last, word in words[sent : sent + free]:
                    self.write("INPUT_LAST" if last else "INPUT", word)
                sent = min(sent + free, len(words))
            while len(replies) < count and (reply := self.take()) is not None:
                replies.append(reply)
            quiet = quiet + 1 if before == (sent, len(replies)) else 0
            if quiet > self.patience:
                raise UserError(
                    f"The accelerator at 0x{self.base:08x} must answer {count} packets, and has "
                    f"answered {len(replies)} and is quiet; reset it, or clear hold of its CONTROL"
                )
        return replies

    def send_blindly(self, words: Sequence[tuple[bool, int]]) -> int:
        """Write words, each with whether it is its packet's last, without asking for room; how
        many of them were taken. The others are to be written again."""
        for last, word in words:
            self.write("INPUT_LAST" if last else "INPUT", word)
        refused = self.read("REFUSED")
        if refused:
            self.write("PENDING", flags(refused=1))
        return len(words) - refused


def packet_words(sample: Array, input_kind: str, t_max: int) -> list[int]:
    """The words of a sample's packet: uint8 array, an image or spike times, as ``input_kind`` says.
    Four pixels are a word, and an event is."""
    flat = np.ascontiguousarray(sample, np.uint8).reshape(-1)
    if input_kind == SPIKES:
        return [int(word) for word in event_words(flat, t_max)]
    padded = np.zeros(-(-len(flat) // _WORD_BYTES) * _WORD_BYTES, np.uint8)
    padded[: len(flat)] = flat
    return [int(word) for word in padded.view("<u4")]


def marked(packets: Sequence[Sequence[int]]) -> list[tuple[bool, int]]:
    """The words of packets, each with whether it is its packet's last."""
    return [
        (number == len(packet), word) for packet in packets for number, word in enumerate(packet, 1)
    ]
