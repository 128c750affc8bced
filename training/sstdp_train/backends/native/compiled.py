"""numba's compiler, with a place for what it compiles: it stops where it finds none to write to."""

from pathlib import Path

from sstdp_hw.base.caches import can_write, provide_cache

# It writes beside the source, as Python does, or into the user's home, and is told where when it is
# imported.
if not can_write(Path(__file__).parent / "__pycache__"):
    provide_cache("NUMBA_CACHE_DIR")

from numba import njit

__all__ = ["njit"]
