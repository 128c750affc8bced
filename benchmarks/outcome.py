"""The end of a benchmark, as of a verb: bad input and signals are a line and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.interruption import Terminated, signals_raised


def carried_out(program: str, run: Callable[[], int], hint: str = "") -> int:
    """Exit status of ``run``, or 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP.

    Parameters
    ----------
    program : str
        What the line begins with.
    hint : str
        What to do after a signal.
    """
    try:
        with signals_raised():
            return run()
    except UserError as error:
        return _told(f"{program}: error: {error}", 2)
    except KeyboardInterrupt:
        return _told(f"{program}: interrupted{hint and '; ' + hint}", 130)
    except Terminated as ended:
        return _told(f"{program}: terminated{hint and '; ' + hint}", ended.status)


def _told(line: str, status: int) -> int:
    print(line, file=sys.stderr)
    return status
