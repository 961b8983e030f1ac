"""Threads, conditions, events, barriers, timers and ``local``."""

from __future__ import annotations

import threading as real_threading
import weakref

import pytest

from simsock.errors import Deadlock, TaskKilled, Unsupported, UsageError, WorldEnded
from simsock.stdlib import threading, time

SECOND = 1_000_000_000
SEEDS = range(12)


def started(std, *programs):
    """A thread for each program, started."""
    threads = [std.threading.Thread(target=program) for program in programs]
    for thread in threads:
        thread.start()
    return threads


def finish(threads):
    for thread in threads:
        thread.join()


# Threads, as the real ones


def test_a_thread_calls_its_target_with_its_arguments(std):
    seen = []
    thread = std.threading.Thread(target=lambda *args, **kwargs: seen.append((args, kwargs)), args=(1, 2), kwargs={"c": 3})
    assert thread.start() is None
    assert thread.join() is None
    assert seen == [((1, 2), {"c": 3})]


def test_a_subclass_may_override_run(std):
    class Worker(std.threading.Thread):
        def __init__(self):
            super().__init__(name="worker")
            self.seen = None

        def run(self):
            self.seen = std.threading.current_thread()

    worker = Worker()
    worker.start()
    worker.join()
    assert worker.seen is worker


def test_a_thread_lets_go_of_what_it_worked_on(std):
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    thread = std.threading.Thread(target=lambda _: None, args=(thing,))
    del thing
    thread.start()
    thread.join()
    assert gone() is None


def test_a_thread_lives_from_its_start_to_its_end(std):
    event = std.threading.Event()
    thread = std.threading.Thread(target=event.wait)
    assert thread.is_alive() is False and thread.ident is None and thread.native_id is None
    thread.start()
    assert thread.is_alive() is True and isinstance(thread.ident, int) and isinstance(thread.native_id, int)
    event.set()
    thread.join()
    thread.join()
    assert thread.is_alive() is False


def test_the_errors_of_a_thread_used_wrongly(std):
    thread = std.threading.Thread(target=int)
    with pytest.raises(RuntimeError, match="^cannot join thread before it is started$"):
        thread.join()
    thread.start()
    with pytest.raises(RuntimeError, match="^threads can only be started once$"):
        thread.start()
    with pytest.raises(RuntimeError, match="^cannot set daemon status of active thread$"):
        thread.daemon = True
    with pytest.raises(RuntimeError, match="^cannot join current thread$"):
        std.threading.current_thread().join()
    thread.join()
    with pytest.raises(AssertionError, match="^group argument must be None for now$"):
        std.threading.Thread(group=1)


def test_a_subclass_that_forgot_to_call_init_is_told(std):
    class Forgetful(std.threading.Thread):
        def __init__(self):
            pass

    with pytest.raises(RuntimeError, match=r"^thread\.__init__\(\) not called$"):
        Forgetful().start()
    with pytest.raises(RuntimeError, match=r"^Thread\.__init__\(\) not called$"):
        Forgetful().join()
    with pytest.raises(AssertionError, match=r"^Thread\.__init__\(\) not called$"):
        _ = Forgetful().name


def test_names_are_given_or_made_up(std):
    def work():
        pass

    assert std.threading.Thread(name=5).name == "5"
    assert std.threading.Thread(target=work).name.endswith(" (work)")
    assert std.threading.Thread(target=work).name.startswith("Thread-")
    thread = std.threading.Thread()
    thread.name = "other"
    assert thread.name == "other"
    assert repr(thread) == "<Thread(other, initial)>"
    with pytest.deprecated_call():
        assert thread.getName() == "other"


def test_daemon_is_inherited(std):
    seen = []

    def outer():
        seen.append(std.threading.Thread().daemon)
        seen.append(std.threading.Thread(daemon=not seen[0]).daemon)

    for daemon in (True, False):
        thread = std.threading.Thread(target=outer, daemon=daemon)
        assert thread.daemon is daemon
        thread.start()
        thread.join()
    assert seen == [True, False, False, False]
    assert std.threading.Thread().daemon is False


