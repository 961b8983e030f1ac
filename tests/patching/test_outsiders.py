"""What is from before a world (sockets, executors, threads, loops, selectors): using it inside is an error that names it, and nothing goes through."""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures
import contextlib
import fcntl
import multiprocessing.pool
import os
import select
import selectors
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from types import ModuleType
from unittest import mock

import pytest

from simsock import Fenced, LeakWarning, WorldEnded
from simsock.patching import living, outsiders
from simsock.stdlib import _makers

CALLS = {
    "send": lambda sock: sock.send(b"x"),
    "sendall": lambda sock: sock.sendall(b"x"),
    "recv": lambda sock: sock.recv(1),
    "recv_into": lambda sock: sock.recv_into(bytearray(1)),
    "makefile": lambda sock: sock.makefile("rb").read(1),
    "shutdown": lambda sock: sock.shutdown(socket.SHUT_WR),
    "setsockopt": lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    "dup": lambda sock: sock.dup(),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_call_goes_through_and_the_error_names_the_socket(world, pair, name):
    with world(), pytest.raises(Fenced, match=rf"socket\.{name} of <socket\.socket fd={pair[0].fileno()}, .*it is a real one, made outside this world.*`sim`"):
        CALLS[name](pair[0])
    with pytest.raises(TimeoutError):
        pair[1].recv(1)


def test_a_listener_and_a_datagram_socket(world):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for call in (lambda: listener.accept(), lambda: datagrams.sendto(b"x", ("127.0.0.1", 9)), lambda: datagrams.connect(("127.0.0.1", 9))):
            with world(), pytest.raises(Fenced, match="made outside this world"):
                call()


def test_one_that_a_thread_swallows_fails_the_test(world, pair):
    def run():
        with contextlib.suppress(Exception):
            pair[0].send(b"x")

    with pytest.raises(Fenced, match=r"socket\.send of"), world():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()


def test_one_that_the_first_task_swallows_fails_the_test_too(world, pair):
    def program():
        with contextlib.suppress(Exception):
            pair[0].send(b"x")

    def run():
        with world():
            program()

    with pytest.raises(NotImplementedError, match=r"socket\.send of") as caught:  # who names the error itself is taken to catch it on purpose
        run()
    assert caught.value.__notes__ == ["raised in task main"]


def test_one_that_the_first_task_makes_something_else_of_is_told_on_that(world, pair):
    def run(sim):
        try:
            pair[0].send(b"x")
        except Exception as error:
            raise OSError("no luck") from (error if sim.seed else None)

    for seed in (0, 1):
        with pytest.raises(OSError, match="no luck") as caught, world(seed=seed) as sim:
            run(sim)
        assert len([note for note in getattr(caught.value, "__notes__", []) if "made outside this world" in note]) == 1


@pytest.mark.parametrize("call", ["do_handshake", "read", "write", "send", "recv", "unwrap"])
def test_tls_from_before_is_refused_by_name(world, pair, call):
    sock = ssl.create_default_context().wrap_socket(pair[0], server_hostname="x", do_handshake_on_connect=False)
    with sock, pytest.raises(Fenced, match=r"^SSLSocket\.\w+ of <ssl\.SSLSocket fd=\d+.*made outside this world"), world(max_real_time=5):
        getattr(sock, call)(*([b"x"] if call in ("write", "send") else []))


def test_one_that_is_expected_fails_nothing(world, pair):
    def swallows():
        with contextlib.suppress(Exception):
            pair[0].send(b"x")

    with world() as sim:
        swallows()  # below a function that names it
        with sim.expect_errors(Fenced) as expected:
            swallows()
    assert [error.facts["call"] for error in expected.errors] == ["socket.send"]


def test_other_threads_of_the_process_and_the_time_after_a_world_are_free(world, pair):
    go, gone = [], []

    def outside():
        while not go:
            time.sleep(0.001)
        pair[0].send(b"from outside")
        gone.append(True)

    thread = threading.Thread(target=outside)
    thread.start()
    names = dict(vars(socket.socket))
    with world():
        go.append(True)
        while not gone:  # the other thread's time is real
            pass
    thread.join()
    assert pair[1].recv(100) == b"from outside"
    assert pair[1].send(b"x") == 1 and dict(vars(socket.socket)) == names


@pytest.fixture
def pool():
    """An executor with one idle thread."""
    with concurrent.futures.ThreadPoolExecutor(1) as made:
        made.submit(int).result()
        yield made


@pytest.fixture
def loop():
    """An event loop that nobody runs."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_an_executor(world, pool):
    ran = []
    with world(), pytest.raises(Fenced, match=r"^ThreadPoolExecutor\.submit of ThreadPoolExecutor with 1 thread.*, in task main: .*made outside this world"):
        pool.submit(ran.append, 1)
    assert pool.submit(len, ran).result() == 0
    with world(), concurrent.futures.ThreadPoolExecutor(2) as inside:
        assert inside.submit(int).result() == 0
    unused = concurrent.futures.ThreadPoolExecutor(1)
    with pytest.warns(LeakWarning, match="ThreadPoolExecutor"), world():
        assert unused.submit(int).result() == 0, "its first thread is the world's"
    with world(), pytest.raises(Fenced, match="made outside this world"):
        unused.submit(int)


def test_a_thread_of_the_process_that_is_in_no_world_uses_an_executor_from_before(world, pool):
    go, gone = [], []

    def outside():
        while not go:
            time.sleep(0.001)
        try:
            gone.append(pool.submit(int).result())
        except BaseException as error:
            gone.append(error)

    thread = threading.Thread(target=outside)
    thread.start()
    with world():
        go.append(True)
        while not gone:  # the other thread's time is real
            pass
    thread.join()
    assert gone == [0]


def test_an_executor_is_alive_until_it_is_shut_down(pool):
    assert living._is_alive(living.EXECUTOR, pool)
    pool.shutdown()
    assert not living._is_alive(living.EXECUTOR, pool)


def test_an_executor_hands_on_whatever_a_function_calls_its_arguments(world):
    def take(*args, **kwargs):
        return args, kwargs

    with world(), concurrent.futures.ThreadPoolExecutor(1) as inside:
        assert inside.submit(take, 1, self=2, fn=3).result() == ((1,), {"self": 2, "fn": 3})


def test_a_loop_whose_wake_up_socket_is_a_mock_is_nobody_s(world):
    class Loop(asyncio.SelectorEventLoop):
        def _make_self_pipe(self):
            self._ssock, self._csock, self._internal_fds = mock.Mock(), mock.Mock(), 1

        def _close_self_pipe(self):
            pass

    loop = Loop(mock.Mock(spec=selectors.BaseSelector, select=lambda timeout: []))
    with world():
        assert loop.run_until_complete(asyncio.sleep(0, 5)) == 5
    loop.close()


def test_a_loop_whose_selector_never_waits_lets_threads_run(world):
    """As test suites of asyncio have them: nothing in its rounds is simulated."""

    class Hasty(selectors.BaseSelector):
        register = unregister = get_map = None

        def select(self, timeout=None):
            return []

    class Loop(asyncio.BaseEventLoop):
        def __init__(self):
            super().__init__()
            self._selector = Hasty()
            self.rounds = 0

        def time(self):
            return 0.0

        def _run_once(self):
            self.rounds += 1
            super()._run_once()

        def _process_events(self, events):
            pass

        def _write_to_self(self):
            pass

    def work():
        time.sleep(60)
        return 7

    with world() as sim, concurrent.futures.ThreadPoolExecutor(1) as inside:
        loop = Loop()
        assert loop.run_until_complete(asyncio.wrap_future(inside.submit(work), loop=loop)) == 7
        assert 60 < sim.now < 120
        assert 2 < loop.rounds < 100_000
        loop.close()


def test_a_loop(world, loop):
    async def wait():
        await asyncio.sleep(0)
        return 5

    with world():
        waiting = wait()
        with pytest.raises(Fenced, match=r"^BaseEventLoop\.run_forever of <_UnixSelectorEventLoop .*made outside this world"):
            loop.run_forever()
        for name, call in {
            "call_soon_threadsafe": lambda: loop.call_soon_threadsafe(int),
            "call_soon": lambda: loop.call_soon(int),
            "call_at": lambda: loop.call_later(1, int),
            "create_task": lambda: loop.create_task(waiting),
            "run_in_executor": lambda: loop.run_in_executor(None, int),
        }.items():
            with pytest.raises(Fenced, match=rf"BaseEventLoop\.{name} of <_UnixSelectorEventLoop"):
                call()
        waiting.close()
        assert asyncio.run(wait()) == 5
    assert loop.run_until_complete(wait()) == 5


def test_a_thread_that_the_harness_has_made_may_be_joined_by_it_in_a_world_that_a_test_left_open(world):
    """As pytest-timeout does with its timer when a test is over."""
    timer = threading.Timer(3_600, print)
    timer.start()
    space = {"__name__": "pytest_timeout"}
    exec("def cancel(timer):\n    timer.cancel()\n    timer.join()\n", space)
    with world():
        space["cancel"](timer)
    assert not timer.is_alive()


def test_a_thread(world):
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="from before")
    thread.start()
    try:
        with world():
            assert thread.is_alive()
            with pytest.raises(Fenced, match=r"^Thread\.join of <Thread\(from before, started \d+\)>(, started by test_a_thread \(.*\))?, in task main"):
                thread.join(1)
            inside = threading.Thread(target=int)
            inside.start()
            inside.join()
    finally:
        end.set()
        thread.join()
    with world():
        thread.join()


@pytest.mark.parametrize("kind", [selectors.EpollSelector, selectors.PollSelector])
def test_a_selector(world, kind):
    with kind() as selector, world():
        one, other = socket.socketpair()
        with pytest.raises(Fenced, match=rf"register of <selectors\.{kind.__name__} .*made outside this world"):
            selector.register(one, selectors.EVENT_READ)
        with pytest.raises(Fenced, match=r"select of <selectors"):
            selector.select(1)
        with kind() as inside:
            inside.register(one, selectors.EVENT_READ)
            assert inside.select(1) == []
        one.close()
        other.close()


def test_the_methods_are_the_standard_ones_after_a_world(world):
    before = threading.Thread.join, concurrent.futures.ThreadPoolExecutor.submit, selectors.EpollSelector.select
    with world():
        assert threading.Thread.join is not before[0]
        assert threading.Thread.join.__qualname__ == "Thread.join"
    assert before == (threading.Thread.join, concurrent.futures.ThreadPoolExecutor.submit, selectors.EpollSelector.select)


def test_asking_is_no_event_of_the_world(world):
    """A world in whose course the modules are imported first asks nothing, and is the same run."""

    def run():
        with world() as sim:
            with concurrent.futures.ThreadPoolExecutor(2) as inside:
                assert list(inside.map(abs, [-1, -2, -3])) == [1, 2, 3]
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
            return sim.digest, sim._kernel.steps, sim._kernel.first.points

    asked = run()
    methods, outsiders._METHODS = outsiders._METHODS, ()
    try:
        assert run() == asked
    finally:
        outsiders._METHODS = methods


POLLERS = [select.poll, *([select.epoll] if hasattr(select, "epoll") else [])]


@pytest.mark.parametrize("make", POLLERS)
def test_a_bare_poller_is_named_whatever_it_is_asked(world, make):
    poller = make()
    before = dict(vars(type(poller)))
    calls = {"register": lambda fd: poller.register(fd, 1), "modify": lambda fd: poller.modify(fd, 1), "poll": lambda fd: poller.poll(0)}
    with world(), socket.socket() as sock:
        for name, call in calls.items():
            with pytest.raises(Fenced, match=rf"^e?poll\.{name} of a select\.e?poll object, in task main: .*make it inside the world"):
                call(sock.fileno())
        inside = getattr(select, make.__name__)()
        inside.register(sock, select.POLLIN)
        inside.unregister(sock)
    assert dict(vars(type(poller))) == before
    one, other = socket.socketpair()
    with one, other:
        poller.register(one, select.POLLIN)
        other.send(b"x")
        assert poller.poll(1) == [(one.fileno(), select.POLLIN)]
        poller.unregister(one)


def test_what_is_left_of_a_world_says_that_it_has_ended_and_which_it_was(world):
    with world(seed="first", max_real_time=10):
        sock = socket.socket()
        pool = concurrent.futures.ThreadPoolExecutor(1)
        pool.submit(len, "").result()
        pool.shutdown()
    pool._shutdown = False  # it asks first whether it may take more
    with world(seed="second"), pytest.raises(WorldEnded, match=r"belongs to a world that has ended \(world \d+ of this process, seed 'first'\)"):
        sock.connect(("127.0.0.1", 9))
    with world(), pytest.raises(Fenced, match="ThreadPoolExecutor with 1 thread of a world that has ended"):
        pool.submit(len, "")


def test_what_an_installed_package_makes_without_the_program_is_told_with_its_name(world):
    _makers.watch()
    text = "import socket\ndef start():\n    make()\ndef make():\n    global it\n    it = socket.create_server(('127.0.0.1', 0))\n"
    shop = {"__name__": "shop.core"}
    exec(compile(text, "/lib/python3/site-packages/shop/core.py", "exec"), shop)
    thread = threading.Thread(target=shop["start"])  # nothing of the program is above it
    thread.start()
    thread.join()
    with shop["it"], world(), pytest.raises(Fenced, match=r", bound by make of shop for start of shop, in task main"):
        shop["it"].accept()


KINDS_LEFT = {
    "poll": (lambda: select.poll(), lambda left: left.poll(0)),
    "event loop": (asyncio.new_event_loop, lambda left: left.run_forever()),
    "selector": (selectors.DefaultSelector, lambda left: left.select(0)),
    "register": (selectors.DefaultSelector, lambda left: left.register(1, selectors.EVENT_READ)),
}
if hasattr(select, "epoll"):
    KINDS_LEFT["epoll"] = (lambda: select.epoll(), lambda left: left.poll(0))


@pytest.mark.parametrize("kind", KINDS_LEFT)
def test_pollers_and_loops_that_are_left_of_a_world_say_which_it_was(world, kind):
    make, use = KINDS_LEFT[kind]
    with world(seed="first"):
        left = make()
    told = r"belongs to a world that has ended \(world \d+ of this process, seed 'first'\)"
    with world(seed="second", max_real_time=10), pytest.raises(WorldEnded, match=told):
        use(left)
    with pytest.raises(WorldEnded, match=told):
        use(left)
    if hasattr(left, "close"):
        with world():
            left.close()


def test_that_uuid_asks_in_vain_for_the_machine_s_address_is_no_failure(world, monkeypatch):
    def ask():
        with contextlib.suppress(OSError):
            subprocess.run(["ifconfig"], check=False)

    monkeypatch.setattr(uuid, "_node", None)
    monkeypatch.setattr(uuid, "_GETTERS", [ask])
    monkeypatch.setattr(uuid, "_UuidCreate", None, raising=False)
    monkeypatch.setattr(uuid, "_generate_time_safe", None)
    with world(entropy="real"):
        assert uuid.getnode() >> 40 & 1, "a drawn one"


def file_object(fd, mode, do, buffering=-1):
    with open(fd, mode, buffering, closefd=False) as file:
        return do(file)


READS = {
    "os.read": lambda fd: os.read(fd, 1),
    "os.readv": lambda fd: os.readv(fd, [bytearray(1)]),
    "FileIO.readinto": lambda fd: file_object(fd, "rb", lambda file: file.read(1)),
    "FileIO.readall": lambda fd: file_object(fd, "rb", lambda file: file.readall(), 0),
}
WRITES = {
    "os.write": lambda fd: os.write(fd, b"x"),
    "os.writev": lambda fd: os.writev(fd, [b"x"]),
    "FileIO.write": lambda fd: file_object(fd, "wb", lambda file: file.write(b"x"), 0),
}


@pytest.fixture
def pipe():
    """(descriptor to read from, descriptor to write to) of a real pipe."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_a_bare_pipe_is_named_by_its_number_and_nothing_goes_through(world, pipe, name):
    fd = pipe[name in WRITES]
    with world(), pytest.raises(Fenced, match=rf"^{name} of descriptor {fd}, a pipe.*, in task main: it is a real one, made outside this world"):
        {**READS, **WRITES}[name](fd)
    os.set_blocking(pipe[0], False)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 1)


