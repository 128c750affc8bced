"""From the events of a recording to first-spike times: a window, time steps, a coarser sensor."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from ..base.errors import UserError
from ..network.chain import MAX_T
from ..network.layers import Array
from .event_files import taken

#: Channels of a recording: darker, brighter.
POLARITIES = 2

#: Options behind the name of a data set: ``nmnist:steps=8,window=100``.
_OPTIONS = re.compile(r"(?P<base>.+):(?P<options>\w+=[^,:/]*(,\w+=[^,:/]*)*)")
FIRST = "first"


@dataclass(frozen=True)
class Binning:
    """How the events of a recording become spike times.

    Parameters
    ----------
    steps : int
        Time steps, the network's ``t_max``.
    window : float
        Milliseconds that they cover together; later events are left out.
    start : float or "first"
        Time stamp, in milliseconds, at which they begin; or that of the recording's first event.
    downsample : int
        So many rows and columns of the sensor become one input.
    size : (height, width)
        Of the sensor.

    Raises
    ------
    UserError
        If a value is out of its range.
    """

    steps: int
    window: float
    size: tuple[int, int]
    start: float | str = FIRST
    downsample: int = 1

    def __post_init__(self) -> None:
        def check(name: str, good: bool, rule: str) -> None:
            if not good:
                raise UserError(f"Option {name} of events must be {rule}, not {self.told(name)}")

        check("steps", 1 <= self.steps <= MAX_T, f"between 1 and {MAX_T}")
        check("window", 0 < self.window < 1e9, "a positive number of milliseconds")
        check("size", min(self.size) >= 1, "HEIGHTxWIDTH, both positive")
        check(
            "downsample", 1 <= self.downsample <= min(self.size),
            f"between 1 and {min(self.size)}, the sensor's shorter side",
        )  # fmt: skip
        if self.start != FIRST:
            check(
                "start", not isinstance(self.start, str) and 0 <= self.start < 1e9,
                f"milliseconds from 0 on, or {FIRST}",
            )  # fmt: skip

    def told(self, name: str) -> str:
        """An option as it is written."""
        value = getattr(self, name)
        if name == "size":
            return "x".join(map(str, value))
        return f"{value:g}" if isinstance(value, float) else str(value)

    def __str__(self) -> str:
        return ",".join(f"{field.name}={self.told(field.name)}" for field in fields(self))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the spike times: polarities, rows, columns."""
        height, width = self.size
        return POLARITIES, -(-height // self.downsample), -(-width // self.downsample)

    @classmethod
    def given(cls, options: dict[str, str], defaults: Self | None, source: str) -> Self:
        """What options as they are written say, on top of ``defaults``.

        Raises
        ------
        UserError
            If an option is unknown, missing, or its value none.
        """
        readers: dict[str, Callable[[str], Any]] = {
            "steps": int, "window": float, "downsample": int, "start": _start, "size": _size,
        }  # fmt: skip
        values: dict[str, Any] = {}
        for name, text in options.items():
            if name not in readers:
                raise UserError(
                    f"{source}: options of events must be {', '.join(readers)}, not {name!r}"
                )
            try:
                values[name] = readers[name](text)
            except ValueError:
                raise UserError(
                    f"{source}: option {name} must be a number (size: HEIGHTxWIDTH), not {text!r}"
                ) from None
        if defaults is not None:
            return replace(defaults, **values)
        if missing := [name for name in ("steps", "window", "size") if name not in values]:
            raise UserError(
                f"{source}: recordings need the option {missing[0]}, for example "
                f"{source}:steps=8,window=100,size=34x34"
            )
        return cls(**values)


def _start(text: str) -> float | str:
    return text if text == FIRST else float(text)


def _size(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def split_options(name: str) -> tuple[str, dict[str, str]]:
    """The name of a data set and the options behind it; none if there are none."""
    found = _OPTIONS.fullmatch(name)
    if not found:
        return name, {}
    pairs = [option.split("=", 1) for option in found["options"].split(",")]
    return found["base"], dict(pairs)


def first_spikes(events: Array, binning: Binning, source: str = "Events") -> Array:
    """The step of the first event of every input: uint8 `Binning.shape`, ``steps`` for none.

    Parameters
    ----------
    events : structured array [events]
        Fields x, y, t (microseconds) and p (0 or 1), as the package tonic gives them; in any order
        of time.
    binning : Binning
    source : str
        What errors call the events.

    Raises
    ------
    UserError
        If there is no such field, or an event lies beyond the sensor.
    """
    events = taken(events, source)
    height, width = binning.size
    x, y, p = (events[name].astype(np.int64) for name in ("x", "y", "p"))
    for name, value, size in (("x", x, width), ("y", y, height), ("p", p, POLARITIES)):
        if len(value) and not (value.min() >= 0 and value.max() < size):
            wrong = value.max() if value.min() >= 0 else value.min()
            raise UserError(
                f"{source}: {name} of every event must be between 0 and {size - 1}, not {wrong}"
            )
    start = binning.start
    origin = (events["t"].min() if len(events) else 0) if start == FIRST else float(start) * 1000
    step = np.floor((events["t"] - origin) * binning.steps / (binning.window * 1000))
    inside = (step >= 0) & (step < binning.steps)
    times = np.full(binning.shape, binning.steps, np.uint8)
    places = tuple(part[inside] for part in (p, y // binning.downsample, x // binning.downsample))
    np.minimum.at(times, places, step[inside].astype(np.uint8))
    return times