def test_the_threads_that_live_can_be_listed(std):
    event = std.threading.Event()
    before = std.threading.active_count()
    thread = std.threading.Thread(target=event.wait)
    assert thread not in std.threading.enumerate()
    thread.start()
    assert thread in std.threading.enumerate()
    assert std.threading.main_thread() in std.threading.enumerate()
    assert std.threading.active_count() == before + 1
    event.set()
    thread.join()
    assert std.threading.active_count() == before


def test_the_main_thread_knows_itself(std):
    main = std.threading.main_thread()
    assert std.threading.current_thread() is main
    assert main.name == "MainThread" and main.daemon is False and main.is_alive()
    assert main.ident == std.threading.get_ident()
    assert type(main).__name__ == "_MainThread"


def test_every_thread_has_an_identity_of_its_own(std):
    idents = []
    event = std.threading.Event()
    threads = started(std, *[lambda: (idents.append((std.threading.get_ident(), std.threading.get_native_id())), event.wait())] * 3)
    event.set()
    finish(threads)
    assert [ident for ident, _ in idents] == [thread.ident for thread in sorted(threads, key=lambda t: [i for i, _ in idents].index(t.ident))]
    assert len({ident for ident, _ in idents}) == len({native for _, native in idents}) == 3


def leave():
    raise SystemExit(3)


def test_sys_exit_ends_a_thread_silently(world):
    with world() as kernel:
        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
        assert not thread.is_alive() and kernel.errors == []


def test_sys_exit_too_goes_to_the_programs_own_excepthook(std, monkeypatch):
    seen = []
    monkeypatch.setattr(std.threading, "excepthook", lambda args: seen.append(args.exc_type))
    finish(started(std, leave))
    assert seen == [SystemExit]


def test_the_programs_own_excepthook_gets_what_leaves_a_thread(std, monkeypatch):
    seen = []
    monkeypatch.setattr(std.threading, "excepthook", seen.append)
    thread = std.threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    assert len(seen) == 1
    assert seen[0].exc_type is ZeroDivisionError and isinstance(seen[0].exc_value, ZeroDivisionError)
    assert seen[0].exc_traceback is not None and seen[0].thread is thread


# Threads, in virtual time


def test_what_a_thread_raises_is_the_tasks_error(world):
    with world() as kernel:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        [(task, error)] = kernel.errors
        assert task is thread._task and isinstance(error, ZeroDivisionError)
        kernel.errors.clear()


def test_a_hook_that_passes_an_error_on_has_it_recorded(world, monkeypatch):
    with world() as kernel:
        monkeypatch.setattr(threading, "excepthook", lambda args: threading.__excepthook__(args))
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        assert [type(error) for _, error in kernel.errors] == [ZeroDivisionError]
        kernel.errors.clear()


def test_a_hook_that_fails_is_an_error_too(world, monkeypatch):
    with world() as kernel:
        monkeypatch.setattr(threading, "excepthook", lambda args: [][1])
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        assert [type(error) for _, error in kernel.errors] == [IndexError]
        kernel.errors.clear()


def test_starting_a_thread_does_not_run_it_yet(world):
    with world():
        log = []
        thread = threading.Thread(target=log.append, args=("thread",))
        thread.start()
        log.append("starter")
        thread.join()
        assert log == ["starter", "thread"]


def test_join_waits_until_the_moment_of_the_end_or_of_its_timeout(world):
    with world() as kernel:
        thread = threading.Thread(target=time.sleep, args=(3,))
        thread.start()
        thread.join(1.25)
        assert thread.is_alive() and kernel.now == 1.25 * SECOND
        thread.join(timeout=-5)
        assert thread.is_alive() and kernel.now == 1.25 * SECOND
        thread.join(60)
        assert not thread.is_alive() and kernel.now == 3 * SECOND


