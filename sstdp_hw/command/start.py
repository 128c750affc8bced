"""The program ``sstdp-hw``, from its first line on. Imports nothing else before it has begun."""

from __future__ import annotations

import signal


def main() -> int:
    """Run the command line of the process and return its exit status.

    While libraries are read, and when all is done, nothing has to be cleared away: an interrupt
    then just ends the process, where Python would show in which library it was.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is to be ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as run

    return run()
