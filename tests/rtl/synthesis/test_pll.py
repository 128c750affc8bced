"""PLL: the clock asked for, within the limits of the chip."""

import pytest

from sstdp_rtl.boards.parameters import BoardParameters
from sstdp_rtl.boards.pll import find_pll


@pytest.mark.parametrize("input_mhz", [12, 25, 48, 50, 100])
@pytest.mark.parametrize("output_mhz", [4, 10, 33.333, 43, 60, 62.5, 75, 99, 133, 200])
def test_dividers_make_the_clock_within_the_limits(input_mhz, output_mhz):
    pll = find_pll(input_mhz, output_mhz)
    detector = pll.input_mhz / pll.reference
    loop = detector * pll.feedback
    assert pll.vco_mhz == pytest.approx(loop * pll.primary)
    assert 10 <= detector <= 400
    assert 400 <= pll.vco_mhz <= 800
    assert 3.125 <= loop <= 400
    assert 1 <= pll.feedback <= 80
    assert 1 <= pll.primary <= 128
    assert 1 <= pll.secondary <= 128
    assert abs(pll.output_mhz / output_mhz - 1) <= 0.01


@pytest.mark.parametrize("output_mhz", [50, 60, 62.5, 75, 100, 125])
def test_common_clocks_of_25_mhz_are_exact(output_mhz):
    assert find_pll(25, output_mhz).output_mhz == pytest.approx(output_mhz)


@pytest.mark.parametrize(("input_mhz", "output_mhz"), [(25, 2), (25, 450), (5, 50)])
def test_a_clock_out_of_reach_is_refused(input_mhz, output_mhz):
    with pytest.raises(ValueError, match=f"a PLL cannot make {output_mhz} MHz of {input_mhz} MHz"):
        find_pll(input_mhz, output_mhz)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("inputs", 0, "Bytes of an image must be between 1 and 16777215, not 0"),
        ("pixels_per_beat", 3, "Pixels per beat must be 1, 2, 4 or 8, not 3"),
        ("divisor", 3, "Clock cycles per bit must be at least 4, not 3"),
        ("quiet", 0, "Quiet cycles must be at least 1, not 0"),
    ],
)
def test_sizes_of_a_board_are_checked(field, value, text):
    good = {"inputs": 64, "pixels_per_beat": 1, "divisor": 25, "quiet": 1000}
    BoardParameters(**good)
    with pytest.raises(ValueError, match=text):
        BoardParameters(**{**good, field: value})