def test_spinning_until_a_thread_is_dead_comes_to_an_end(world):
    with world() as kernel:
        threading.Thread(target=time.sleep, args=(1,)).start()
        thread = threading.Thread(target=time.sleep, args=(1,))
        thread.start()
        while thread.is_alive():
            pass
        while threading.active_count() > 1:
            pass
        assert SECOND <= kernel.now < 1.01 * SECOND


def test_tasks_are_called_after_the_function_or_the_name_or_the_class(world):
    class Worker(threading.Thread):
        def run(self):
            pass

    class Server:
        def process_request_thread(self):
            pass

    def work():
        pass

    with world():
        threads = [
            threading.Thread(target=work),
            threading.Thread(target=work),
            threading.Thread(target=Server().process_request_thread),
            threading.Thread(target=work, name="mine"),
            Worker(),
            threading.Thread(),
            threading.Timer(1, work),
        ]
        threads[1].name = "late"
        for thread in threads:
            thread.start()
        assert [thread._task.path for thread in threads] == ["work-1", "late", "handler-1", "mine", "Worker-1", "Thread-1", "Timer-1"]
        assert [thread.name for thread in threads[:3]] == ["Thread-1 (work)", "late", "Thread-3 (process_request_thread)"]


def test_a_task_that_nobody_started_as_a_thread_is_one_when_it_asks(world):
    with world() as kernel:

        def work():
            me = threading.current_thread()
            assert threading.current_thread() is me and me in threading.enumerate()
            return me

        assert threading.active_count() == 1
        task = kernel.spawn(work, base="work")
        thread = task.result()
        assert type(thread).__name__ == "_DummyThread" and thread.name == "work-1"
        assert thread.ident == task.ident and not thread.is_alive()
        with pytest.raises(RuntimeError, match="cannot join a dummy thread"):
            thread.join()


def test_threads_that_have_ended_leave_nothing_behind(world):
    with world() as kernel:
        gone = []
        for _ in range(2):
            thread = threading.Thread(target=threading.current_thread)
            thread.start()
            thread.join()
            gone.append(weakref.ref(thread._task))
        assert gone[0]() is None and threading.active_count() == 1
        assert len(kernel.tasks) == 1


def test_no_thread_starts_in_a_world_that_ends(world):
    seen = []
    with world() as kernel:

        def late():
            try:
                time.sleep(100)
            finally:
                try:
                    threading.Thread(target=int).start()
                except WorldEnded as error:
                    seen.append(error)

        kernel.spawn(late)
        kernel.yield_()
    assert len(seen) == 1


def test_outside_every_world_one_is_the_real_thread_and_starts_none():
    assert threading.current_thread() is real_threading.current_thread()
    assert threading.main_thread() is real_threading.main_thread()
    assert threading.get_ident() == real_threading.get_ident()
    assert threading.active_count() == real_threading.active_count()
    with pytest.raises(UsageError, match="no world is running"):
        threading.Thread(target=int).start()


def test_a_thread_made_outside_can_be_started_inside(world):
    log = []
    thread = threading.Thread(target=log.append, args=(1,))
    with world():
        thread.start()
        thread.join()
    assert log == [1]
    thread.join()
    assert not thread.is_alive()


def test_a_timer_calls_its_function_after_its_interval(world):
    with world() as kernel:
        log = []
        timer = threading.Timer(2.5, lambda *args, **kwargs: log.append((kernel.now, args, kwargs)), [1], {"a": 2})
        timer.start()
        timer.join()
        assert log == [(2.5 * SECOND, (1,), {"a": 2})]


def test_a_timer_that_is_cancelled_does_not_and_ends_at_once(world):
    with world() as kernel:
        log = []
        timer = threading.Timer(2.5, log.append, [1])
        timer.start()
        time.sleep(1)
        timer.cancel()
        timer.join()
        assert log == [] and kernel.now == SECOND


# Conditions


