"""The checkpoint of an unfinished run: everything that the rest of the training depends on."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from sstdp_hw.base.errors import UserError, first_line
from sstdp_hw.base.files import written_whole

FILE_NAME = "checkpoint.pt"
FORMAT = "sstdp-train-1"
PARTS = {
    "recipe": dict, "epoch": int, "network": dict, "average": dict, "optimizer": dict, "best": dict,
    "history": list, "data": dict, "backend": str, "asked": dict, "scales": list, "seconds": float,
}  # fmt: skip


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all; ``state`` holds tensors and plain values only."""
    data = io.BytesIO()  # on a full or read-only disk torch's own writer raises RuntimeError
    torch.save({"format": FORMAT, **state}, data)
    with written_whole(path) as temporary:
        temporary.write_bytes(data.getbuffer())


def load(path: Path) -> dict[str, Any]:
    """Read and check a checkpoint. Nothing in the file is executed.

    Raises
    ------
    UserError
        If the file is missing, damaged, of another format, or holds NaN.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint; start the run without --resume")
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not look at the checksums
            if archive.testzip():
                raise ValueError("a checksum is wrong")
        with warnings.catch_warnings():  # about odd pickles; they are refused below
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a file that is no checkpoint may raise anything
        reason = first_line(error)[:100]
        raise UserError(
            f"{path}: must be a whole checkpoint of `sstdp-hw train` ({reason}); train again with "
            "--overwrite"
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise UserError(f"{path}: checkpoint format must be {FORMAT!r}, not {found!r}")
    if "kernel" in state:  # what a backend was called in the first checkpoints
        state.setdefault("backend", state.pop("kernel"))
    for name, kind in PARTS.items():
        if name not in state:
            raise UserError(f"{path}: checkpoint must hold {name!r}, and it is missing")
        if not isinstance(state[name], kind):
            raise UserError(
                f"{path}: checkpoint part {name!r} must be a {kind.__name__}, not "
                f"{type(state[name]).__name__}"
            )
    if not state["epoch"] == len(state["history"]) > 0:
        raise UserError(
            f"{path}: checkpoint must hold one entry of history per epoch, {state['epoch']}, not "
            f"{len(state['history'])}"
        )
    _refuse_not_finite(path, state)
    return state


def _refuse_not_finite(path: Path, state: dict[str, Any]) -> None:
    """NaN spreads to everything it meets; better no run than a silent wrong one."""
    tensors = dict(state["network"])
    tensors |= {f"average.{name}": value for name, value in state["average"].items()}
    moments = state["optimizer"].get("state")
    for index, values in moments.items() if isinstance(moments, dict) else ():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    for name, tensor in tensors.items():
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
            bad = int((~torch.isfinite(tensor)).sum())
            if bad:
                raise UserError(
                    f"{path}: {name} must be finite, and has {bad} NaN or infinite of "
                    f"{tensor.numel()} values; train again with a lower --learning-rate"
                )
