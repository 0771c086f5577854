"""The reference's products do not depend on how many threads BLAS would use."""

import threading

import allumette_core as al
import numpy as np
import pytest
from allumette_core.backend.blas import OneThread
from threadpoolctl import ThreadpoolController

BLAS = ThreadpoolController().select(user_api="blas")


def counts() -> list[int]:
    return [library.get_num_threads() for library in BLAS.lib_controllers]


def test_entered_again_and_left_in_any_order() -> None:
    before, one = counts(), OneThread()
    with one:
        with one:
            assert counts() == [1] * len(before)
        assert counts() == [1] * len(before)
    assert counts() == before


def test_given_back_after_an_error() -> None:
    before, one = counts(), OneThread()
    with pytest.raises(KeyError), one:
        raise KeyError
    assert counts() == before


def test_many_threads_take_turns_and_leave_it_as_it_was() -> None:
    before, one, inside, most = counts(), OneThread(), [], []

    def work() -> None:
        for _ in range(200):
            with one:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts() == before
    assert set(most) == {1}


def test_any_thread_may_hold_it_whoever_came_first() -> None:
    before, one, seen = counts(), OneThread(), []

    def work() -> None:
        with one:
            seen.append(counts())

    with one:
        pass
    for limits in (2, None):  # this thread controls what others may set, or did
        with BLAS.limit(limits=limits):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert seen == [[1] * len(before)] * 2
    assert counts() == before


def test_the_same_bits_for_any_number_of_blas_threads() -> None:
    x = np.random.default_rng(0).random((300, 700), np.float32)
    t = al.tensor(x, device="numpy")
    results = []
    for threads in (1, 2):
        with BLAS.limit(limits=threads):
            results.append(np.asarray(t @ t.T).tobytes())
    assert results[0] == results[1]