@pytest.mark.parametrize("kind", ["Lock", "RLock", None])
def test_a_condition_hands_news_over(std, kind):
    condition = std.threading.Condition(getattr(std.threading, kind)() if kind else None)
    box = []
    seen = []

    def consumer():
        with condition:
            condition.wait_for(lambda: box)
            seen.append(box.pop())
            condition.notify_all()

    thread = std.threading.Thread(target=consumer)
    thread.start()
    for item in ("news",):
        with condition:
            box.append(item)
            condition.notify()
            assert condition.wait_for(lambda: not box) is True
    thread.join()
    assert seen == ["news"]


def test_a_condition_wants_its_lock_to_be_held(std):
    for lock in (std.threading.Lock(), std.threading.RLock()):
        condition = std.threading.Condition(lock)
        with pytest.raises(RuntimeError, match="^cannot wait on un-acquired lock$"):
            condition.wait()
        with pytest.raises(RuntimeError, match="^cannot notify on un-acquired lock$"):
            condition.notify()
        with pytest.raises(RuntimeError, match="^cannot notify on un-acquired lock$"):
            condition.notify_all()


def test_a_condition_works_with_a_lock_of_the_programs_own(std):
    class Own:
        def __init__(self):
            self.inner = std.threading.Lock()
            self.acquire, self.release = self.inner.acquire, self.inner.release

        def __enter__(self):
            return self.acquire()

        def __exit__(self, *exc):
            self.release()

    condition = std.threading.Condition(Own())
    ready = []

    def consumer():
        with condition:
            while not ready:
                condition.wait()
            ready.append("seen")

    thread = std.threading.Thread(target=consumer)
    thread.start()
    with pytest.raises(RuntimeError, match="un-acquired"):
        condition.notify()
    with condition:
        ready.append("set")
        condition.notify()
    thread.join()
    assert ready == ["set", "seen"]


def test_waiting_releases_a_recursive_lock_as_a_whole_and_takes_it_back(std):
    condition = std.threading.Condition()
    ready = []

    def other():
        with condition:
            ready.append(1)
            condition.notify()

    with condition, condition, condition:
        thread = std.threading.Thread(target=other)
        thread.start()
        assert condition.wait_for(lambda: ready)
        assert condition._is_owned()
    thread.join()
    with pytest.raises(RuntimeError, match="un-acquired"):
        condition.notify()


def test_a_notification_wakes_who_waited_longest_and_not_more(world):
    with world() as kernel:
        condition = threading.Condition()
        log = []

        def wait(name):
            with condition:
                condition.wait()
                log.append(name)

        for name in "abcd":
            kernel.spawn(wait, (name,))
        time.sleep(1)
        for n, expected in ((1, ["a"]), (2, ["a", "b", "c"]), (5, ["a", "b", "c", "d"])):
            with condition:
                condition.notify(n)
            time.sleep(1)
            assert log == expected


def test_a_wait_for_news_ends_at_its_deadline_with_the_lock_taken_again(world):
    with world() as kernel:
        condition = threading.Condition(threading.Lock())
        with condition:
            assert condition.wait(1.5) is False
            assert kernel.now == 1.5 * SECOND
            assert condition._is_owned()
            assert condition.wait(0) is False
            assert condition.wait_for(lambda: False, timeout=2) is False
            assert kernel.now == 3.5 * SECOND
            assert condition.wait_for(lambda: kernel.now) == kernel.now
        with condition:
            condition.notify()  # nobody is left in line


def test_wait_for_keeps_its_deadline_over_many_notifications(world):
    with world() as kernel:
        condition = threading.Condition()

        def nag():
            for _ in range(10):
                time.sleep(0.4)
                with condition:
                    condition.notify_all()

        kernel.spawn(nag)
        with condition:
            assert condition.wait_for(lambda: False, timeout=1.3) is False
        assert kernel.now == 1.3 * SECOND