def test_a_pipe_whose_number_a_module_keeps_is_told_with_that_name(world, pipe, monkeypatch):
    fd = fcntl.fcntl(pipe[0], fcntl.F_DUPFD_CLOEXEC, 987)  # no other name stands for that
    monkeypatch.setattr(sys.modules[__name__], "PIPE_OF_THIS_TEST", fd, raising=False)
    try:
        with world(), pytest.raises(Fenced, match=rf"of descriptor {fd}, a pipe \(the number that {__name__}\.PIPE_OF_THIS_TEST has\), in task"):
            os.read(fd, 1)
    finally:
        os.close(fd)


def test_real_sockets_by_their_number_and_counters_are_refused_too(world, pair):
    with world(), pytest.raises(Fenced, match="a socket"):
        os.write(pair[0].fileno(), b"x")
    if hasattr(os, "eventfd"):
        counter = os.eventfd(1)
        try:
            with world(), pytest.raises(Fenced, match="a counter or the like"):
                os.read(counter, 8)
        finally:
            os.close(counter)


def test_files_and_standard_streams_stay_what_they_are(world, pipe, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    stream = os.dup(1)
    os.dup2(pipe[1], 1)  # the program's output is piped into another one, and it has another number for it
    other = os.dup(1)
    try:
        with world(), open(path, "rb") as file:
            assert file.read() == b"hello" and os.read(file.fileno(), 1) == b""
            os.write(1, b"out")
            os.write(other, b"put")
    finally:
        os.dup2(stream, 1)
        os.close(stream)
        os.close(other)
    assert os.read(pipe[0], 100) == b"output"


def make_listener():
    return socket.create_server(("127.0.0.1", 0))


def test_it_is_told_where_a_socket_was_made_a_thread_was_started_and_so_on(world, pair, loop):
    with world():
        pass  # from now on notes are taken
    end = threading.Event()

    def wait_for():
        end.wait()

    thread = threading.Thread(target=wait_for)
    thread.start()
    made = asyncio.new_event_loop()
    with make_listener() as listener, concurrent.futures.ThreadPoolExecutor(1) as pool, multiprocessing.pool.ThreadPool(1) as threads:
        pool.submit(int).result()
        here = rf"{sys._getframe().f_code.co_qualname} \(\S*test_outsiders\.py:\d+\)"
        started = f", started by {here}" if sys.version_info >= (3, 13) else ""  # before that CPython tells nobody
        try:
            for told, call in {
                rf"^socket\.accept of .*, bound by make_listener \(\S*:\d+\) for {here}": lambda: listener.accept(),
                rf"^Thread\.join of .*, which runs \S*wait_for \(\S*:\d+\){started}": lambda: thread.join(),
                rf"^ThreadPoolExecutor\.submit of .*{started}": lambda: pool.submit(int),
                rf"^Pool\.apply_async of <multiprocessing\.pool\.ThreadPool .*{started}": lambda: threads.apply_async(int),
                rf"^Pool\.map_async of <multiprocessing\.pool\.ThreadPool .*{started}": lambda: threads.map(int, []),
                rf"^BaseEventLoop\.call_soon_threadsafe of .*, made by {here}": lambda: made.call_soon_threadsafe(int),
            }.items():
                with world(max_real_time=10), pytest.raises(Fenced, match=told):
                    call()
        finally:
            end.set()
            thread.join()
            made.close()


def test_pools_of_the_world_are_its_own(world):
    def run():
        with multiprocessing.pool.ThreadPool(2) as pool:
            assert pool.map(abs, [-1, 2]) == [1, 2]
            pool.close()
            pool.join()

    with world():
        run()


def test_notes_about_objects_that_can_have_none_fail_no_call():
    import _socket

    class Odd:
        def __init__(self):
            self.done = threading.Event()

        def __getattr__(self, name):
            raise LookupError(name)

        def __call__(self):
            self.done.set()

    _makers.watch()
    odd = Odd()
    _thread.start_new_thread(odd, ())
    assert odd.done.wait(60)
    sock = _socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 0))
    sock.close()


