"""Amaranth gateware of the accelerator, its generator, and builds for FPGAs."""

from typing import TYPE_CHECKING

from sstdp_hw.base.front_door import lazily

if TYPE_CHECKING:
    from .generator.generate import generate as generate
    from .synthesis.bitstream import build as build
    from .synthesis.implement import implement as implement
    from .synthesis.result import BuildResult as BuildResult

PLACES = {
    "BuildResult": "synthesis.result",
    "build": "synthesis.bitstream",
    "generate": "generator.generate",
    "implement": "synthesis.implement",
}

__all__ = list(PLACES)  # what `from package import *` takes

__getattr__, __dir__ = lazily(__name__, PLACES)
