"""What a board tells of the design in it: 16 words that a host asks for one by one.

| word | |
|---|---|
| 0 | the bytes ``SSB`` and the version, 1 |
| 1 | bits 23:0 bytes of an image, or inputs that events can name; bit 24: events |
| 2 | bytes of an image of the memories, or of the board's memory; 0 if weights are constants |
| 3 | bits 23:0 clock cycles of a bit on the line; 31:24 milliseconds that count as a quiet line |
| 4 ... 11 | SHA-256 of the accelerator's Verilog, first bytes first, lowest |
| 12 | with weights in the board's memory `sstdp_hw.contract.memory_image.STATUS` of it, else 0 |
| 13 ... 15 | 0 |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..network.chain import PIXELS, SPIKES

WORDS = 16
#: The word that tells whether the board's memory holds the weights; no part of the identity.
MEMORY_STATUS = 12
MAGIC = int.from_bytes(b"SSB\x01", "little")
_DIGEST = slice(4, 12)
_LOW = (1 << 24) - 1
_KINDS = (PIXELS, SPIKES)


@dataclass(frozen=True)
class Identity:
    """Which design a board has.

    Parameters
    ----------
    inputs : int
        Bytes of an image, or inputs that events can name; less than 2**24.
    input_kind : str
        ``pixels`` or ``spikes``.
    memory_bytes : int
        Bytes of an image of the memories, or of the board's memory; 0 if weights are constants.
    divisor : int
        Clock cycles of a bit on the line.
    quiet_ms : int
        What counts as a quiet line, 1 to 255 ms.
    verilog_sha256 : str
        In hexadecimal, as in the manifest.
    """

    inputs: int
    input_kind: str
    memory_bytes: int
    divisor: int
    quiet_ms: int
    verilog_sha256: str

    def words(self) -> list[int]:
        """The 16 words."""
        digest = bytes.fromhex(self.verilog_sha256)
        words = [
            MAGIC,
            self.inputs | _KINDS.index(self.input_kind) << 24,
            self.memory_bytes,
            self.divisor | self.quiet_ms << 24,
            *(int.from_bytes(digest[at : at + 4], "little") for at in range(0, 32, 4)),
        ]
        return words + [0] * (WORDS - len(words))

    @classmethod
    def from_words(cls, words: Sequence[int]) -> Identity:
        """The inverse of `words`.

        Raises
        ------
        ValueError
            If they are no identity of this version.
        """
        if words[0] != MAGIC or words[1] >> 24 >= len(_KINDS):
            raise ValueError(f"not the identity of a board: {words[0]:08x} {words[1]:08x}")
        return cls(
            inputs=words[1] & _LOW,
            input_kind=_KINDS[words[1] >> 24],
            memory_bytes=words[2],
            divisor=words[3] & _LOW,
            quiet_ms=words[3] >> 24,
            verilog_sha256=b"".join(word.to_bytes(4, "little") for word in words[_DIGEST]).hex(),
        )
