"""The container of both kinds of network: a safetensors file of named tensors and a JSON object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..base.errors import UserError
from ..base.files import written_whole
from . import ready_files
from .layers import Array

METADATA_KEY = "sstdp_hw"


def write_tensors(path: Path | str, tensors: dict[str, Array], header: dict[str, Any]) -> None:
    """Write tensors and one metadata entry, whole or not at all; same input, same bytes."""
    from safetensors.numpy import save

    try:
        text = json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: provenance must be JSON of finite numbers ({error})") from None
    data = save(
        {name: np.ascontiguousarray(tensor) for name, tensor in sorted(tensors.items())},
        metadata={METADATA_KEY: text},
    )
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def read_tensors(path: Path | str, what: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read all tensors of a safetensors file and the JSON object of its ``sstdp_hw`` metadata.

    ``path`` may be ``ready:NAME``; ``what`` names the file's role in errors ("network").
    """
    from safetensors import SafetensorError, safe_open

    file = ready_files.located(path)
    if not file.is_file():
        raise UserError(f"{path}: no such {what} file")
    try:
        with safe_open(str(file), framework="numpy") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: the {what} must be a whole safetensors file of numpy types ({reason})"
        ) from None
    if METADATA_KEY not in metadata:
        raise UserError(
            f"{path}: the {what} must have the metadata entry {METADATA_KEY!r}, not "
            f"{sorted(metadata) or 'none'}"
        )
    try:
        header = json.loads(metadata[METADATA_KEY], parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: metadata {METADATA_KEY} must be JSON ({error})") from None
    if not isinstance(header, dict):
        raise UserError(
            f"{path}: metadata {METADATA_KEY} must be a JSON object, not {type(header).__name__}"
        )
    return tensors, header
