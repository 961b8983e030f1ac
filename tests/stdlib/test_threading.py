"""Threads and timers: their life, names and errors; and the module as a whole."""

from __future__ import annotations

import threading as real_threading
import weakref

import pytest

from simsock.errors import Unsupported, UsageError, WorldEnded
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
    with pytest.raises(RuntimeError, match=r"^cannot join thread before it is started$"):
        thread.join()
    thread.start()
    with pytest.raises(RuntimeError, match=r"^threads can only be started once$"):
        thread.start()
    with pytest.raises(RuntimeError, match=r"^cannot set daemon status of active thread$"):
        thread.daemon = True
    with pytest.raises(RuntimeError, match=r"^cannot join current thread$"):
        std.threading.current_thread().join()
    thread.join()
    with pytest.raises(AssertionError, match=r"^group argument must be None for now$"):
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
    before = set(std.threading.enumerate())  # real ones of other tests may end meanwhile
    thread = std.threading.Thread(target=event.wait)
    assert thread not in std.threading.enumerate()
    thread.start()
    assert thread in std.threading.enumerate()
    assert std.threading.main_thread() in std.threading.enumerate()
    assert set(std.threading.enumerate()) - before == {thread}
    assert 2 <= std.threading.active_count() <= len(before) + 1
    event.set()
    thread.join()
    assert set(std.threading.enumerate()) <= before
    assert std.threading.active_count() <= len(before)


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
        assert task.ident == thread.ident and isinstance(error, ZeroDivisionError) and task.error is error
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
        monkeypatch.setattr(threading, "excepthook", lambda args: {}["hook"])
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        assert [type(error) for _, error in kernel.errors] == [KeyError]
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
        assert thread.is_alive() and round(kernel.now, -4) == 1.25 * SECOND
        thread.join(timeout=-5)
        assert thread.is_alive() and round(kernel.now, -4) == 1.25 * SECOND
        thread.join(60)
        assert not thread.is_alive() and round(kernel.now, -4) == 3 * SECOND


def test_spinning_until_a_thread_is_dead_comes_to_an_end(world):
    with world() as kernel:
        threading.Thread(target=time.sleep, args=(2,)).start()
        thread = threading.Thread(target=time.sleep, args=(1,))
        thread.start()
        while thread.is_alive():
            pass
        assert SECOND <= kernel.now < 1.01 * SECOND
        while threading.active_count() > 1:
            pass
        assert 2 * SECOND <= kernel.now < 2.01 * SECOND


def test_tasks_are_called_after_the_function_or_the_name_or_the_class(world):
    class Worker(threading.Thread):
        def run(self):
            pass

    class Server:
        def process_request_thread(self):
            pass

    def work():
        pass

    with world() as kernel:
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
        paths = {task.ident: task.path for task in kernel.tasks.values()}
        assert [paths[thread.ident] for thread in threads] == ["work-1", "late", "handler-1", "mine", "Worker-1", "Thread-1", "Timer-1"]
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
            gone.append(weakref.ref(kernel.tasks[max(kernel.tasks)]))
            thread.join()
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
    assert real_threading.active_count() >= threading.active_count() >= real_threading.active_count()  # none begins here, and some may be ending
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
        timer = threading.Timer(2.5, lambda *args, **kwargs: log.append((round(kernel.now, -4), args, kwargs)), [1], {"a": 2})
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
        assert log == [] and round(kernel.now, -4) == SECOND


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
    with pytest.raises(ValueError, match=r"^size not valid: 5 bytes$"):
        threading.stack_size(5)
    with pytest.raises(ValueError, match="size must be 0 or a positive value"):
        threading.stack_size(-1)


def test_the_event_of_a_thread_that_nobody_has_started_is_not_set_and_waiting_for_it_ends_at_the_timeout(world):
    with world() as kernel:
        thread = threading.Thread(target=int)
        assert not thread._started.is_set() and not thread.is_alive()
        assert thread._started.wait(2) is False
        assert round(kernel.now, -4) == 2 * SECOND
        thread.start()
        assert thread._started.is_set()
        thread.join()


def test_a_task_needs_no_thread_object_to_make_and_join_threads(world):
    with world() as kernel:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        assert kernel.first.thread is None
        assert threading.current_thread() is threading.main_thread() is kernel.first.thread
        with pytest.raises(RuntimeError, match="cannot join current thread"):
            threading.current_thread().join()
