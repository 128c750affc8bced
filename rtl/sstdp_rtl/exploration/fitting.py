"""Which size of ECP5 a point fits, by the models: of what they count, what each size has."""

from __future__ import annotations

from sstdp_hw.models.area import Area

#: What nextpnr says is there of each; the models count no other family's units.
SIZES = {
    "ecp5-25k": Area(24_288, 24_288, 56),
    "ecp5-45k": Area(43_848, 43_848, 108),
    "ecp5-85k": Area(83_640, 83_640, 208),
}


def fits(area: Area, device: str) -> bool | None:
    """Whether the device has so much; None where the models do not know the device."""
    if device not in SIZES:
        return None
    has = SIZES[device]
    return area.lut <= has.lut and area.ff <= has.ff and area.bram <= has.bram


def smallest(area: Area) -> str | None:
    """The smallest that an area fits, or None if it fits none."""
    return next((size for size in SIZES if fits(area, size)), None)
