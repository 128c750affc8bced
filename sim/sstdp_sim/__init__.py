"""Co-simulation of a generated accelerator against the integer reference."""

from .accelerator import Accelerator, Predictions

__all__ = ["Accelerator", "Predictions"]