def test_who_keeps_it_is_told_for_modules_of_the_tests_and_attributes_of_classes_too(world, pair, monkeypatch):
    class Kept:
        sock = pair[0]

    monkeypatch.setattr(sys.modules[__name__], "Kept", Kept, raising=False)
    with world(), pytest.raises(Fenced, match=rf"; it is kept by {__name__}\.Kept\.sock$"):
        pair[0].send(b"x")


def test_the_timeout_that_a_program_has_given_to_new_sockets_before_the_world_holds_in_it(world):
    socket.setdefaulttimeout(2.5)
    try:
        with world():
            assert socket.getdefaulttimeout() == socket.socket().gettimeout() == 2.5
            socket.setdefaulttimeout(None)
        assert socket.getdefaulttimeout() == 2.5
    finally:
        socket.setdefaulttimeout(None)


WAITS = {
    "select": lambda what: select.select([what], [], [], 0),
    "poll": lambda what: wait_by(select.poll(), what).poll(0),
    **({"epoll": lambda what: wait_by(select.epoll(), what)} if hasattr(select, "epoll") else {}),
}


def wait_by(poller, what):
    poller.register(what, select.POLLIN)
    return poller


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.parametrize("by_number", [False, True])
def test_a_socket_that_nothing_in_a_world_can_wait_for_is_named_with_who_made_and_keeps_it(world, name, by_number):
    with world():
        pass  # from now on notes are taken
    with make_listener() as listener:
        told = (
            rf"^{name} of <socket\.socket fd={listener.fileno()}, .*, bound by make_listener \(.*in task main: it is a real one, made outside this world: "
            rf"nothing inside a world can wait for it.*; it is kept by the variable listener of {sys._getframe().f_code.co_qualname} \(\S*\.py:\d+\)"
        )
        with world(), pytest.raises(Fenced, match=told):
            WAITS[name](listener.fileno() if by_number else listener)


