"""Work side by side in several processes, results in order."""

import mmap
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

_work: Callable | None = None


def shared(shape: tuple[int, ...], dtype) -> np.ndarray:
    """An array of zeros that forks made afterwards can write to, and everybody sees it: no result need travel."""
    array = np.frombuffer(mmap.mmap(-1, max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)), dtype)
    return array[: int(np.prod(shape))].reshape(shape)


def in_order(work: Callable[[Any], Any], items: Iterable, processes: int) -> Iterator:
    """Results of `work` for all `items`, in their order; only a few more than `processes` are waiting at a time.

    The processes are forks, so `work` may be any function and see everything that is there when the first result is
    asked for; what it changes stays in its fork, but for `shared` arrays. With one process it is called here. Threads
    would wait for one another: numpy's short calls keep the interpreter's lock busy.

    Parameters
    ----------
    work : callable
        Takes an item; what it returns must be picklable.
    items : iterable
        What there is to do.
    processes : int
        Most processes at a time.
    """
    global _work
    items = list(items)
    processes = min(processes, len(items))
    if processes <= 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(work, items)
        return
    _work = work
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        waiting = deque()
        try:
            for item in items:
                waiting.append(pool.submit(_call, item))
                if len(waiting) > processes + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            _work = None
            # Futures that are cancelled one by one may be waited for for ever (CPython issue 94440, before 3.11.4).
            pool.shutdown(cancel_futures=True)


def _call(item):
    return _work(item)
