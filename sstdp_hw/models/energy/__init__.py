"""Energy per image, as an estimate: operations counted, times energies that others published.

No chip was measured, and an FPGA needs more: what is left out is in `LEAVES_OUT`. docs/energy.md
explains the range.
"""

from .estimate import LEAVES_OUT, EnergyEstimate, Range, energy_estimate
from .operations import Accesses, Additions, Operations, count_operations

__all__ = [
    "LEAVES_OUT", "Accesses", "Additions", "EnergyEstimate", "Operations", "Range",
    "count_operations", "energy_estimate",
]  # fmt: skip