def test_a_number_of_a_socket_or_pipe_that_nobody_keeps_is_named_as_such(world, pipe):
    with world(), pytest.raises(Fenced, match=rf"^select of descriptor {pipe[0]}, a real pipe.*nothing inside a world can wait for it"):
        select.select([pipe[0]], [], [], 0)


class Keeper:
    __slots__ = ("inner",)
    shared = None

    def __init__(self, inner=None):
        self.inner = inner


KEPT = Keeper()


def test_a_loop_that_an_instance_keeps_is_listed_as_the_program_s(loop, monkeypatch):
    """Its own handles, which are the standard library's, hold it as well."""
    monkeypatch.setattr(KEPT, "inner", loop)
    loop.call_soon(int)
    assert f"{__name__}.Keeper.inner" in {one.place for one in living.find_living() if one.kind == living.LOOP}


def keep_in_a_closure(thing):
    return lambda: thing


def test_a_large_program_is_searched_first_where_it_runs(world, monkeypatch):
    large = ModuleType("test_a_large_one")
    for number in range(100):
        setattr(large, f"many_{number}", [[[], []] for _ in range(100)])
    monkeypatch.setitem(sys.modules, large.__name__, large)
    monkeypatch.setattr(KEPT, "inner", {"a": (1, {poller := select.poll()})})
    with world(), pytest.raises(Fenced, match=r"; it is kept by \S+KEPT\.inner\['a'\]\[1\]\[…\]$"):
        poller.poll(0)


