"""What a search chooses from: the network's weights, and the accelerator that is to run it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ..base.errors import UserError
from ..blocks.hardware import PIXELS_PER_BEAT
from ..network.chain import MAX_T, PIXELS
from ..network.float_network import FloatNetwork

#: Weights of more bits cost what they cost and gain nothing (docs/results.md).
WIDEST = 8
MOST_PRUNED, PRUNING_STEP = 0.6, 0.05


class Suggests(Protocol):
    """A trial of Optuna, as far as it is asked."""

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int: ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


@dataclass(frozen=True)
class Choice:
    """One point of the space.

    Parameters
    ----------
    weight_widths : tuple of int
        In bits, of each weighted layer.
    pruning : float
        Share of the input spikes to save.
    t_max : int
    lanes : tuple of int
        Of each weighted layer; a layer whose words would be too wide gets fewer.
    pixels_per_beat : int
    """

    weight_widths: tuple[int, ...]
    pruning: float
    t_max: int
    lanes: tuple[int, ...]
    pixels_per_beat: int


@dataclass(frozen=True)
class Space:
    """Bounds of every choice.

    Parameters
    ----------
    spanned : tuple of int
        Most lanes of each weighted layer: its neurons or output channels.
    narrowest : int
        Weight width of the first layer, at least: 2 where pixels are pruned already.
    steps : tuple of int, int
        Least and greatest ``t_max``.
    pruning : float
        Greatest share; 0 where nothing can be pruned.
    pixels_per_beat : tuple of int
    """

    spanned: tuple[int, ...]
    narrowest: int
    steps: tuple[int, int]
    pruning: float
    pixels_per_beat: tuple[int, ...]

    @classmethod
    def of(
        cls, network: FloatNetwork, *, prunes: bool, recodes: bool,
        pixels_per_beat: int | None = None,
    ) -> Space:  # fmt: skip
        """Around a network.

        Parameters
        ----------
        prunes, recodes : bool
            Whether its pixels can be pruned, and its input be coded in another number of steps.
        pixels_per_beat : int, optional
            Only this.

        Raises
        ------
        UserError
            If the input is spikes, and that is not 1.
        """
        if network.input_kind != PIXELS and pixels_per_beat not in (None, 1):
            raise UserError(
                f"Pixels per beat must be 1 where the input is spikes, not {pixels_per_beat}"
            )
        t_max = network.t_max
        beats = PIXELS_PER_BEAT if network.input_kind == PIXELS else (1,)
        return cls(
            tuple(len(layer.weight) for _, layer in network.weighted),
            1 if network.live_inputs.all() else 2,
            (max(2, t_max // 2), min(MAX_T, 2 * t_max)) if recodes else (t_max, t_max),
            MOST_PRUNED if prunes else 0.0,
            beats if pixels_per_beat is None else (pixels_per_beat,),
        )

    def suggested(self, trial: Suggests) -> Choice:
        """Ask for every choice, in the same order whatever the answers: a sampler that looks at
        all of them together needs them all. What cannot be is not done: a first layer of one bit
        has no weights of 0, and so nothing is pruned."""
        widths = tuple(
            trial.suggest_int(f"weight_width.{place}", 1 if place else self.narrowest, WIDEST)
            for place in range(len(self.spanned))
        )
        pruning = 0.0
        if self.pruning:
            pruning = trial.suggest_float("pruning", 0.0, self.pruning, step=PRUNING_STEP)
        t_max = self.steps[0]
        if self.steps[0] < self.steps[1]:
            t_max = trial.suggest_int("t_max", *self.steps)
        lanes = tuple(
            trial.suggest_int(f"lanes.{place}", 1, most, log=True)
            for place, most in enumerate(self.spanned)
        )
        beat = self.pixels_per_beat[0]
        if len(self.pixels_per_beat) > 1:
            beat = trial.suggest_categorical("pixels_per_beat", self.pixels_per_beat)
        return Choice(widths, round(pruning, 4) if widths[0] > 1 else 0.0, t_max, lanes, beat)

    def to_json(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in vars(self).items()}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Iterable) else value
