"""The pool of threads: who is woken, and who looks once more before it sleeps."""

import threading

import pytest
from allumette_cpu.runtime import driver


def test_a_worker_looks_once_more_after_it_can_be_seen_asleep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = driver.Pool(2)
    looks: list[int] = []  # how many workers a caller would have woken during each look
    looked = threading.Semaphore(0)

    def work(address: int, thread: int, spins: int) -> None:
        looks.append(len(pool._asleep))
        looked.release()

    monkeypatch.setattr(driver, "_work_function", lambda: work)
    pool.wake()
    for _ in range(2):
        assert looked.acquire(timeout=10)
    assert looks == [0, 1]
    pool.wake()  # and it works again when woken
    for _ in range(2):
        assert looked.acquire(timeout=10)
    assert looks == [0, 1, 0, 1]
