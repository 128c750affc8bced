"""Everything the gateware of a board depends on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sstdp_hw.blocks.hardware import TOP
from sstdp_hw.blocks.inputs import INPUTS
from sstdp_hw.contract.board_identity import Identity
from sstdp_hw.contract.serial_protocol import MAX_IMAGE_BYTES
from sstdp_hw.network.chain import PIXELS

from .pll import Pll
from .sdram.parameters import MemoryParameters


@dataclass(frozen=True)
class BoardParameters:
    """Checked sizes of the gateware around an accelerator.

    Parameters
    ----------
    inputs : int
        Bytes of an image, or inputs that events can name.
    pixels_per_beat : int
        Pixels in one beat of the accelerator's input.
    divisor : int
        Clock cycles per bit of the serial line, at least 4.
    quiet : int
        Clock cycles without a byte that count as a quiet line.
    pll : Pll or None
        How the clock is made; None takes the board's own.
    global_reset : bool
        Whether the FPGA has ECP5's SGSR, which holds all registers until the clock runs.
    top : str
        The accelerator's module.
    input_kind : str
        What the accelerator takes: a key of `sstdp_hw.blocks.inputs.INPUTS`.
    memory_bytes : int
        Bytes of an image of its memories, or of ``memory``; 0 if its weights are constants.
    memory : MemoryParameters or None
        The board's memory, if weights stand in it.
    verilog_sha256 : str
        Of the accelerator, in hexadecimal; a host asks for it.
    quiet_ms : int
        ``quiet`` in milliseconds, for the host: how long to be silent after an error.

    Raises
    ------
    ValueError
        If a size is out of its range.
    """

    inputs: int
    pixels_per_beat: int
    divisor: int
    quiet: int
    pll: Pll | None = None
    global_reset: bool = True
    top: str = TOP
    input_kind: str = PIXELS
    memory_bytes: int = 0
    memory: MemoryParameters | None = None
    verilog_sha256: str = "00" * 32
    quiet_ms: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.inputs <= MAX_IMAGE_BYTES:
            raise ValueError(
                f"Bytes of an image must be between 1 and {MAX_IMAGE_BYTES}, not {self.inputs}"
            )
        if self.input_kind not in INPUTS:
            raise ValueError(f"Input must be {' or '.join(INPUTS)}, not {self.input_kind!r}")
        if not 0 <= self.memory_bytes <= MAX_IMAGE_BYTES or self.memory_bytes % 4:
            raise ValueError(
                f"Bytes of an image of the memories must be a multiple of 4 and at most "
                f"{MAX_IMAGE_BYTES}, not {self.memory_bytes}"
            )
        if self.pixels_per_beat not in (1, 2, 4, 8):
            raise ValueError(f"Pixels per beat must be 1, 2, 4 or 8, not {self.pixels_per_beat}")
        if self.divisor < 4:
            raise ValueError(f"Clock cycles per bit must be at least 4, not {self.divisor}")
        if self.quiet < 1:
            raise ValueError(f"Quiet cycles must be at least 1, not {self.quiet}")
        if not 0 <= self.quiet_ms <= 255:
            raise ValueError(f"Quiet milliseconds must be between 0 and 255, not {self.quiet_ms}")
        if not re.fullmatch("[0-9a-f]{64}", self.verilog_sha256):
            raise ValueError(f"SHA-256 must be 64 hexadecimal digits, not {self.verilog_sha256!r}")

    @property
    def identity(self) -> Identity:
        """What the board tells of itself."""
        return Identity(
            inputs=self.inputs,
            input_kind=self.input_kind,
            memory_bytes=self.memory_bytes,
            divisor=self.divisor,
            quiet_ms=self.quiet_ms,
            verilog_sha256=self.verilog_sha256,
        )