@pytest.mark.parametrize("where", ["attribute", "class", "items", "closure", "variable"])
def test_who_keeps_a_poller_or_a_thread_is_told_however_deep_it_is_kept(world, monkeypatch, where):
    """Where it was made nobody has noted: of a thread before Python 3.12, of a poller never."""
    poller = select.poll()
    if where == "attribute":
        monkeypatch.setattr(KEPT, "inner", Keeper(poller))
        told = rf"{__name__}\.KEPT\.inner\.inner$"
    elif where == "class":
        monkeypatch.setattr(Keeper, "shared", [poller])
        told = rf"{__name__}\.Keeper\.shared\[0\]$"
    elif where == "items":
        monkeypatch.setattr(KEPT, "inner", {"a": (1, {poller})})
        told = rf"{__name__}\.KEPT\.inner\['a'\]\[1\]\[…\]$"
    elif where == "closure":
        monkeypatch.setattr(KEPT, "inner", keep_in_a_closure(poller))
        told = rf"{__name__}\.KEPT\.inner: variable thing$"
    else:
        told = rf"the variable poller of {sys._getframe().f_code.co_qualname} \(\S*test_outsiders\.py:\d+\)$"

    def use(again):
        with world(), pytest.raises(Fenced, match=f"; it is kept by {told}"):
            again.poll(0)

    use(poller)