def test_a_notification_is_not_lost_with_a_task_that_is_cancelled(world):
    with world() as kernel:
        condition = threading.Condition()
        log = []

        def wait(name):
            with condition:
                condition.wait()
                log.append(name)

        first = kernel.spawn(wait, ("first",))
        kernel.spawn(wait, ("second",))
        time.sleep(1)
        with condition:
            condition.notify()
        kernel.cancel(first)
        time.sleep(1)
        assert log == ["second"]


def test_a_lost_wake_up_is_a_deadlock_that_names_the_condition(world):
    with world() as kernel:
        condition = threading.Condition()

        def wait():
            with condition:
                condition.wait()

        with condition:
            condition.notify()
        kernel.spawn(wait, base="waiter")
        with condition, pytest.raises(Deadlock, match=r"waiter-1 +wait for Condition-1 +\S*test_threading"):
            condition.wait()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bounded_buffer_made_of_conditions_loses_nothing(world, seed):
    with world(seed, lines_of=__file__) as kernel:
        lock = threading.Lock()
        not_empty, not_full = threading.Condition(lock), threading.Condition(lock)
        buffer, got = [], []

        def produce(name):
            for number in range(4):
                with not_full:
                    while len(buffer) >= 2:
                        not_full.wait()
                    buffer.append((name, number))
                    assert len(buffer) <= 2
                    not_empty.notify()

        def consume():
            for _ in range(6):
                with not_empty:
                    while not buffer:
                        not_empty.wait(None if seed % 2 else 0.01)
                    got.append(buffer.pop(0))
                    not_full.notify()

        tasks = [kernel.spawn(produce, (name,)) for name in range(3)] + [kernel.spawn(consume) for _ in range(2)]
        for task in tasks:
            task.result()
        assert sorted(got) == [(name, number) for name in range(3) for number in range(4)]
        for name in range(3):
            assert [number for other, number in got if other == name] == [0, 1, 2, 3]


# Events


def test_an_event_is_a_flag(std):
    event = std.threading.Event()
    assert event.is_set() is False and event.wait(0) is False
    event.set()
    assert event.is_set() is True and event.wait() is True and event.wait(0) is True
    event.clear()
    assert event.is_set() is False
    with pytest.deprecated_call():
        event.isSet()


def test_waiting_for_an_event_takes_until_it_is_set(world):
    with world() as kernel:
        event = threading.Event()
        answers = []

        def wait(timeout):
            answers.append((timeout, event.wait(timeout), kernel.now))

        for timeout in (None, 1, 5):
            kernel.spawn(wait, (timeout,))
        time.sleep(2)
        event.set()
        event.clear()
        time.sleep(10)
        assert answers == [(1, False, SECOND), (None, True, 2 * SECOND), (5, True, 2 * SECOND)]


def test_spinning_on_an_event_comes_to_an_end(world):
    with world() as kernel:
        event = threading.Event()

        def blink():
            for act in (event.set, event.clear):
                time.sleep(1)
                act()

        kernel.spawn(blink)
        while not event.is_set():
            pass
        assert SECOND <= kernel.now < 1.01 * SECOND
        while event.is_set():
            pass
        assert 2 * SECOND <= kernel.now < 2.02 * SECOND


# Barriers


def test_a_barrier_lets_everybody_through_together_again_and_again(std):
    actions = []
    barrier = std.threading.Barrier(3, action=lambda: actions.append("go"))
    places = []
    lock = std.threading.Lock()

    def go():
        for turn in range(4):
            place = barrier.wait()
            with lock:
                places.append((turn, place))

    finish(started(std, go, go, go))
    assert sorted(places) == [(turn, place) for turn in range(4) for place in range(3)]
    assert actions == ["go"] * 4
    assert barrier.parties == 3 and barrier.n_waiting == 0 and not barrier.broken


def test_an_aborted_barrier_stays_broken_until_it_is_reset(std):
    barrier = std.threading.Barrier(2)
    barrier.abort()
    assert barrier.broken and barrier.n_waiting == 0
    with pytest.raises(std.threading.BrokenBarrierError):
        barrier.wait()
    barrier.reset()
    assert not barrier.broken
    places = []
    finish(started(std, *[lambda: places.append(barrier.wait())] * 2))
    assert sorted(places) == [0, 1]


