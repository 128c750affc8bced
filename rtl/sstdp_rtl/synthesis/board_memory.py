"""What the memory of a board must hold for an accelerator whose weights stand there."""

from __future__ import annotations

import zlib

from sstdp_hw.base.errors import UserError
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.external_memory import external_image
from sstdp_hw.contract.serial_protocol import MAX_IMAGE_BYTES

from ..boards.sdram.parameters import MemoryParameters
from ..boards.sdram.timing import MOST_MHZ, SdramTiming


def board_memory(accelerator: GeneratedDirectory, mhz: float) -> MemoryParameters | None:
    """The memory of a board at a clock; None if the weights are on the chip.

    Raises
    ------
    UserError
        If the clock is too fast for the SDRAM, or the weights do not fit it or a request of the
        serial line.
    """
    if not accelerator.external:
        return None
    if mhz > MOST_MHZ:
        raise UserError(
            f"--clock must be at most {MOST_MHZ:g} MHz with weights in the board's SDRAM, not "
            f"{mhz:g}"
        )
    plan = accelerator.parameters.tiled.plan
    if plan.size > MAX_IMAGE_BYTES:
        raise UserError(
            f"{accelerator.path}: weights must take at most {MAX_IMAGE_BYTES:,} bytes, as much as "
            f"the board's serial line brings at once, not {plan.size:,}; generate with a narrower "
            "--memory-width or with lanes whose weights fill its beats"
        )
    image = external_image(accelerator.parameters)
    try:
        return MemoryParameters(
            bus=plan.bus, base=plan.base, size=len(image), crc=zlib.crc32(image),
            cycles=SdramTiming().cycles(mhz), base_port=accelerator.parameters.store.base_port,
        )  # fmt: skip
    except ValueError as error:
        raise UserError(f"{accelerator.path}: {error}") from None
