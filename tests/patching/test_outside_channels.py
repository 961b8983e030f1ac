"""Connections, queues and descriptors from before a world: what is refused, where it is refused first, and by whose name."""

from __future__ import annotations

import errno
import logging.handlers
import multiprocessing
import multiprocessing.connection
import os
import select
import selectors
import socket

import pytest

from simsock import Fenced


@pytest.fixture
def ends():
    """Two ends of multiprocessing's pipe."""
    one, other = multiprocessing.Pipe()
    with one, other:
        yield one, other


@pytest.fixture
def pair():
    """Two real sockets that are connected to each other."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


@pytest.fixture
def pipe():
    """The numbers of a real pipe."""
    both = os.pipe()
    yield both
    for fd in both:
        os.close(fd)


CALLS = {
    "send": lambda end: end.send(1),
    "send_bytes": lambda end: end.send_bytes(b"x"),
    "recv": lambda end: end.recv(),
    "recv_bytes": lambda end: end.recv_bytes(),
    "recv_bytes_into": lambda end: end.recv_bytes_into(bytearray(9)),
    "poll": lambda end: end.poll(),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_connection(world, ends, name):
    words = rf"^Connection\.{name} of <multiprocessing\.connection\.Connection object .*made outside this world.*; it is kept by the variable end of"
    with world(), pytest.raises(Fenced, match=words):
        CALLS[name](ends[0])
    assert not ends[1].poll(), "nothing went through"
    with world():
        one, other = multiprocessing.Pipe()
        one.send("inside")
        assert other.poll() and other.recv() == "inside"
        one.close()
        other.close()


def test_who_waits_for_connections_is_told_which(world, ends):
    words = r"^poll of <multiprocessing\.connection\.Connection object .*nothing inside a world can wait for it.*; it is kept by the variable ends\[0\]"
    with world(), pytest.raises(Fenced, match=words):
        multiprocessing.connection.wait([ends[0]], 0)


OF_QUEUES = {
    "Queue": {"put": (1,), "get": (False,), "empty": (), "full": (), "qsize": ()},
    "JoinableQueue": {"put": (1,), "task_done": (), "join": ()},
    "SimpleQueue": {"put": (1,), "get": (), "empty": ()},
}


def _through(queue, item):
    queue.put(item)
    try:
        return queue.get()
    finally:
        queue.close()
        getattr(queue, "join_thread", int)()


def test_queues_of_multiprocessing(world):
    before = {kind: getattr(multiprocessing, kind)() for kind in OF_QUEUES}
    with world():
        for kind, calls in OF_QUEUES.items():
            for name, args in calls.items():
                words = rf"^{kind}\.{name} of <multiprocessing\.queues\.{kind} object .*made outside this world.*; it is kept by the variable before"
                with pytest.raises(Fenced, match=words):
                    getattr(before[kind], name)(*args)
            assert _through(getattr(multiprocessing, kind)(), 5) == 5
    for queue in before.values():
        queue.close()


def test_log_records_still_go_to_a_listener_s_queue_that_has_its_thread(world):
    queue = multiprocessing.Queue()
    queue.put("begins its thread")
    assert queue.get() == "begins its thread"
    with world():
        logging.handlers.QueueHandler(queue).emit(logging.makeLogRecord({"msg": "hello"}))
    assert queue.get(timeout=5).getMessage() == "hello"
    queue.close()


WAITS = {
    "poll.register": lambda: select.poll(),
    "poll.modify": lambda: select.poll(),
    "SelectSelector.register": selectors.SelectSelector,
    "PollSelector.register": selectors.PollSelector,
}


@pytest.mark.parametrize("name", WAITS)
def test_a_real_socket_is_refused_where_it_is_registered(world, pair, name):
    with world(), socket.socket() as inside:
        poller = WAITS[name]()
        poller.register(inside, select.POLLIN)
        call = name if name.startswith("Select") else "poll"
        with pytest.raises(
            Fenced, match=rf"^{call} of <socket\.socket fd={pair[0].fileno()}, .*nothing inside a world can wait.*kept by the variable pair\[0\]"
        ):
            getattr(poller, name.rpartition(".")[2])(pair[0], select.POLLIN)
        assert not hasattr(poller, "get_map") or [key.fileobj for key in poller.get_map().values()] == [inside]


def test_a_selector_of_lists_from_before_takes_a_world_s_sockets(world, pair):
    with selectors.SelectSelector() as selector:
        with world():
            one, other = socket.socketpair()
            selector.register(one, selectors.EVENT_READ)
            other.send(b"x")
            assert [key.fileobj for key, _ in selector.select(1)] == [one]
            selector.unregister(one)
            one.close()
            other.close()
        selector.register(pair[0], selectors.EVENT_READ)
        assert selector.select(0) == []


@pytest.mark.parametrize("call", ["socket.socket", "socket.dup", "os.read", "os.write"])
def test_a_number_is_told_with_the_object_that_has_it(world, pair, call):
    fd = pair[0].fileno()
    calls = {
        "socket.socket": lambda: socket.socket(fileno=fd),
        "socket.dup": lambda: socket.fromfd(fd, socket.AF_UNIX, socket.SOCK_STREAM),
        "os.read": lambda: os.read(fd, 1),
        "os.write": lambda: os.write(fd, b"x"),
    }
    with (
        world(),
        pytest.raises(Fenced, match=rf"^{call} of descriptor {fd}, a socket, that of <socket\.socket fd={fd}, .*; it is kept by the variable pair\[0\]"),
    ):
        calls[call]()


def test_a_copy_of_a_number_is_told_with_what_it_is_a_copy_of(world, pair):
    with world(), os.fdopen(os.dup(pair[0].fileno()), "rb", 0) as file:
        words = rf"^FileIO\.read of descriptor {file.fileno()}, a socket, that of <socket\.socket fd={pair[0].fileno()}, "
        with pytest.raises(Fenced, match=words):
            file.read(1)


def test_a_number_is_told_with_the_file_that_has_it(world, pipe):
    with open(pipe[0], "rb", closefd=False) as file, world(), pytest.raises(Fenced, match=rf", a pipe, that of <_io\.BufferedReader name={pipe[0]}>, in task"):
        os.read(file.fileno(), 1)


NUMBERS = {
    "os.read": lambda fd: os.read(fd, 1),
    "os.write": lambda fd: os.write(fd, b"x"),
    "os.close": os.close,
    "os.dup": os.dup,
    "select": lambda fd: select.select([fd], [], [], 0),
    "epoll": lambda fd: select.epoll().register(fd, select.EPOLLIN),
    "socket": lambda fd: socket.socket(fileno=fd),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_number_of_a_world_that_has_ended_says_so(world, name):
    with world(seed="first"):
        reader, writer = os.pipe()
        os.close(reader)
    with world():
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            NUMBERS[name](writer)
        assert caught.value.errno == errno.EBADF
        (note,) = caught.value.__notes__
        assert "seed 'first'" in note and str(writer) in note and "has ended" in note
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            NUMBERS[name](writer + 1)
        assert not hasattr(caught.value, "__notes__"), "no world had that one"
        while os.pipe()[1] < writer:
            pass
        os.close(writer)
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            NUMBERS[name](writer)
        assert not hasattr(caught.value, "__notes__"), "this world had it too"
        os.closerange(10_000, 11_000)


def test_nothing_is_sent_from_a_file_to_a_real_socket(world, pair):
    with open(__file__, "rb") as file, world(), pytest.raises(Fenced, match=r"^os\.sendfile of descriptor \d+, a socket, that of <socket\.socket fd="):
        os.sendfile(pair[0].fileno(), file.fileno(), 0, 5)
    pair[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        pair[1].recv(5)
