"""Answers of simulations as they are kept on disk, and under which key."""

from __future__ import annotations

import io
from typing import Any
from zipfile import BadZipFile

import numpy as np

from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.engine.kept import Kept, key_of
from sstdp_hw.network.layers import Array

from ..simulation.packets import Answers
from .segments import TOOLS

_ARRAYS = ("words", "cycles", "first_beats", "spikes", "resets", "loads", "refused")


def kept_answers(kind: str, key: str) -> Kept:
    """`Kept` for tasks whose results are `Answers`."""
    return Kept(kind, key, _packed, _unpacked)


def played_key(directory: GeneratedDirectory, images: Array, **more: Any) -> str:
    """Hash of an accelerator, of the images that Verilator plays to it, and of ``more``."""
    plain = {
        "images": images.shape, "network": directory.network.digest,
        "manifest": directory.manifest, **more,
    }  # fmt: skip
    verilog = directory.verilog.encode()
    return key_of(TOOLS["verilator"], plain, verilog, np.ascontiguousarray(images).tobytes())


def _packed(answers: Answers) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **{n: getattr(answers, n) for n in (*_ARRAYS, "extra", "violated")})
    return packed.getvalue()


def _unpacked(data: bytes) -> Answers:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in _ARRAYS}
            return Answers(**arrays, extra=bool(file["extra"]), violated=bool(file["violated"]))
    except BadZipFile as error:
        raise ValueError(error) from None
