"""Watchers hear what happens in a world, and change nothing of it."""

from __future__ import annotations

import ast
import builtins
import errno
import socket as real_socket
from pathlib import Path

import pytest

import simsock
from simsock.kernel.task_table import deed_of
from simsock.kernel.watchers import EVENTS, Watcher
from tests.kernel import program
from tests.kernel.program import Counter

OS_ERRORS = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, OSError)}


class Everything(Watcher):
    """Hears all there is, and keeps it as text."""

    def __init__(self):
        self.heard = []

    def of(self, event):
        return [facts for name, facts in self.heard if name == event]


def _hearing(event):
    def hear(self, *facts):
        told = []
        for fact in facts:
            describe = getattr(fact, "describe", None)
            told.append(describe() if describe else getattr(fact, "path", None) or getattr(fact, "co_name", None) or str(fact))
        self.heard.append((event, tuple(told)))

    return hear


for _event in EVENTS:
    setattr(Everything, _event, _hearing(_event))


def watched(body, **options):
    """What is heard of a world that runs ``body(sim)``."""
    watcher = Everything()
    sim = simsock.Simulation(**options)
    sim.add_watcher(watcher)
    with sim:
        body(sim)
    return watcher


def threads_and_sockets(sim):
    """Standard threads, a lock, a queue and a connection, as the world has them."""
    import queue
    import threading

    if not sim.options.patch:
        from simsock.stdlib import queue, threading

    served = sim.serve(Counter)
    served.server.seen = queue.Queue()
    lock = threading.Lock()
    counts = []

    def client():
        with sim.connect(served) as sock, sock.makefile("rwb") as file:
            file.write(b"hello\n")
            file.flush()
            file.readline()
        with lock:
            count = len(counts)
            counts.append(count)

    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("patch", [True, False])
@pytest.mark.parametrize("preempt", ["calls", "lines", "instructions"])
def test_the_digest_is_the_same_with_a_watcher_and_without(patch, preempt):
    """The watcher's own lines are in scope: they are no points either."""
    options = {"seed": 5, "strategy": "random", "preempt": preempt, "patch": patch, "link": simsock.Link(**program.LOSSY), "scope": __file__}
    with simsock.Simulation(**options) as sim:
        threads_and_sockets(sim)
    watcher = Everything()
    other = simsock.Simulation(**options)
    other.add_watcher(watcher)
    with other:
        threads_and_sockets(other)
    assert (other.digest, other._kernel.steps, other.deviations) == (sim.digest, sim._kernel.steps, sim.deviations)
    expected = set(EVENTS) - {"fails"} - ({"line"} if preempt == "calls" else set())
    assert {name for name, _ in watcher.heard} - {"fails"} == expected


@pytest.mark.parametrize(("strategy", "lossy"), [("fifo", False), ("random", True)])
def test_a_program_of_every_kind_has_the_same_digest_under_a_watcher(strategy, lossy):
    condition = simsock.Link(**program.LOSSY) if lossy else "perfect"
    sim = simsock.Simulation(seed=7, strategy=strategy, link=condition)
    sim.add_watcher(Everything())
    with sim:
        program.run(sim)
    assert sim.digest == program.digest(strategy, lossy)


def test_every_task_starts_once_and_ends_once_whatever_ends_it():
    def body(sim):
        sim.spawn(lambda: None, name="short")
        sim.spawn(sim.sleep, "1h", name="long").kernel  # noqa: B018
        sim.spawn(lambda: sim.spawn(sim.sleep, 1, name="inner").result(), name="outer").result()
        sim.spawn(sim.sleep, 1, name="cancelled").cancel()

    with pytest.warns(simsock.LeakWarning, match="long"):
        watcher = watched(body)
    names = ["short", "long", "outer", "outer/inner", "cancelled"]
    assert [path for (path,) in watcher.of("task_starts")] == names
    assert sorted(path for (path,) in watcher.of("task_ends")) == sorted(names)
    assert watcher.heard[0][0] == "world_begins"
    assert watcher.heard[-1][0] == "world_ends"


