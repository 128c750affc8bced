"""Co-simulation of a generated accelerator against the integer reference."""

from typing import TYPE_CHECKING

from sstdp_hw.base.front_door import lazily

if TYPE_CHECKING:
    from .accelerator import Accelerator as Accelerator
    from .accelerator import Predictions as Predictions
    from .comparison.cosimulation import cosimulate as cosimulate

PLACES = {
    "Accelerator": "accelerator",
    "Predictions": "accelerator",
    "cosimulate": "comparison.cosimulation",
}

__all__ = list(PLACES)  # what `from package import *` takes

__getattr__, __dir__ = lazily(__name__, PLACES)
