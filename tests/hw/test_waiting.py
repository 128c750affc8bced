"""Waiting for other threads: order, errors, and signals that do not wake the main thread."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sstdp_hw.base.waiting import completed, mapped

LONGEST = 600  # seconds; only a failure takes them


def test_results_come_in_order():
    first_may_end = threading.Event()

    def double(number):
        if number == 1:
            assert first_may_end.wait(LONGEST)
        first_may_end.set()
        return 2 * number

    with ThreadPoolExecutor(2) as pool:
        assert list(mapped(pool, double, [1, 2, 3])) == [2, 4, 6]


def test_an_error_leaves_out_what_has_not_begun():
    begun, failed = [], threading.Event()

    def work(number):
        begun.append(number)
        if number == 0:
            raise ZeroDivisionError
        assert failed.wait(LONGEST)

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ZeroDivisionError):
            list(mapped(pool, work, range(50)))
        failed.set()
    assert len(begun) <= 2


def test_what_is_done_comes_at_once():
    last_may_end = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        slow, quick = pool.submit(last_may_end.wait, LONGEST), pool.submit(int, "3")
        found = completed([slow, quick])
        assert next(found) is quick
        last_may_end.set()
        assert list(found) == [slow]


@pytest.mark.parametrize("way", ["completed", "mapped"])
def test_a_signal_that_another_thread_got_is_heard(way):
    """Its handler runs in the main thread, which would sleep until the work is done."""
    waiting, heard = threading.Event(), threading.Event()

    def work(_item):
        assert waiting.wait(LONGEST)
        signal.raise_signal(signal.SIGINT)
        assert heard.wait(LONGEST)

    with ThreadPoolExecutor(1) as pool:
        found = mapped(pool, work, [0]) if way == "mapped" else completed([pool.submit(work, 0)])
        try:
            with pytest.raises(KeyboardInterrupt):
                waiting.set()
                next(found)
        finally:
            heard.set()


def test_an_interrupt_while_work_is_handed_out_leaves_no_thread_behind():
    """It comes when a thread has begun that the pool does not know yet."""
    begun, ended, heard = threading.Semaphore(0), [], threading.Event()

    class Interrupted(ThreadPoolExecutor):
        def submit(self, *task):
            future = super().submit(*task)
            assert begun.acquire(timeout=LONGEST)
            signal.raise_signal(signal.SIGINT)
            return future

    def work(number):
        begun.release()
        assert heard.wait(LONGEST)
        ended.append(number)

    with Interrupted(2) as pool:
        with pytest.raises(KeyboardInterrupt):
            list(mapped(pool, work, [0, 1]))
        heard.set()
    assert sorted(ended) == [0, 1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
