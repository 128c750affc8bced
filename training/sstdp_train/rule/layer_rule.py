"""What one layer does with errors: the choices of the rule, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerRule:
    """What one layer does with errors.

    Parameters
    ----------
    t_max : int
        Number of time steps; this spike time means silent.
    depression : float
        ``b`` of the STDP window.
    normalize_error : bool
        Scale each sample's error to Euclidean length 1 first and average over the batch, as the
        published script does.
    gate : float
        Neurons with ``|V - theta| >= gate * |theta|`` at their spike have no error; 0 for no gate.
    gate_shape : str
        ``rectangle`` lets all other errors through whole, ``triangle`` in proportion to the
        distance from the edge of the gate.
    wake_silent : bool
        Send errors to silent inputs too; having no spike time, they are never late.
    unit : float
        Membrane potential that one unit of weight is worth (the weight scale of a quantized layer).
    """

    t_max: int
    depression: float = 0.0
    normalize_error: bool = False
    gate: float = 0.0
    gate_shape: str = "rectangle"
    wake_silent: bool = False
    unit: float = 1.0