def test_every_record_is_heard_in_order():
    watcher = Everything()
    sim = simsock.Simulation(seed=7, strategy="random", records=100_000)
    sim.add_watcher(watcher)
    with sim:
        program.run(sim)
    assert [text for (text,) in watcher.of("recorded")] == [str(record) for record in sim.records]


@pytest.mark.parametrize("patch", [True, False])
def test_takes_and_gives_of_locks_are_heard_in_both_kinds_of_worlds(patch):
    def body(sim):
        import threading

        if not patch:
            from simsock.stdlib import threading

        lock, again, semaphore = threading.Lock(), threading.RLock(), threading.Semaphore(1)

        def wait():
            with lock:
                pass

        with lock:
            other = sim.spawn(wait, name="other")
            sim.sleep(1)
            lock.acquire(blocking=False)
        other.result()
        with again, again:
            pass
        with semaphore:
            pass

    watcher = watched(body, patch=patch)
    told = [(event, *facts) for event, facts in watcher.heard if event in ("takes", "gives")]
    lock = told[0][2]
    assert [entry[:2] for entry in told if entry[2] == lock][:4] == [("takes", "main"), ("gives", "main"), ("takes", "other"), ("gives", "other")]
    (again,) = {entry[2] for entry in told if entry[2].startswith("RLock")}
    assert [entry[0] for entry in told if entry[2] == again] == ["takes", "takes", "gives", "gives"]
    assert sum(entry[0] == "takes" for entry in told) == sum(entry[0] == "gives" for entry in told)


@pytest.mark.parametrize("patch", [True, False])
@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue"])
def test_items_that_go_through_a_queue_are_heard(patch, kind):
    def body(sim):
        import queue

        if not patch:
            from simsock.stdlib import queue

        items = getattr(queue, kind)()
        getter = sim.spawn(items.get, name="getter")
        sim.sleep(1)
        items.put("one")
        assert getter.result() == "one"

    watcher = watched(body, patch=patch)
    told = [(event, *facts) for event, facts in watcher.heard if event in ("takes", "gives")]
    told = [entry for entry in told if entry[2] == f"{kind}-1"]
    assert [entry[:2] for entry in told] == [("gives", "main"), ("takes", "getter")]


def test_a_call_that_fails_is_heard_with_its_errno():
    def body(sim):
        network = sim.network.socket
        sock = network.socket()
        sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            sock.connect((sim.host("server").addresses[0], 80))
        sock.close()
        sock = network.socket()
        assert sock.connect_ex((sim.host("server").addresses[0], 81)) == errno.ECONNREFUSED
        sock.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            sock.recv(1)
        served = sim.serve(Counter)
        with sim.connect(served, timeout=1) as client, pytest.raises(TimeoutError):
            client.recv(1)
        with pytest.raises(real_socket.gaierror):
            network.getaddrinfo("nobody.example", 80)

    watcher = watched(body)
    numbers = [number for _, _, number, _ in watcher.of("fails")]
    calls = [call.rpartition(".")[2] for _, call, _, _ in watcher.of("fails")]
    expected = [errno.EINPROGRESS, errno.ECONNREFUSED, errno.EBADF, None, real_socket.EAI_NONAME]
    assert numbers[-5:] == list(map(str, expected)), list(zip(calls, numbers, strict=True))
    assert calls[-5:] == ["connect", "connect_ex", "recv", "recv", "getaddrinfo"]


def test_a_task_that_parks_is_heard_with_what_it_waits_for():
    heard = []

    class Waits(Watcher):
        def waits(self, task):
            heard.append((task.path, deed_of(task)))

    def body(sim):
        from simsock.stdlib import queue

        sim.spawn(queue.Queue().get, name="getter")
        sim.sleep(1)

    sim = simsock.Simulation()
    sim.add_watcher(Waits())
    with pytest.warns(simsock.LeakWarning), sim:
        body(sim)
    assert heard[:2] == [("main", "sleep"), ("getter", "get from")]


