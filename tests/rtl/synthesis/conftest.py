"""One generated folder per test, and a cache of its own."""

import pytest
from rtl.synthesis import stand_in

from sstdp_hw.base import fpga_tools as tools


@pytest.fixture
def accelerator(tmp_path):
    """A folder as the generator writes it."""
    return stand_in.write(tmp_path / "accelerator")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """The user's cache and tools stay out of the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable, *_wheel in tools._WHEELS.values():
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "cache" / "sstdp-hw" / "build"
