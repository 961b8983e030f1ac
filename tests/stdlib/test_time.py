"""The virtual clock by its standard names, and what the stand-in for ``os`` lets through."""

from __future__ import annotations

import os as real_os
import time as real_time

import pytest

from simsock.errors import StepLimit, Unsupported, UsageError, WorldEnded
from simsock.kernel.files import FIRST_DESCRIPTOR, OpenFile
from simsock.stdlib import os, time

SECOND = 1_000_000_000
LATE = 1_000
"""So many nanoseconds every sleep of a program takes longer than it was told."""


def test_a_sleep_takes_a_microsecond_more_than_it_says_and_no_real_time(world):
    with world() as kernel:
        assert time.sleep(86_400) is None
        assert kernel.now == 86_400 * SECOND + LATE
        time.sleep(0.07)
        assert kernel.now == 86_400 * SECOND + 70_000_000 + 2 * LATE
        time.sleep(True)
        assert kernel.now == 86_401 * SECOND + 70_000_000 + 3 * LATE


def test_seconds_are_rounded_to_the_nearest_nanosecond(world):
    with world() as kernel:
        assert int(2.01 * 1e9) == 2_009_999_999  # what a mere cut would make of it
        time.sleep(2.01)
        assert kernel.now == 2_010_000_000 + LATE


def test_sleepers_wake_in_the_order_of_their_deadlines(world):
    with world() as kernel:
        log = []
        for seconds in (3, 1, 2, 1):
            kernel.spawn(lambda seconds=seconds: (time.sleep(seconds), log.append((seconds, kernel.now))))
        time.sleep(10)
        assert log == [(seconds, seconds * SECOND + LATE) for seconds in (1, 1, 2, 3)]


def test_sleeping_for_nothing_lets_the_others_run(world):
    with world() as kernel:
        log = []
        kernel.spawn(lambda: log.append("other"))
        time.sleep(0)
        log.append("first")
        assert log == ["other", "first"] and kernel.now == 0


@pytest.mark.parametrize(
    ("seconds", "error", "text"),
    [
        (-1, ValueError, "^sleep length must be non-negative$"),
        (-0.001, ValueError, "^sleep length must be non-negative$"),
        (float("nan"), ValueError, r"^Invalid value NaN \(not a number\)$"),
        (float("inf"), OverflowError, "timestamp"),
        ("1", TypeError, "str"),
        (None, TypeError, "NoneType"),
    ],
)
@pytest.mark.parametrize("module", [real_time, time])
def test_senseless_sleeps_are_refused_like_the_real_ones(world, module, seconds, error, text):
    with world(), pytest.raises(error, match=text):
        module.sleep(seconds)


