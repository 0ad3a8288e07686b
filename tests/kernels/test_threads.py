"""Work that is spread over threads is done once, in whatever thread, and ends with its errors."""

from __future__ import annotations

import threading
import time
import weakref

import pytest

import tinygrad_lite as tl
from tinygrad_lite.kernels import threads
from tinygrad_lite.kernels.threads import spread

pytest.importorskip("numba", reason="without Numba nothing is spread")


@pytest.fixture(params=[2, 3, 5])
def several(request):
    before = tl.get_num_threads()
    tl.set_num_threads(request.param)
    yield request.param
    tl.set_num_threads(before)


def everything_done_by(count):
    done = []
    spread(lambda a, b: done.extend(range(a, b)), count, 1e9)
    return sorted(done)


def test_every_range_is_done_once_however_often(several):
    for count in (1, 2, 3, 7, 100):
        for pause in (0.0, 0.0, 0.0, 1e-3):  # awake threads, and sleeping ones
            time.sleep(pause)
            assert everything_done_by(count) == list(range(count))


def test_many_jobs_in_a_row_are_all_done(several):
    total = []
    for k in range(3000):
        spread(lambda a, b: total.append(b - a), 10, 1e9)
        assert sum(total) == 10 * (k + 1)


def test_what_a_task_holds_is_freed_when_it_is_done(several):
    class Large:
        pass

    held = Large()
    gone = weakref.ref(held)
    spread(lambda a, b, held=held: None, 10, 1e9)
    del held
    assert gone() is None


def test_a_small_task_stays_in_its_thread(several):
    names = []
    spread(lambda a, b: names.append((threading.current_thread(), a, b)), 10, 10.0)
    assert names == [(threading.current_thread(), 0, 10)]


def test_an_error_in_any_range_is_raised_and_the_next_job_is_done(several):
    def fail(a, b):
        raise KeyError(a)

    for _ in range(20):
        with pytest.raises(KeyError):
            spread(fail, several, 1e9)
    done = []
    spread(lambda a, b: done.append(b - a), 10, 1e9)
    assert sum(done) == 10


def test_threads_of_a_program_and_jobs_within_jobs_do_not_wait_for_each_other(several):
    done = []

    def outer(a, b):
        spread(lambda c, d: done.extend(range(c, d)), 10, 1e9)

    users = [threading.Thread(target=lambda: [spread(outer, 4, 1e9) for _ in range(50)]) for _ in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join(60)
    assert len(done) == 4 * 50 * min(4, several) * 10


def test_threads_end_when_another_number_is_asked_for():
    before, others = tl.get_num_threads(), set(threading.enumerate())
    try:
        tl.set_num_threads(4)
        spread(lambda a, b: None, 8, 1e9)
        started = set(threading.enumerate()) - others
        assert len(threads._crews) == 1 and len(started) == 3
        tl.set_num_threads(2)
        for thread in started:
            thread.join(10)
            assert not thread.is_alive()
    finally:
        tl.set_num_threads(before)


def test_processors_that_others_use_are_not_waited_for_again_and_again():
    """After a thread that came late, for its processor was taken, jobs stay where they are given for a time."""
    before = tl.get_num_threads()
    tl.set_num_threads(2)
    try:
        main, used = threading.get_ident(), []

        def task(first, last):
            used.append(threading.get_ident())
            time.sleep(0 if used[-1] == main else 0.05)

        for _ in range(100):  # until the other thread was there in time to take its part
            spread(task, 2, 1e9)
            if used[-2:] != [main, main]:
                break
        assert main in used and len(set(used)) == 2
        used.clear()
        spread(task, 2, 1e9)
        assert used == [main, main]
        time.sleep(1.1)
        used.clear()
        for _ in range(100):
            spread(task, 2, 1e9)
        assert len(set(used)) == 2, "the other thread is never asked again"
    finally:
        tl.set_num_threads(before)


def test_a_range_over_pieces_is_a_range_of_each_that_it_meets():
    sizes = [3, 0, 2, 4]
    places = [(k, n) for k, size in enumerate(sizes) for n in range(size)]
    for start in range(10):
        for stop in range(start, 10):
            found = [(k, n) for k, first, last in threads.shares(start, stop, sizes) for n in range(first, last)]
            assert found == places[start:stop]
