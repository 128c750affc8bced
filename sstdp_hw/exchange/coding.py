"""How the input of a graph is coded: what the caller says, what lies beside the graph, and where
these contradict each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..base.errors import UserError
from ..network import given
from ..network.chain import INPUT_KINDS, MAX_T, PIXELS, SPIKES, shortened
from ..network.layers import Array
from ..network.ttfs import ttfs_table
from . import around as surroundings
from .around import Around

#: Parts of a provenance that name data sets: those of the other kind of input do not fit.
OF_DATA = ("asked", "dataset")


def choose(
    path: Path | None,
    *,
    t_max: int | None,
    cutoff: int | None,
    encoder: Array | None = None,
    network: Around | None = None,
    input_kind: str | None = None,
) -> Around:
    """Where encoder and steps come from: what the caller gives, else the sidecar, else the table of
    `ttfs_table`.

    A kind of input that the caller asks for goes before the sidecar's: the encoder of a sidecar is
    left out, or the table of `ttfs_table` takes the place of none.

    Raises
    ------
    UserError
        If two of them contradict each other, or there is none.
    """
    refuse_contradiction(input_kind, cutoff, network, encoder)
    beside = None if path is None else surroundings.sidecar_path(path)
    found = network
    if found is None and encoder is None and cutoff is None and beside and beside.is_file():
        found = surroundings.read_sidecar(beside)
    if found is not None:
        if t_max is not None and t_max != found.t_max:
            spikes = SPIKES in (input_kind, found.input_kind)
            whose = f"those of {'' if spikes else 'the encoder in '}{found.source}, {found.t_max}"
            other = "take the sidecar away" if network is None else "leave out the encoder"
            other = other if spikes else "for another encoder give the cutoff, too"
            raise UserError(f"Steps must be {whose}, not {t_max}; {other}")
        return _of_kind(found, input_kind or found.input_kind)
    if t_max is None:
        raise UserError(
            "Time steps must be given, for a NIR graph does not tell them: for example --steps 8"
        )
    if input_kind == SPIKES:
        if not 1 <= t_max <= MAX_T:
            raise UserError(f"Time steps must be between 1 and {MAX_T}, not {t_max}")
        return Around(t_max, None)
    if encoder is None:
        return surroundings.made(t_max, cutoff or 0)
    try:
        return Around(t_max, given.array(encoder, ("uint8",)))
    except given.Unfit as error:
        raise UserError(f"Encoder {error}") from None


def refuse_contradiction(
    input_kind: str | None,
    cutoff: int | None,
    network: Around | None,
    encoder: Array | None = None,
) -> None:
    """Refuse what cannot be true together.

    Raises
    ------
    UserError
        If a cutoff or an encoder is given for spikes, a network of the other kind for its encoder,
        or a cutoff beside an encoder.
    """
    if input_kind is not None and input_kind not in INPUT_KINDS:
        raise UserError(
            f"Input must be {' or '.join(INPUT_KINDS)}, not {shortened(repr(input_kind))}"
        )
    if network is not None and input_kind not in (None, network.input_kind):
        raise UserError(
            f"Encoder must be that of a network whose input is {input_kind}, and the input of "
            f"{network.source} is {network.input_kind}; leave out the encoder, or the kind of input"
        )
    if input_kind == SPIKES:
        for what, value in (("Cutoff", cutoff), ("Encoder", encoder)):
            if value is not None:
                raise UserError(
                    f"{what} must be left out where the input is spikes, which no encoder makes of "
                    "pixels; leave out one of the two"
                )
    if network is not None and cutoff is not None:
        raise UserError("Cutoff must be left out where the encoder is that of a network")


def _of_kind(found: Around, kind: str) -> Around:
    """The same with input of a kind. Spike channels are those that the encoder's planes make."""
    if kind == found.input_kind:
        return found
    told = {key: value for key, value in (found.provenance or {}).items() if key not in OF_DATA}
    if kind == PIXELS:
        return replace(found, encoder=ttfs_table(found.t_max, 0), provenance=told)
    shape = found.input_shape
    if shape is not None:
        shape = (shape[0] * found.planes, *shape[1:])
    return replace(found, encoder=None, input_shape=shape, provenance=told)
