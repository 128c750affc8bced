"""Which backend a training runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sstdp_hw.base.errors import UserError

if TYPE_CHECKING:
    import torch

    from ..rule.backend import Backend

BACKENDS = ("auto", "torch", "native")


def backend_for(name: str, device: torch.device, threads: int = 1) -> Backend:
    """The backend called ``name``; ``auto`` is the native one where it can run.

    The native one uses so many ``threads`` where that changes no result.

    Raises
    ------
    UserError
        If the native backend is asked for and numba is not installed, or the device is not the CPU.
    """
    if name not in BACKENDS:
        raise UserError(
            f"Backend must be {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}, not {name!r}"
        )
    if name == "native" and device.type != "cpu":
        raise UserError(f"Backend native must run on device cpu, not {device}; use --backend torch")
    if name != "torch" and device.type == "cpu":
        try:
            from .native.backend import NativeBackend

            return NativeBackend(threads)
        except ImportError:
            if name == "native":
                raise UserError(
                    "Backend native must have numba installed, and it is not; pip install numba, "
                    "or use --backend torch"
                ) from None
    from .torch.backend import TORCH

    return TORCH
