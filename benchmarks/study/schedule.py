"""Carries out chains on several processes, one thread each, and tells every finished run."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from sstdp_hw.base.waiting import HEARD_SECONDS, signals_held
from sstdp_hw.command.interruption import Terminated, signals_raised

from .chain import Chain, Record, carry_out
from .declaration import Run

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

#: From the request to a process to end until its end by force: a batch of images may take a while.
GRACE_SECONDS = 10.0

Report = Callable[[Chain, Run, Record], None]


def carry_out_all(chains: Sequence[Chain], jobs: int, report: Report) -> list[str]:
    """Carry out the chains, ``jobs`` at a time; 0 does it in this process, for tests.

    Returns
    -------
    list of str
        One line for every chain whose process died; its finished runs are kept.
    """
    if jobs == 0:
        for chain in chains:
            carry_out(chain, lambda run, record, chain=chain: report(chain, run, record))
        return []
    waiting, running, died = deque(chains), {}, []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                chain = waiting.popleft()
                with signals_held():  # or a process might run that is not known here
                    connection, process = _start(chain)
                    running[connection] = (chain, process)
            for connection in wait(list(running), HEARD_SECONDS):
                assert isinstance(connection, Connection)
                chain, process = running[connection]
                try:
                    report(chain, *connection.recv())
                except EOFError:
                    del running[connection]
                    process.join()
                    if process.exitcode:
                        died.append(f"{chain}: its process ended with status {process.exitcode}")
    finally:  # nothing is left on an interrupt
        with signals_held():
            for _, process in running.values():
                process.terminate()
            for _, process in running.values():
                process.join(GRACE_SECONDS)
                process.kill()
                process.join()
    return died


def _start(chain: Chain) -> tuple[Connection, BaseProcess]:
    """A process for the chain, and the end of the pipe that its finished runs come out of.

    Spawned, not forked: a fork would inherit the threads of torch in an unknown state.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(chain, theirs), daemon=True)
    with _one_thread_in_children():
        process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    return ours, process


def _work(chain: Chain, results: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    try:
        with signals_raised():
            carry_out(chain, lambda run, record: results.send((run, record)))
    except Terminated as ended:
        sys.exit(ended.status)
    sys.stderr.flush()


@contextmanager
def _one_thread_in_children() -> Iterator[None]:
    """Numerical libraries read these when they are loaded, so the child must be born with them."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
