"""The registers of an accelerator behind a bus, described once: the gateware decodes them, and the
manifest, the C header, the table of the documentation and the driver are made of the same list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .answer import ANSWER, BUS_ERROR
from .fields import Field, Fields, to_json

#: Bits of a byte address, and bytes of a register.
ADDRESS_WIDTH, REGISTER_BYTES = 8, 4

#: What the first register holds: the letters STDP, the first one in the lowest byte.
IDENTITY = int.from_bytes(b"STDP", "little")

#: Of the list. A new major version breaks drivers, a new minor one does not.
MAJOR = 1

#: Minor version of the registers with weights on the chip, and with weights in an external memory,
#: whose accelerators have some more.
MINOR, EXTERNAL_MINOR = 0, 1

#: Words that hold the network's digest.
DIGEST_WORDS = 8

#: How a register may be used; what a write to `READ` does is in docs/bus.md.
READ, WRITE, BOTH, CLEAR, TAKE = "read", "write", "read, write", "read, write 1 to clear", "take"

#: The word that a driver reads: an answer, and whether there was one.
TAKEN: Fields = (
    *ANSWER, BUS_ERROR, Field("valid", 31, 1, "there was an answer; else all other bits are 0")
)  # fmt: skip

#: Causes of an interrupt.
CAUSES: Fields = (
    Field("answer", 0, 1, "an answer waits; gone when all are taken"),
    Field("room", 1, 1, "the input queue has room for a sample, or its half; gone when it has not"),
    Field("refused", 2, 1, "a word was refused, and all are until this is cleared"),
    Field("fault", 3, 1, "an access was answered with an error; stays until cleared"),
)


@dataclass(frozen=True)
class Register:
    """One register, or several of one kind in a row.

    Parameters
    ----------
    name : str
    offset : int
        Byte address of the first.
    access : str
        `READ`, `WRITE`, `BOTH`, `CLEAR` or `TAKE` (a read takes what it reads).
    meaning : str
    fields : tuple of Field
        Empty if it is one number.
    count : int
    external : bool
        Whether it is there only with weights in an external memory.
    external_fields : tuple of str
        Names of the fields that are there only with weights in an external memory.
    """

    name: str
    offset: int
    access: str
    meaning: str
    fields: Fields = ()
    count: int = 1
    external: bool = False
    external_fields: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """One for each."""
        if self.count == 1:
            return (self.name,)
        return tuple(f"{self.name}_{number}" for number in range(self.count))

    @property
    def reads(self) -> bool:
        """Whether a read tells anything; of others it gives 0."""
        return self.access != WRITE

    @property
    def writes(self) -> bool:
        """Whether it may be written."""
        return self.access not in (READ, TAKE)

    @property
    def whole(self) -> bool:
        """Whether only all four bytes at once may be accessed, in the direction that counts."""
        return self.access in (WRITE, TAKE)


REGISTERS = (
    Register("ID", 0x00, READ, f"0x{IDENTITY:08x}: the letters STDP, the first in the lowest byte"),
    Register(
        "VERSION", 0x04, READ, "version of these registers",
        (Field("minor", 0, 8, "grows when something is added"),
         Field("major", 8, 8, "grows when a driver must change")),
    ),
    Register(
        "CONFIG", 0x08, READ, "what the network is",
        (Field("inputs", 0, 24, "pixels of an image, or inputs that an event can name"),
         Field("t_max", 24, 8, "time steps")),
    ),
    Register(
        "LIMITS", 0x0C, READ, "sizes",
        (Field("input_words", 0, 16, "words that the input queue holds"),
         Field("answers", 16, 8, "answers that the answer queue holds"),
         Field("last_class", 24, 8, "highest class"))
    ),
    Register(
        "KIND", 0x10, READ, "what the accelerator takes",
        (Field("events", 0, 1, "1: an event a word; 0: four pixels a word, the first one lowest"),
         Field("external", 1, 1, "1: weights stand in an external memory, and there is BASE")),
        external_fields=("external",),
    ),
    Register("SCRATCH", 0x14, BOTH, "anything; for a test of the bus"),
    Register(
        "BASE", 0x18, BOTH,
        "with external weights alone: where they begin, a byte address of their memory; bits 11 to "
        "0 are 0. Taken by `reset` of CONTROL, which leaves it as it is",
        external=True,
    ),
    Register(
        "DIGEST", 0x20, READ,
        "SHA-256 of the network, as `network.digest` of the manifest; the first 8 digits first",
        count=DIGEST_WORDS,
    ),
    Register(
        "CONTROL", 0x40, BOTH, "what the driver wants",
        (Field("reset", 0, 1, "writing 1 empties the accelerator and both queues and clears all "
               "registers that can be written, but BASE; reads as 0"),
         Field("hold", 1, 1, "words wait in the input queue while this is set")),
    ),
    Register(
        "STATUS", 0x44, READ, "what is going on",
        (Field("busy", 0, 1, "words wait, or a packet has begun and is not answered"),
         Field("open", 1, 1, "the last word that was taken did not end its packet"),
         Field("refusing", 2, 1, "words are refused, see REFUSED"),
         Field("stopped", 3, 1, "with external weights: nothing is fetched and words wait, until "
               "`reset` of CONTROL is written for the first time"),
         Field("owed", 4, 1, "with external weights: a reset waits for what the memory owes; words "
               "wait, too")),
        external_fields=("stopped", "owed"),
    ),
    Register(
        "LEVELS", 0x48, READ, "how full the queues are",
        (Field("free", 0, 16, "words that may be written now, for sure"),
         Field("answers", 16, 16, "answers that may be taken now, for sure")),
    ),
    Register("ENABLE", 0x4C, BOTH, "causes that raise the interrupt", CAUSES),
    Register("PENDING", 0x50, CLEAR, "causes that are there, enabled or not", CAUSES),
    Register(
        "REFUSED", 0x54, READ,
        "words refused since `refused` of PENDING was last cleared: the last so many writes to "
        "INPUT and INPUT_LAST",
    ),
    Register("INPUT", 0x58, WRITE, "a word of a packet, not its last one"),
    Register("INPUT_LAST", 0x5C, WRITE, "the last word of a packet"),
    Register(
        "ANSWER", 0x60, TAKE, "the next answer; a read takes it", TAKEN,
        external_fields=(BUS_ERROR.name,),
    ),
    Register(
        "CYCLES", 0x64, READ,
        "of the answer taken last: clock cycles from the packet's first beat to its answer, both "
        "included",
    ),
)  # fmt: skip

#: Each register by its name, those in a row one by one: its byte address, and what it is.
OFFSETS = {
    name: register.offset + REGISTER_BYTES * number
    for register in REGISTERS
    for number, name in enumerate(register.names)
}
BY_NAME = {name: register for register in REGISTERS for name in register.names}


def registers_of(external: bool) -> tuple[Register, ...]:
    """The registers of an accelerator whose weights stand in an external memory, or on the chip."""
    if external:
        return REGISTERS
    return tuple(
        replace(
            register,
            fields=tuple(
                field for field in register.fields if field.name not in register.external_fields
            ),
        )
        for register in REGISTERS if not register.external
    )  # fmt: skip


def by_name(external: bool) -> dict[str, Register]:
    """The same, each by its name, those in a row one by one."""
    return {name: register for register in registers_of(external) for name in register.names}


def version_of(external: bool) -> dict[str, int]:
    """The fields of their version."""
    return {"major": MAJOR, "minor": EXTERNAL_MINOR if external else MINOR}


def field_values(name: str, word: int) -> dict[str, int]:
    """The fields of a register in a word that was read."""
    return {
        field.name: word >> field.offset & (1 << field.width) - 1 for field in BY_NAME[name].fields
    }


def registers_json(external: bool) -> list[dict[str, Any]]:
    """The list of `registers_of` as the manifest has it."""
    return [
        {
            "name": register.name, "offset": register.offset, "count": register.count,
            "access": register.access, "fields": to_json(register.fields),
        }
        for register in registers_of(external)
    ]  # fmt: skip


def digest_words(digest: str) -> tuple[int, ...]:
    """The words of a digest of 64 hexadecimal digits."""
    return tuple(int(digest[start : start + 8], 16) for start in range(0, 8 * DIGEST_WORDS, 8))


def flags(**values: int) -> int:
    """The word of PENDING or ENABLE in which these causes are set."""
    places: Mapping[str, Field] = {cause.name: cause for cause in CAUSES}
    return sum(value << places[name].offset for name, value in values.items())