def test_the_clocks_start_where_they_are_said_to_and_go_together(world):
    with world() as kernel:
        assert time.time() == 1_767_225_600.0 and time.time_ns() == 1_767_225_600 * SECOND
        assert time.monotonic() == time.perf_counter() == 1000.0
        assert time.process_time() == time.thread_time() == 0.0
        kernel.sleep(SECOND + SECOND // 2)
        assert time.time() == 1_767_225_601.5 and time.time_ns() == 1_767_225_601 * SECOND + SECOND // 2
        assert time.monotonic() == time.perf_counter() == 1001.5
        assert time.monotonic_ns() == time.perf_counter_ns() == 1001 * SECOND + SECOND // 2
        assert time.process_time_ns() == time.thread_time_ns() == kernel.now == 1.5 * SECOND


def test_the_worlds_start_time_is_the_wall_clocks(world):
    with world() as kernel:
        kernel.epoch_ns = 1_700_000_000 * SECOND
        kernel.sleep(SECOND)
        assert time.time() == 1_700_000_001.0 and time.monotonic() == 1001.0


def test_the_systems_clocks_by_number(world):
    with world():
        time.sleep(1)
        assert time.clock_gettime(time.CLOCK_REALTIME) == time.time()
        assert time.clock_gettime(time.CLOCK_MONOTONIC) == time.clock_gettime(time.CLOCK_BOOTTIME) == time.monotonic()
        assert time.clock_gettime_ns(time.CLOCK_THREAD_CPUTIME_ID) == SECOND + LATE
        with pytest.raises(Unsupported, match="clock 99"):
            time.clock_gettime(99)


def test_what_defaults_to_now_defaults_to_the_virtual_now(world):
    with world():
        time.sleep(86_400)
        assert time.gmtime()[:6] == (2026, 1, 2, 0, 0, 0)
        now = time.time()
        assert time.localtime() == real_time.localtime(now)
        assert time.ctime() == time.asctime() == real_time.ctime(now)
        assert time.strftime("%Y %j %H:%M:%S") == real_time.strftime("%Y %j %H:%M:%S", real_time.localtime(now))


def test_what_is_given_a_moment_does_as_the_real_one():
    assert time.gmtime(0) == real_time.gmtime(0)
    assert time.ctime(5) == real_time.ctime(5)
    moment = real_time.gmtime(86_400)
    assert time.asctime(moment) == real_time.asctime(moment)
    assert time.strftime("%Y-%m-%d", moment) == "1970-01-02"
    assert time.mktime(time.localtime(12_345)) == 12_345
    assert time.strptime("2001", "%Y") == real_time.strptime("2001", "%Y")
    assert time.struct_time is real_time.struct_time and time.timezone == real_time.timezone


@pytest.mark.parametrize("clock", ["time", "monotonic", "perf_counter_ns", "process_time"])
def test_spinning_on_a_clock_comes_to_an_end(world, clock):
    with world() as kernel:
        read = getattr(time, clock)
        unit = SECOND if clock.endswith("_ns") else 1
        end = read() + unit
        while read() < end:
            pass
        assert SECOND <= kernel.now < 1.01 * SECOND
        assert kernel.steps < 10_000


def test_two_tasks_that_spin_on_a_clock_both_come_to_an_end_whatever_the_schedule(world):
    for seed in (None, 1, 2, 3):
        with world(seed) as kernel:

            def spin(seconds):
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    pass

            for task in [kernel.spawn(spin, (seconds,)) for seconds in (0.5, 0.5, 0.25)]:
                task.result()
            assert 0.5 * SECOND <= kernel.now < 0.6 * SECOND


def test_reading_the_clock_now_and_then_takes_no_time(world):
    with world() as kernel:
        for _ in range(200):
            time.time()
        assert kernel.now == 0
        for _ in range(200):
            time.sleep(1)
            for _ in range(100):
                time.monotonic()
        assert kernel.now == 200 * (SECOND + LATE)


def test_while_the_world_ends_the_clock_can_be_read_but_not_for_ever(world):
    log = []
    with world() as kernel:

        def tidy():
            try:
                time.sleep(100)
            finally:
                log.append(time.monotonic())
                with pytest.raises(WorldEnded):
                    time.sleep(1)
                try:
                    while True:
                        time.time()
                except WorldEnded:
                    log.append("enough")

        kernel.spawn(tidy)
        kernel.yield_()
    assert log == [1000.0, "enough"]


def test_outside_every_world_there_is_no_virtual_time():
    for call in (time.time, time.monotonic, time.gmtime, lambda: time.sleep(1)):
        with pytest.raises(UsageError, match="no world is running"):
            call()


def test_a_spin_that_reads_no_clock_meets_the_limit_of_steps(world):
    with world(steps=5_000) as kernel, pytest.raises(StepLimit):
        while True:
            kernel.point()


def test_every_function_of_the_real_module_is_here_or_says_that_it_is_not():
    for name in dir(real_time):
        if name.startswith("_"):
            continue
        try:
            assert getattr(time, name) is not None
        except Unsupported as error:
            assert f"time.{name}" in str(error)  # noqa: PT017
    for name in ("time", "sleep", "monotonic", "localtime", "strftime"):
        assert getattr(time, name) is not getattr(real_time, name)
    with pytest.raises(Unsupported, match=r"time\.tzset"):
        _ = time.tzset
    with pytest.raises(AttributeError, match="no attribute 'tiem'"):
        _ = time.tiem
    assert {"time", "sleep", "strptime"} <= set(time.__all__) and all(hasattr(time, name) for name in time.__all__)


# os


class Thing(OpenFile):
    closed = False

    def released(self):
        self.closed = True


def test_simulated_descriptors_are_closed_and_duplicated(world):
    with world() as kernel:
        thing = Thing(kernel)
        fd = kernel.process.open(thing)
        again = os.dup(fd)
        assert again != fd and kernel.files[again] is thing
        os.close(fd)
        assert not thing.closed
        os.close(again)
        assert thing.closed
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.close(FIRST_DESCRIPTOR)


def test_real_descriptors_are_the_real_systems(world):
    with world():
        reader, writer = real_os.pipe()
        again = os.dup(writer)
        assert os.write(again, b"x") == 1 and os.read(reader, 5) == b"x"
        for fd in (reader, writer, again):
            os.close(fd)
        with pytest.raises(OSError, match="Bad file descriptor"):
            real_os.fstat(reader)


def test_what_else_is_done_to_a_simulated_descriptor_is_an_error_that_names_it(world):
    with world() as kernel:
        fd = kernel.process.open(Thing(kernel))
        with pytest.raises(Unsupported, match=f"descriptor {fd}"):
            os.fchmod(fd, 0)
        for call in (lambda: os.read(fd, 1), lambda: os.write(fd, b"")):
            with pytest.raises(OSError, match="Invalid argument"):  # as of an epoll
                call()
        for name in ("lseek", "ftruncate", "sendfile", "ttyname"):
            with pytest.raises(OSError, match=r"Illegal seek|Invalid argument|Inappropriate ioctl"):
                getattr(os, name)(*((1, fd, 0, 1) if name == "sendfile" else (fd,)))


def test_processes_come_later(world):
    with world():
        for name in ("fork", "forkpty", "register_at_fork", "_exit", "waitpid", "system", "kill", "execv", "posix_spawn"):
            with pytest.raises(Unsupported, match=f"os.{name}: "):
                getattr(os, name)(0, 0)


def test_everything_else_is_the_real_modules():
    assert os.path is real_os.path and os.getpid() == real_os.getpid() and os.environ is real_os.environ
    assert os.WNOHANG == real_os.WNOHANG and hasattr(os, "fork") and len(os.urandom(4)) == 4
    assert "fsencode" in dir(os)
    with pytest.raises(AttributeError, match="no attribute 'pathh'"):
        _ = os.pathh
