"""What stands in a board's memory, and who reads it."""

from __future__ import annotations

from dataclasses import dataclass

from sstdp_hw.blocks.axi_read import AxiReadParameters

from .timing import ROW_BYTES, SDRAM_BYTES, SdramCycles


@dataclass(frozen=True)
class MemoryParameters:
    """The memory of a board.

    Parameters
    ----------
    bus : AxiReadParameters
        Of the accelerator.
    base : int
        Address of the image.
    size, crc : int
        Its bytes, a multiple of 4, and their CRC-32.
    cycles : SdramCycles
    base_port : bool
        Whether the accelerator is told ``base`` by a port.

    Raises
    ------
    ValueError
        If the image does not fit, or bursts are longer than a row.
    """

    bus: AxiReadParameters
    base: int
    size: int
    crc: int
    cycles: SdramCycles
    base_port: bool = False

    def __post_init__(self) -> None:
        if self.base + self.size > SDRAM_BYTES:
            raise ValueError(
                f"Weights in the SDRAM must end below {SDRAM_BYTES:#x}, and {self.size:,} bytes "
                f"from {self.base:#x} on do not; generate with another --base-address"
            )
        burst = self.bus.longest * self.bus.beat_bytes
        if burst > ROW_BYTES:
            raise ValueError(f"Bursts must be at most a row, {ROW_BYTES} bytes, not {burst}")
