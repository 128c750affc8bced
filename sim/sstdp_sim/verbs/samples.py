"""The test images that a command line asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sstdp_hw.base.errors import UserError

if TYPE_CHECKING:
    from sstdp_hw.data.datasets import Samples


def count_of(text: str) -> int | None:
    """The number of images, None for all."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"Samples must be a positive number or 'all', not {text!r}")
    return int(text)


def samples_of(dataset: str, count: str) -> Samples:
    """The first ``count`` test images of a data set.

    Raises
    ------
    UserError
        If the count is none, or there are not so many.
    """
    from sstdp_hw.data import datasets

    samples = datasets.load(dataset)
    wanted = count_of(count)
    if wanted is not None and wanted > len(samples):
        raise UserError(
            f"Samples must be at most the {len(samples)} images of {samples.name}, not {wanted}"
        )
    return samples.first(wanted)
