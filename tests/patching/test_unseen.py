"""What a job in a pool raised and nobody has asked for is told; what somebody has looked at is not."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing.pool
import socket
import warnings

import pytest

from simsock import UnseenErrorWarning


def divide():
    return 1 / 0


def look_up():
    return {}["key"]


def _submits():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(divide)


def _waits():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        concurrent.futures.wait([pool.submit(divide), pool.submit(int)])


def _applies():
    with multiprocessing.pool.ThreadPool(2) as pool:
        pool.apply_async(divide).wait()


def _maps():
    with multiprocessing.pool.ThreadPool(2) as pool:
        pool.map_async(lambda _: divide(), [1, 2]).wait()


def _looks_at_another_kind():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(divide)
        with pytest.raises(KeyError):
            pool.submit(look_up).result()


@pytest.mark.parametrize("program", [_submits, _waits, _applies, _maps, _looks_at_another_kind])
def test_it_is_told_with_its_place(world, program):
    with (
        pytest.warns(UnseenErrorWarning, match=r"nobody has looked at what .*: ZeroDivisionError: division by zero \(.*test_unseen.py:\d+ in divide\)$"),
        world(),
    ):
        program()


def test_it_is_a_note_on_what_fails_the_test(world):
    with pytest.raises(AssertionError) as caught, world():
        _submits()
        raise AssertionError("something else")
    assert [text for text in caught.value.__notes__ if text.startswith("nobody has looked at")]
    with pytest.raises(KeyError) as caught, world() as sim:
        _submits()
        sim.spawn(look_up)
    assert [text for text in caught.value.__notes__ if text.startswith("nobody has looked at")]


def _asks():
    with concurrent.futures.ThreadPoolExecutor() as pool, pytest.raises(ZeroDivisionError):
        pool.submit(divide).result()


def _asks_for_the_error():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert isinstance(pool.submit(divide).exception(), ZeroDivisionError)


def _asks_for_the_first():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        jobs = [pool.submit(divide) for _ in range(3)]
        with pytest.raises(ZeroDivisionError):
            [job.result() for job in concurrent.futures.as_completed(jobs)]


def _maps_lazily():
    with concurrent.futures.ThreadPoolExecutor() as pool, pytest.raises(ZeroDivisionError):
        list(pool.map(lambda _: divide(), range(3)))


def _calls_back():
    found = []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(divide).add_done_callback(lambda job: found.append(job.exception()))
    assert [type(error) for error in found] == [ZeroDivisionError]


def _awaits():
    async def main():
        with pytest.raises(ZeroDivisionError):
            await asyncio.get_running_loop().run_in_executor(None, divide)

    asyncio.run(main())


def _has_a_callback_for_errors():
    found = []
    with multiprocessing.pool.ThreadPool(2) as pool:
        pool.apply_async(divide, error_callback=found.append).wait()
    assert len(found) == 1


def _gets():
    with multiprocessing.pool.ThreadPool(2) as pool, pytest.raises(ZeroDivisionError):
        pool.apply(divide)


def _returns_an_error():
    with multiprocessing.pool.ThreadPool(2) as pool, concurrent.futures.ThreadPoolExecutor() as other:
        pool.apply_async(ZeroDivisionError).wait()
        other.submit(ZeroDivisionError)


def _is_left_waiting():
    pool = concurrent.futures.ThreadPoolExecutor()
    pool.submit(socket.socketpair()[0].recv, 1)


@pytest.mark.parametrize(
    "program", [_asks, _asks_for_the_error, _asks_for_the_first, _maps_lazily, _calls_back, _awaits, _has_a_callback_for_errors, _gets, _returns_an_error]
)
def test_what_somebody_has_looked_at_is_not(world, program):
    with world():
        program()


@pytest.mark.filterwarnings("ignore::simsock.LeakWarning")
def test_what_ends_with_its_world_is_not(world):
    with world():
        _is_left_waiting()


class Frees:
    """Says when it is gone."""

    def __init__(self, gone):
        self.gone = gone

    def __del__(self):
        self.gone.append(True)


def test_what_a_job_had_lives_no_longer_for_it(world):
    gone = []

    def fails():
        kept = Frees(gone)
        raise ValueError(kept is None)

    def program(sim):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            pool.submit(fails)
        sim.settle()
        assert gone == [True]

    with pytest.warns(UnseenErrorWarning, match=r"ValueError: False \("), world() as sim:
        program(sim)


def test_an_error_with_words_of_the_programs_own_is_told_by_its_class(world):
    class Own(Exception):
        def __str__(self):
            raise AssertionError("this is the program's code")

    def fails():
        raise Own("x")

    with pytest.warns(UnseenErrorWarning, match=r": .*Own \(.*in .*fails\)$"), world(), concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(fails)


def test_outside_worlds_futures_are_as_they_were(world):
    before = dict(vars(concurrent.futures.Future))
    with world():
        job = concurrent.futures.Future()
        assert "_exception" in vars(concurrent.futures.Future)
    assert {name for name in vars(concurrent.futures.Future) if name != "__hash__"} == {name for name in before if name != "__hash__"}
    job.set_exception(KeyError("late"))
    assert isinstance(job.exception(), KeyError)
    with warnings.catch_warnings(), concurrent.futures.ThreadPoolExecutor() as pool:
        warnings.simplefilter("error")
        pool.submit(divide)