def test_deviations_and_lines_are_heard():
    def work():
        first = 1
        second = first + 1
        return second

    def body(sim):
        for task in [sim.spawn(work) for _ in range(3)]:
            task.result()

    watcher = watched(body, strategy="random", preempt="lines", scope=__file__, seed=1, patch=False)
    lines = [at for _, name, at in watcher.of("line") if name == "work"]
    code = work.__code__
    assert sorted(lines) == sorted([str(code.co_firstlineno + number) for number in (1, 2, 3)] * 3)
    assert watcher.of("deviates")


def test_a_watcher_can_come_late_and_leave_early():
    watcher = Everything()
    with simsock.Simulation() as sim:
        sim.spawn(lambda: None, name="before").result()
        sim.add_watcher(watcher)
        sim.spawn(lambda: None, name="during").result()
        sim.remove_watcher(watcher)
        assert sim._kernel.watchers is None
        sim.spawn(lambda: None, name="after").result()
    assert watcher.of("task_starts") == [("during",)]
    assert watcher.heard[0][0] == "world_begins"


def test_one_that_raises_is_told_no_more_and_its_error_ends_up_in_the_test():
    class Broken(Everything):
        def task_starts(self, task):
            raise ZeroDivisionError(task.path)

    broken, sound = Broken(), Everything()
    sim = simsock.Simulation()
    sim.add_watcher(broken)
    sim.add_watcher(sound)
    with pytest.raises(ZeroDivisionError, match="one"), sim:
        sim.spawn(lambda: None, name="one").result()
        sim.spawn(lambda: None, name="two").result()
    assert broken.of("task_ends") == []
    assert sound.of("task_starts") == [("one",), ("two",)]
    with simsock.Simulation() as plain:
        plain.spawn(lambda: None, name="one").result()
        plain.spawn(lambda: None, name="two").result()
    assert plain.digest == sim.digest


class Ends(Watcher):
    """Hears one thing that happens once."""

    def world_ends(self, kernel):
        """Nothing to do."""


def test_a_world_without_watchers_pays_nothing_for_its_records():
    with simsock.Simulation() as sim:
        kernel = sim._kernel
        assert kernel.watchers is None
        assert kernel.log.append == kernel.log._buffer.append
        watcher = Ends()  # wants to hear of no record
        sim.add_watcher(watcher)
        assert kernel.log.append == kernel.log._buffer.append
    assert kernel.watchers is None


def test_what_is_no_watcher_is_refused():
    sim = simsock.Simulation()
    with pytest.raises(simsock.UsageError, match=r"add_watcher: expected an object of a subclass of simsock\.Watcher, got <class"):
        sim.add_watcher(Everything)
    with pytest.raises(simsock.UsageError, match=r"remove_watcher: .* does not watch this world"):
        sim.remove_watcher(Everything())


def test_no_stand_in_makes_an_error_with_an_errno_that_watchers_do_not_hear_of():
    root = Path(simsock.__file__).parent
    found = []
    for path in sorted(path for room in ("kernel", "net", "stdlib", "patching") for path in (root / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OS_ERRORS and len(node.args) > 1:
                found.append(f"{path.relative_to(root).as_posix()}: {ast.unparse(node)}")
    assert [line for line in found if not line.startswith(("kernel/failures.py", "stdlib/socket.py: OSError(error.errno, "))] == []


def test_one_that_overrides_nothing_is_an_error_with_the_nearest_event():
    class Deaf(simsock.Watcher):
        def task_begins(self, task):
            """Meant to be task_starts."""

    with simsock.Simulation() as sim, pytest.raises(simsock.UsageError, match=r"Deaf overrides no event of .*; did you mean 'task_ends'\?$"):
        sim.add_watcher(Deaf())