def test_an_action_that_fails_breaks_the_barrier(std):
    def action():
        raise KeyError("action")

    barrier = std.threading.Barrier(2, action)
    errors = []

    def go():
        try:
            barrier.wait()
        except (KeyError, std.threading.BrokenBarrierError) as error:
            errors.append(type(error).__name__)

    finish(started(std, go, go))
    assert sorted(errors) == ["BrokenBarrierError", "KeyError"]
    assert barrier.broken


@pytest.mark.parametrize("own", [True, False])
def test_a_barrier_breaks_for_all_when_one_has_waited_too_long(world, own):
    with world() as kernel:
        barrier = threading.Barrier(3, timeout=2 if own else None)
        ends = []

        def go():
            with pytest.raises(threading.BrokenBarrierError):
                barrier.wait() if own else barrier.wait(2)
            ends.append(kernel.now)

        kernel.spawn(go)
        time.sleep(1)
        assert barrier.n_waiting == 1
        kernel.spawn(go)
        time.sleep(5)
        assert ends == [2 * SECOND, 2 * SECOND] and barrier.broken


def test_a_reset_sends_those_away_who_wait(world):
    with world() as kernel:
        barrier = threading.Barrier(2)
        ends = []

        def go():
            try:
                ends.append(barrier.wait())
            except threading.BrokenBarrierError:
                ends.append("sent away")

        kernel.spawn(go)
        time.sleep(1)
        barrier.reset()
        assert not barrier.broken and barrier.n_waiting == 0
        for _ in range(2):
            kernel.spawn(go)
        time.sleep(1)
        assert sorted(ends, key=str) == [0, 1, "sent away"]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_task_gets_a_generation_ahead(world, seed):
    with world(seed, lines_of=__file__) as kernel:
        barrier = threading.Barrier(3)
        turns = [0, 0, 0]

        def go(name):
            for _ in range(4):
                turns[name] += 1
                barrier.wait()
                assert min(turns) >= turns[name] - 0
                barrier.wait()

        for task in [kernel.spawn(go, (name,)) for name in range(3)]:
            task.result()
        assert turns == [4, 4, 4]


# local


def test_every_thread_has_attributes_of_its_own(std):
    mine = std.threading.local()
    mine.value = "main"
    seen = []

    def work(value):
        seen.append(hasattr(mine, "value"))
        mine.value = value
        seen.append(mine.value)
        seen.append(mine.__dict__)
        del mine.value
        seen.append(hasattr(mine, "value"))

    thread = std.threading.Thread(target=work, args=("thread",))
    thread.start()
    thread.join()
    assert seen == [False, "thread", {}, False]
    assert mine.value == "main" and mine.__dict__ == {"value": "main"}


def test_a_local_with_arguments_is_initialised_by_every_thread_that_comes_to_it(std):
    class Mine(std.threading.local):
        kind = "class"
        made = []

        def __init__(self, number, *, text):
            self.number, self.text = number, text
            self.made.append(number)

        @property
        def both(self):
            return f"{self.number}{self.text}"

    mine = Mine(7, text="x")
    mine.number = 8
    seen = []
    for _ in range(2):
        finish(started(std, lambda: seen.append((mine.number, mine.both, mine.kind))))
    assert seen == [(7, "7x", "class")] * 2
    assert mine.both == "8x" and Mine.made == [7, 7, 7]


def test_the_errors_of_a_local(std):
    mine = std.threading.local()
    with pytest.raises(AttributeError, match="local' object has no attribute 'missing'$"):
        _ = mine.missing
    with pytest.raises(AttributeError, match="local' object has no attribute 'missing'$"):
        del mine.missing
    with pytest.raises(AttributeError, match="local' object attribute '__dict__' is read-only$"):
        mine.__dict__ = {}
    with pytest.raises(TypeError, match="^Initialization arguments are not supported$"):
        std.threading.local(1)


