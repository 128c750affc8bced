"""Dividers of the ECP5's PLL (EHXPLLL) for a wanted clock.

Limits: Lattice FPGA-DS-02012, "sysCLOCK PLL Timing".
"""

from __future__ import annotations

from dataclasses import dataclass

_INPUT_MHZ = (8.0, 400.0)
_DETECTOR_MHZ = (10.0, 400.0)  # at the phase detector
_VCO_MHZ = (400.0, 800.0)
_OUTPUT_MHZ = (3.125, 400.0)
_MAX_DIVIDER = 128
_TOLERANCE = 0.01


@dataclass(frozen=True)
class Pll:
    """Dividers: the VCO runs at ``input / reference * feedback * primary``.

    The primary output (CLKOP) only closes the loop; the clock comes from the secondary one (CLKOS),
    whose divider is free, so that many more clocks can be reached.
    """

    input_mhz: float
    reference: int
    feedback: int
    primary: int
    secondary: int

    @property
    def vco_mhz(self) -> float:
        return self.input_mhz / self.reference * self.feedback * self.primary

    @property
    def output_mhz(self) -> float:
        return self.vco_mhz / self.secondary


def find_pll(input_mhz: float, output_mhz: float) -> Pll:
    """The dividers that come closest to a clock; of equals, the highest phase-detector frequency.

    Raises
    ------
    ValueError
        If none comes within 1 %.
    """
    best: Pll | None = None
    for reference in range(1, _MAX_DIVIDER + 1):
        detector = input_mhz / reference
        if not _within(input_mhz, _INPUT_MHZ) or not _within(detector, _DETECTOR_MHZ):
            continue
        # Factors between detector and VCO, split between feedback and primary divider.
        for factor in range(1, int(_VCO_MHZ[1] / detector) + 1):
            vco = detector * factor
            secondary = min(max(round(vco / output_mhz), 1), _MAX_DIVIDER)
            primary = _primary(vco, factor)
            if not _within(vco, _VCO_MHZ) or primary is None:
                continue
            pll = Pll(input_mhz, reference, factor // primary, primary, secondary)
            if not _within(pll.output_mhz, _OUTPUT_MHZ):
                continue
            if best is None or _error(pll, output_mhz) < _error(best, output_mhz) - 1e-9:
                best = pll
    if best is None or _error(best, output_mhz) > _TOLERANCE * output_mhz:
        nearest = f"; the nearest is {best.output_mhz:g} MHz" if best else ""
        raise ValueError(f"a PLL cannot make {output_mhz:g} MHz of {input_mhz:g} MHz{nearest}")
    return best


def _primary(vco: float, factor: int) -> int | None:
    """The smallest divider of CLKOP that leaves an integer feedback and an allowed frequency."""
    for primary in range(1, _MAX_DIVIDER + 1):
        allowed = _within(vco / primary, _OUTPUT_MHZ) and factor // primary <= 80
        if factor % primary == 0 and allowed:
            return primary
    return None


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] - 1e-9 <= value <= limits[1] + 1e-9


def _error(pll: Pll, output_mhz: float) -> float:
    return abs(pll.output_mhz - output_mhz)
