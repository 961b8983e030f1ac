"""Benchmarks: how fast a world is, beside real loopback in the same run.

    python tests/benchmarks/run.py [--quick] [--only NAME ...]

Prints a table; nothing is asserted, because a time on a shared machine proves nothing. Every figure is a median of several repetitions,
simulated and real taken in turn, so that the ratio holds when the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import socket
import socketserver as standard_socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from types import FunctionType

import simsock
from simsock import socketserver
from simsock.kernel import watchdog
from simsock.search.runner import Runner
from simsock.world.options import Options
from simsock.world.simulation import Simulation

clock = time.perf_counter
"""Real in worlds that are not patched only: whatever is timed inside a world is timed in one with ``patch=False``."""


class Echo(socketserver.StreamRequestHandler):
    """Sends every line back."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            self.wfile.write(line)


class StandardEcho(standard_socketserver.StreamRequestHandler):
    """The same for a server of the standard library."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            self.wfile.write(line)


class Server(socketserver.ThreadingTCPServer):
    """A server that many connect to at once."""

    request_queue_size = 20_000
    daemon_threads = True


def per_call(work: Callable[[], object], times: int) -> float:
    """Microseconds a call."""
    began = clock()
    for _ in range(times):
        work()
    return (clock() - began) / times * 1e6


def alternate(repetitions: int, *measures: Callable[[], float]) -> list[float]:
    """The median of each measure, taken in turn."""
    found: list[list[float]] = [[] for _ in measures]
    for _ in range(repetitions):
        for values, measure in zip(found, measures, strict=True):
            gc.collect()
            values.append(measure())
    return [statistics.median(values) for values in found]


def real_life() -> None:
    """One server on loopback: start, one echo, shutdown, close."""
    import socket

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        loop = threading.Thread(target=server.serve_forever)
        loop.start()
        with socket.create_connection(server.server_address) as client:
            client.sendall(b"hello\n")
            assert client.recv(100) == b"hello\n"
        server.shutdown()
        loop.join()


def simulated_life(patch: bool) -> None:
    """The same in a fresh world."""
    with Simulation(patch=patch) as sim:
        server = sim.serve(Echo)
        with sim.connect(server) as client:
            client.sendall(b"hello\n")
            assert client.recv(100) == b"hello\n"
        server.stop()


def bench_life_cycle(quick: bool) -> list[str]:
    """Start, one echo, shutdown and close."""
    times = 50 if quick else 300
    ours, real = alternate(5, lambda: per_call(lambda: simulated_life(False), times), lambda: per_call(real_life, max(times // 10, 5)))
    return [f"{ours:.0f} µs", f"{real:.0f} µs", f"{ours / real:.2f}", "<= 400 µs"]


def bench_life_cycle_patched(quick: bool) -> list[str]:
    """The same with the standard modules replaced."""
    times = 50 if quick else 300
    ours, real = alternate(5, lambda: per_call(lambda: simulated_life(True), times), lambda: per_call(real_life, max(times // 10, 5)))
    return [f"{ours:.0f} µs", f"{real:.0f} µs", f"{ours / real:.2f}", "-"]


def bench_round_trip(quick: bool) -> list[str]:
    """One line there and back through StreamRequestHandler."""
    import socket

    times = 2_000 if quick else 10_000

    def trips(client: socket.socket) -> float:
        return per_call(lambda: (client.sendall(b"hello\n"), client.recv(100)), times)

    def simulated() -> float:
        with Simulation(patch=False) as sim, sim.connect(sim.serve(Echo)) as client:
            return trips(client)

    def real() -> float:
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
            loop = threading.Thread(target=server.serve_forever)
            loop.start()
            with socket.create_connection(server.server_address) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                found = trips(client)
            server.shutdown()
            loop.join()
        return found

    ours, theirs = alternate(5, simulated, real)
    return [f"{ours:.1f} µs", f"{theirs:.1f} µs", f"{ours / theirs:.2f}", "ratio <= 0.5"]


def counting(lines: int, line: str = "a = 1", start: str = "") -> Callable[[], object]:
    """A function of so many lines, in a file of its own as far as preemption is concerned."""
    body = "\n".join([f"    {start or line}", *[f"    {line}"] * (lines - 1)])
    space: dict[str, object] = {}
    exec(compile(f"def work():\n{body}\n", __file__, "exec"), space)
    work = space["work"]
    assert isinstance(work, FunctionType)
    return work


def _cost_of(work: Callable[[], object], quick: bool) -> str:
    """What a line of ``work`` costs beyond what it costs without preemption."""
    times = 500 if quick else 2_000

    def measure(preempt: str) -> float:
        with Simulation(strategy="random", preempt=preempt, scope=__file__, patch=False):
            return per_call(work, times) / 50

    with_points, without = alternate(5, lambda: measure("lines"), lambda: measure("calls"))
    return f"{with_points - without:.2f} µs"


def bench_preemption_point(quick: bool) -> list[str]:
    """A line at which the scheduler is asked and says "go on"; a line of local variables, whose types are looked at first."""
    # Functions of 50 lines: CPython 3.12 and 3.13 take longer for a line event in a function of many hundred lines.
    operands = counting(50, "b = a + 1", "a = int(1)")
    return [_cost_of(counting(50), quick), "-", f"of local variables: {_cost_of(operands, quick)}", "<= 1 µs"]


def threads_and_queues(measure: str, times: int) -> Callable[[bool], float]:
    """Microseconds for one of the things that programs do with ``threading`` and ``queue``, in a world that is patched or not."""

    def ours(patch: bool) -> float:
        with Simulation(patch=patch):
            if patch:
                import queue as queues
                import threading as threads
            else:
                from simsock.stdlib import queue as queues
                from simsock.stdlib import threading as threads
            waiting = queues.Queue()
            work: dict[str, Callable[[], object]] = {
                "queue": lambda: (waiting.put(1), waiting.get()),
                "event": threads.Event,
                "thread": lambda: started(threads.Thread(target=int)).join(),
            }
            began = watchdog._monotonic()  # of a module that no world replaces anything in
            for _ in range(times):
                work[measure]()
            return (watchdog._monotonic() - began) / times * 1e6

    return ours


def started(thread: threading.Thread) -> threading.Thread:
    """The same thread, running."""
    thread.start()
    return thread


def _row_of(measure: str, quick: bool) -> list[str]:
    times = 300 if quick else 3_000
    ours = threads_and_queues(measure, times)
    plain, patched = alternate(5, lambda: ours(False), lambda: ours(True))
    return [f"{plain:.2f} µs", "-", f"patched: {patched:.2f} µs", "-"]


def bench_queue(quick: bool) -> list[str]:
    """One item put into a Queue, and taken out again by the same thread."""
    return _row_of("queue", quick)


def bench_event(quick: bool) -> list[str]:
    """An Event is made."""
    return _row_of("event", quick)


def bench_thread(quick: bool) -> list[str]:
    """A thread is made, started and joined."""
    return _row_of("thread", quick)


def crowd(count: int) -> tuple[float, float]:
    """Seconds, and MB of growth, for so many clients connected at once."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = clock()
    with Simulation(patch=False) as sim:
        server = sim.serve(Echo, server_class=Server)
        clients = [sim.connect(server) for _ in range(count)]
        for number, client in enumerate(clients):
            client.sendall(b"%d\n" % number)
        for number, client in enumerate(clients):
            assert client.recv(100) == b"%d\n" % number
        for client in clients:
            client.close()
    return clock() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def bench_crowd(quick: bool) -> list[str]:
    """Many connected clients on one threading server, one echo each."""
    count = 2_000 if quick else 10_000
    small = statistics.median(crowd(count // 10)[0] for _ in range(3))
    seconds, megabytes = crowd(count)
    return [f"{seconds:.2f} s, {megabytes:.0f} MB", f"{count // 10}: {small:.3f} s", f"{seconds / small:.1f}", "<= 3 s, <= 600 MB, ratio ~ 10"]


def ten_lines_each(sim: Simulation) -> None:
    """Three threads of ten lines."""

    def work() -> int:
        a = 1
        b = a + 1
        c = b + 1
        d = c + 1
        e = d + 1
        f = e + 1
        g = f + 1
        h = g + 1
        i = h + 1
        return i

    tasks = [sim.spawn(work) for _ in range(3)]
    for task in tasks:
        task.result()


def bench_schedules(quick: bool) -> list[str]:
    """Schedules a second: three threads of ten lines each, preempted at lines."""
    times = 200 if quick else 2_000
    number = iter(range(10**9))
    rates = []
    for patch in (False, True):
        with Runner(ten_lines_each, Options(strategy="random", preempt="lines", scope=__file__, patch=patch)) as runner:
            (each,) = alternate(5, lambda: per_call(lambda: runner.run(f"0/{next(number)}"), times))
        rates.append(f"{1e6 / each:,.0f} /s")
    return [rates[0], "-", f"patched: {rates[1]}", ">= 2,000 /s"]


class Shared:
    """What three threads read and write."""

    value = 0


def ten_lines_on_one_attribute(sim: Simulation) -> None:
    """Three threads of ten lines, each of which another thread's may come before."""
    shared = Shared()

    def work() -> None:
        shared.value += 1
        shared.value += 1
        shared.value += 1
        shared.value += 1
        shared.value += 1
        shared.value += 1
        shared.value += 1
        shared.value += 1
        shared.value += 1
        shared.value += 1

    tasks = [sim.spawn(work) for _ in range(3)]
    for task in tasks:
        task.result()


def bench_search(quick: bool) -> list[str]:
    """Schedules a second of a search as it is unless told otherwise: three threads of ten lines each on one attribute."""
    times = 200 if quick else 2_000
    rates = []
    for patch in (False, True):
        options = Options(strategy="portfolio", preempt="lines", scope=__file__, patch=patch)
        with Runner(ten_lines_on_one_attribute, options) as runner:
            number = iter(range(1, 10**9))
            (each,) = alternate(5, lambda: per_call(lambda: runner.schedule(0, next(number)), times))  # noqa: B023  # called at once
        rates.append(f"{1e6 / each:,.0f} /s")
    return [rates[0], "-", f"patched: {rates[1]}", "-"]


def bench_reset(quick: bool) -> list[str]:
    """An empty world inside a search."""
    times = 500 if quick else 5_000
    with Runner(lambda sim: None, Options(patch=False)) as runner:
        (each,) = alternate(5, lambda: per_call(lambda: runner.run("0/1"), times))
    return [f"{each:.0f} µs", "-", "-", "<= 30 µs"]


def bench_patched_world(quick: bool) -> list[str]:
    """Entering and leaving an empty world with patching, alone and inside a search."""
    times = 100 if quick else 1_000

    def alone() -> None:
        with Simulation(patch=True):
            pass

    with Runner(lambda sim: None, Options(patch=True)) as runner:
        searched = statistics.median(per_call(lambda: runner.run("0/1"), times) for _ in range(5))
    alone()  # the first one searches the process
    (each,) = alternate(5, lambda: per_call(alone, times))
    return [f"{each:.0f} µs", "-", f"in a search: {searched:.0f} µs", "<= 400 µs, <= 40 µs"]


def standard_life() -> None:
    """In a fresh patched world: an unmodified server of the standard library starts, echoes once and is closed."""
    import socket

    with Simulation(patch=True), standard_socketserver.ThreadingTCPServer(("127.0.0.1", 0), StandardEcho) as server:
        loop = threading.Thread(target=server.serve_forever)
        loop.start()
        with socket.create_connection(server.server_address) as client:
            client.sendall(b"hello\n")
            assert client.recv(100) == b"hello\n"
        server.shutdown()
        loop.join()


def bench_session(quick: bool) -> list[str]:
    """An empty patched world, and the life of an unmodified server, in a session that worlds share; and alone."""
    times = 50 if quick else 300

    def alone() -> None:
        with Simulation(patch=True):
            pass

    def shared(work: Callable[[], None]) -> float:
        with simsock.session():
            work()
            return per_call(work, times)

    standard_life()  # the first ones search the process
    alone()
    world, own, life, own_life = alternate(
        5, lambda: shared(alone), lambda: per_call(alone, times), lambda: shared(standard_life), lambda: per_call(standard_life, times)
    )
    return [f"{world:.0f} and {life:.0f} µs", "-", f"alone: {own:.0f} and {own_life:.0f} µs", "-"]


def bench_after_collect(quick: bool) -> list[str]:
    """Entering and leaving an empty patched world right after a full garbage collection, which makes old objects of all new ones."""

    def alone() -> None:
        with Simulation(patch=True):
            pass

    def collected() -> float:
        gc.collect()
        return per_call(alone, 1)

    for _ in range(3):  # the first ones search the process
        alone()
    after, usual = alternate(5 if quick else 25, collected, lambda: per_call(alone, 20))
    return [f"{after / 1000:.2f} ms", "-", f"usual: {usual / 1000:.2f} ms", "<= 5 ms"]


LARGE = """
import gc, importlib, os, pkgutil, sys, time
import asyncio, concurrent.futures, email, encodings, http, importlib.metadata, json, logging, multiprocessing, unittest, urllib, xml
import simsock
from simsock import Simulation

for package in (encodings, asyncio, concurrent.futures, email, http, json, logging, multiprocessing, unittest, urllib, xml):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith(("__main__", "mbcs", "oem", "windows_events", "windows_utils", "popen_spawn_win32")) and len(sys.modules) < 500:
            try:
                importlib.import_module(found.name)
            except ImportError:
                pass


class Thing:
    def __init__(self, number):
        self.number, self.names, self.more = number, [number, str(number)], {"of": (number, self)}


kept = []
while sys.getallocatedblocks() < 2_000_000:
    kept.append(Thing(len(kept) + 1_000))
gc.collect()


def world():
    began = time.process_time()
    with Simulation():
        pass
    return (time.process_time() - began) * 1e3


first = world()
world()
gc.collect()
print(len(sys.modules), first, world())
"""


def bench_first_world(quick: bool) -> list[str]:
    """The first world of a process with 500 modules and two million objects, in CPU time; and one there after a garbage collection."""
    runs = [subprocess.run([sys.executable, "-c", LARGE], check=True, capture_output=True, text=True).stdout.split() for _ in range(1 if quick else 5)]
    modules, first, after = (statistics.median(map(float, values)) for values in zip(*runs, strict=True))
    return [f"{first:.0f} ms", "-", f"{modules:.0f} modules; later {after:.0f} ms", "<= 300 ms"]


def bench_import(quick: bool) -> list[str]:
    """``import simsock`` over a bare interpreter, ``from simsock import Simulation``, and that with a first world: CPU time, of modules that are compiled."""

    def seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    with tempfile.TemporaryDirectory() as folder:
        # Without compiled files most of the time would be Python's compiler's, as it is once after an installation; some environments never write them.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def run(code: str) -> float:
            began = seconds()
            subprocess.run([sys.executable, "-c", code], check=True, env=environment)
            return (seconds() - began) * 1e3

        codes = ["pass", "import simsock", "from simsock import Simulation", "from simsock import Simulation\nwith Simulation(): pass"]
        for code in codes:
            run(code)
        plain, ours, simulation, world = alternate(5 if quick else 15, *((lambda code=code: run(code)) for code in codes))
    return [
        f"{ours - plain:.0f} ms",
        f"{plain:.0f} ms bare",
        f"Simulation: {simulation - plain:.0f} ms, with a world: {world - plain:.0f} ms",
        "<= 20 ms, <= 100 ms, -",
    ]


def bench_fuzz(quick: bool) -> list[str]:
    """Examples of ``fuzz`` with an echo handler: a request is drawn, and spoken whole and cut."""
    from simsock.strategies import requests

    examples = 200 if quick else 1_000
    strategy = requests("lines")
    (ours,) = alternate(5, lambda: per_call(lambda: simsock.fuzz(Echo, strategy, examples=examples), 1) / examples)
    return [f"{1e6 / ours:,.0f} examples/s", "", "", ">= 400 examples/s"]


def transfer(segments: int, **impairments: object) -> float:
    """Seconds that so many segments of a stream take over a link."""
    from simsock.net.tcp.segments import SEGMENT_BYTES_MAX

    size = segments * SEGMENT_BYTES_MAX
    with Simulation(patch=False) as sim:
        sim.link("client", "server", **impairments)
        network = sim.network.socket
        with sim.host("server") as host:
            listener = network.create_server((host.addresses[0], 80))

        def send() -> None:
            with network.create_connection(("server", 80)) as client:
                client.sendall(bytes(size))

        sim.spawn(send, host="client")
        peer, _ = listener.accept()
        began, count = clock(), 0
        while part := peer.recv(1 << 20):
            count += len(part)
        took = clock() - began
        assert count == size
        peer.close()
        listener.close()
    return took


def bench_lossy_segments(quick: bool) -> list[str]:
    """Segments a second of real time over a link that loses 1 %, both ways, has jitter and takes 20 ms."""
    segments = 2_000 if quick else 20_000
    lossy, late = alternate(5, lambda: transfer(segments, latency="20ms", jitter="2ms", loss="1%"), lambda: transfer(segments, latency="20ms"))
    return [f"{segments / lossy:,.0f} /s", "-", f"latency only: {segments / late:,.0f} /s", ">= 20,000 /s"]


def bench_given_world(quick: bool) -> list[str]:
    """Examples of worlds under Hypothesis: a threaded server and two clients, with drawn schedules, cuts and losses."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    from simsock.strategies import simulations

    examples = 50 if quick else 300

    @settings(max_examples=examples, database=None, deadline=None, derandomize=True)
    @given(simulations(strategy="random", chunks="random", link=simsock.Link(loss="1%")), st.binary(max_size=20))
    def test(sim: Simulation, data: bytes) -> None:
        line = data.replace(b"\n", b"") + b"\n"

        def visit() -> None:
            with sim.connect(server) as client, client.makefile("rb") as file:
                client.sendall(line)
                assert file.readline() == line

        with sim:
            server = sim.serve(Echo)
            for task in [sim.spawn(visit) for _ in range(2)]:
                task.result()

    (each,) = alternate(3, lambda: per_call(test, 1) / examples)
    return [f"{1e6 / each:,.0f} examples/s", "", "", ">= 150 examples/s"]


def forked(calls: int, children: int = 1) -> None:
    """A world in which processes are forked, echo something, make so many calls, end and are waited for."""
    with Simulation():
        for _ in range(children):
            here, there = socket.socketpair()
            pid = os.fork()
            if not pid:
                there.sendall(there.recv(100))
                for _ in range(calls):
                    os.getppid()
                os._exit(0)
            here.sendall(b"hello")
            assert here.recv(100) == b"hello"
            os.waitpid(pid, 0)


def forked_really() -> None:
    """One of them on the real system, in its own process."""
    here, there = socket.socketpair()
    pid = os.fork()
    if not pid:
        there.sendall(there.recv(100))
        os._exit(0)
    here.sendall(b"hello")
    assert here.recv(100) == b"hello"
    os.waitpid(pid, 0)
    here.close()
    there.close()


def bench_fork(quick: bool) -> list[str]:
    """A fork, an echo, the child's end and its being waited for."""
    times = 5 if quick else 20
    measures = (lambda: per_call(lambda: forked(0, times), 1), lambda: per_call(lambda: forked(0, 0), 1), lambda: per_call(forked_really, times))
    ours, none, real = alternate(5, *measures)
    return [f"{(ours - none) / times / 1e3:.1f} ms", f"{real / 1e3:.1f} ms", f"{(ours - none) / times / real:.2f}", "<= 6 ms"]


def bench_call_of_a_child(quick: bool) -> list[str]:
    """One simulated call that a child makes."""
    calls = 500 if quick else 5_000
    many, none = alternate(5, lambda: per_call(lambda: forked(calls), 1), lambda: per_call(lambda: forked(0), 1))
    return [f"{(many - none) / calls:.0f} µs", "-", "-", "<= 25 µs"]


class ForkingEchoes(standard_socketserver.ForkingTCPServer):
    """A process for each request."""

    request_queue_size = 20


def three_clients(sim: Simulation) -> None:
    """A forking server and three clients, one echo each."""
    served = sim.serve(ForkingEchoes, StandardEcho)

    def visit() -> None:
        with sim.connect(served) as client:
            client.sendall(b"hello\n")
            assert client.recv(100) == b"hello\n"

    for task in [sim.spawn(visit) for _ in range(3)]:
        task.result()


def bench_forking_server(quick: bool) -> list[str]:
    """Schedules a second of a forking server with three clients."""
    schedules = 5 if quick else 40
    (each,) = alternate(3, lambda: per_call(lambda: simsock.explore(three_clients, schedules=schedules, preempt="calls"), 1) / schedules)
    return [f"{1e6 / each:,.0f} schedules/s", "-", "-", ">= 100 schedules/s"]


def main() -> int:
    """Run the benchmarks that were asked for."""
    benchmarks = {name.removeprefix("bench_"): fn for name, fn in globals().items() if name.startswith("bench_")}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: does it run at all?")
    parser.add_argument("--only", nargs="+", choices=sorted(benchmarks), help="just these")
    arguments = parser.parse_args()
    print(f"simsock {simsock.__version__}, Python {sys.version.split()[0]}")
    print(f"{'benchmark':<18} {'simulated':<22} {'real loopback':<18} {'ratio':<24} target")
    for name, bench in benchmarks.items():
        if arguments.only is None or name in arguments.only:
            print("{:<18} {:<22} {:<18} {:<24} {}".format(name, *bench(arguments.quick)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