def test_what_a_thread_kept_goes_with_it_and_with_the_local(std):
    class Thing:
        pass

    mine = std.threading.local()
    gone = []

    def work():
        mine.thing = Thing()
        gone.append(weakref.ref(mine.thing))

    finish(started(std, work))
    assert gone[0]() is None
    work()
    assert gone[1]() is not None
    del mine
    assert gone[1]() is None


def test_a_getter_that_lets_others_run_still_sees_its_own_tasks_values(world):
    class Mine(threading.local):
        @property
        def slow(self):
            first = self.value
            time.sleep(1)
            return (first, self.value)

    with world() as kernel:
        mine = Mine()

        def work(value):
            mine.value = value
            assert mine.slow == (value, value)

        for task in [kernel.spawn(work, (value,)) for value in range(3)]:
            task.result()


def test_worlds_see_what_code_outside_had_set_and_nothing_of_each_other(world):
    mine = threading.local()
    mine.value = "outside"
    for _ in range(2):
        with world() as kernel:
            assert mine.value == "outside"
            mine.value = "inside"
            assert kernel.spawn(lambda: hasattr(mine, "value")).result() is False
    assert mine.value == "outside"


# The module


def test_what_the_real_module_offers_is_here_or_says_that_it_is_not():
    for name in real_threading.__all__:
        try:
            assert getattr(threading, name) is not None
            assert name in threading.__all__
        except Unsupported as error:
            assert f"threading.{name}" in str(error)  # noqa: PT017
    with pytest.raises(AttributeError, match="no attribute 'Treahd'"):
        _ = threading.Treahd
    assert set(threading.__all__) <= set(real_threading.__all__)


def test_errors_are_the_real_ones_so_programs_catch_them():
    for name in ("BrokenBarrierError", "ThreadError", "ExceptHookArgs"):
        assert getattr(threading, name) is getattr(real_threading, name)


def test_tracing_threads_is_refused_and_not_asking_for_it_is_fine():
    assert threading.settrace(None) is threading.setprofile(None) is threading.gettrace() is threading.getprofile() is None
    for refused in (threading.settrace, threading.setprofile):
        with pytest.raises(Unsupported, match=refused.__name__):
            refused(print)


def test_the_stack_size_is_stored_and_read_back(monkeypatch):
    monkeypatch.setattr(threading, "_stack_size", 0)
    assert threading.stack_size() == 0
    assert threading.stack_size(65536) == 0
    assert threading.stack_size(0) == 65536
    with pytest.raises(ValueError, match="^size not valid: 5 bytes$"):
        threading.stack_size(5)
    with pytest.raises(ValueError, match="size must be 0 or a positive value"):
        threading.stack_size(-1)


def test_news_and_flags_of_a_world_that_has_ended_do_no_harm(world):
    with world() as kernel:
        event, condition, barrier = threading.Event(), threading.Condition(), threading.Barrier(2)
        kernel.spawn(event.wait)
        kernel.yield_()
    event.set()
    assert event.is_set() and event.wait()
    event.clear()
    with pytest.raises(WorldEnded):
        event.wait()
    with condition:
        condition.notify_all()
        with pytest.raises(WorldEnded):
            condition.wait(1)
    with pytest.raises(WorldEnded):
        barrier.wait()
    barrier.abort()


def test_waits_end_with_their_world(world):
    ends = []
    with world() as kernel:
        event, condition = threading.Event(), threading.Condition()

        def on_event():
            try:
                event.wait()
            except TaskKilled:
                ends.append("event")
                event.set()
                raise

        def on_condition():
            with condition:
                try:
                    condition.wait()
                except TaskKilled:
                    ends.append("condition")
                    condition.notify_all()
                    raise

        kernel.spawn(on_event)
        kernel.spawn(on_condition)
        time.sleep(1)
    assert ends == ["event", "condition"]
