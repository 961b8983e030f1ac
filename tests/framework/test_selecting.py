"""``SelectorMixIn``: many connections in one thread, each a generator that says what it waits for."""

from __future__ import annotations

import pytest

from .selector_handlers import Base, Upper, all_of, reporting, saying, serve

__all__ = ["serve"]


# Reading


@pytest.mark.parametrize(
    ("said", "sizes", "got"),
    [
        (b"one\ntwo\n", [-1, -1, -1], [b"one\n", b"two\n", b""]),
        (b"one\ntw", [-1, -1, -1], [b"one\n", b"tw", b""]),
        (b"longer\n", [4, -1], [b"long", b"er\n"]),
        (b"abc\n", [4, 4], [b"abc\n", b""]),
        (b"abc\n", [0, 3, 3], [b"", b"abc", b"\n"]),
        (b"\n\n", [-1, -1, -1], [b"\n", b"\n", b""]),
    ],
)
def test_readline_gives_what_readline_of_a_file_gives(serve, dial, said, sizes, got):
    def script(self):
        lines = []
        for size in sizes:
            lines.append((yield self.readline(size)))
        return lines

    client = dial(serve(reporting(script)))
    saying(client, said)
    assert all_of(client) == repr(got).encode()


@pytest.mark.parametrize(
    ("said", "sizes", "got"),
    [
        (b"abcdef", [4, 4, 4], [b"abcd", b"ef", b""]),
        (b"abcdef", [2, -1, -1], [b"ab", b"cdef", b""]),
        (b"", [3, -1], [b"", b""]),
        (b"ab", [0, 2], [b"", b"ab"]),
    ],
)
def test_read_gives_what_read_of_a_file_gives(serve, dial, said, sizes, got):
    def script(self):
        pieces = []
        for size in sizes:
            pieces.append((yield self.read(size)))
        return pieces

    client = dial(serve(reporting(script)))
    saying(client, said)
    assert all_of(client) == repr(got).encode()


def test_a_wait_goes_on_over_bytes_that_come_one_by_one(bed, serve, dial):
    def script(self):
        line = yield self.readline()
        return [line, (yield self.read(3))]

    client = dial(serve(reporting(script)))
    for byte in b"ab\ncde":
        client.sendall(bytes([byte]))
        bed.network.time.sleep(0.001)
    assert all_of(client) == repr([b"ab\n", b"cde"]).encode()


def test_recv_gives_what_is_there_as_soon_as_something_is(serve, dial):
    class Echo(Base):
        def handle(self):
            while data := (yield self.recv(4)):
                yield self.write(b"<" + data + b">")

    client = dial(serve(Echo))
    client.sendall(b"ab")
    assert client.recv(100) == b"<ab>"
    saying(client, b"cdefgh")
    assert all_of(client) == b"<cdef><gh>"


@pytest.mark.parametrize(
    ("said", "waits", "told"),
    [
        (b"x" * 11, lambda self: self.readline(), "readline(-1)"),
        (b"x" * 100, lambda self: self.readline(), "readline(-1)"),
        (b"x" * 11, lambda self: self.read(), "read(-1)"),
    ],
)
def test_more_than_read_limit_is_an_error_that_names_it(serve, dial, said, waits, told):
    def script(self):
        return (yield waits(self))

    client = dial(serve(reporting(script, read_limit=10)))
    client.sendall(said)
    expected = f"ValueError: {told}: the client has sent 10 bytes and more without it (read_limit)"
    assert client.recv(200) == repr(expected).encode()


def test_what_just_fits_read_limit_is_fine_however_it_comes(bed, serve, dial):
    def script(self):
        line = yield self.readline()
        return [line, (yield self.read())]

    for whole in (True, False):
        client = dial(serve(reporting(script, read_limit=10)))
        for piece in [b"x" * 10 + b"\n" + b"y" * 10] if whole else [b"x" * 10, b"\n", b"yyyyy", b"yyyyy"]:
            client.sendall(piece)
            bed.network.time.sleep(0.002)
        saying(client)
        assert all_of(client) == repr([b"x" * 10 + b"\n", b"y" * 10]).encode()


def test_asking_for_more_than_read_limit_is_refused_at_once(serve, dial):
    def script(self):
        yield self.read(11)

    client = dial(serve(reporting(script, read_limit=10)))
    assert all_of(client) == repr("ValueError: read(11): 10 bytes are kept at most (read_limit); take them as they come, with recv()").encode()


def test_what_nobody_waits_for_is_not_read(bed, serve, dial, event):
    """The client is slowed down by the network instead of filling the server's memory."""
    begun = event()

    class Deaf(Base):
        def handle(self):
            begun.set()
            yield self.sleep(60)

    server = serve(Deaf)
    client = dial(server)
    begun.wait()
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        while True:
            client.send(b"x" * (1 << 20))
    [connection] = server._connections
    assert connection.incoming == b""


def test_no_more_than_read_limit_is_kept_of_a_client_that_says_too_much_at_once(serve, dial, event):
    begun = event()

    class Handler(Base):
        read_limit = 10

        def handle(self):
            while (yield self.recv(1)) != b"!":
                begun.set()
                yield self.sleep(0.01)

    server = serve(Handler)
    client = dial(server)
    client.sendall(b"x" * 100_000)
    begun.wait()
    [connection] = server._connections
    assert 0 < len(connection.incoming) <= 10


# Side by side


def test_clients_that_say_nothing_or_half_a_line_keep_nobody_waiting(serve, dial):
    server = serve(Upper)
    silent = [dial(server) for _ in range(5)]
    for client in silent[:3]:
        client.sendall(b"half a l")
    client = dial(server)
    client.sendall(b"hello\n")
    assert client.recv(100) == b"HELLO\n"
    for other in silent[:3]:
        other.sendall(b"ine\n")
        assert other.recv(100) == b"HALF A LINE\n"


def test_everything_happens_in_the_serving_thread(bed, serve, dial):
    seen = set()

    class Handler(Base):
        def handle(self):
            seen.add(bed.network.threading.get_ident())
            yield self.sleep(0)
            seen.add(bed.network.threading.get_ident())

        def finish(self):
            seen.add(bed.network.threading.get_ident())

    server = serve(Handler)
    assert [dial(server).recv(1) for _ in range(3)] == [b""] * 3
    assert len(seen) == 1
    assert bed.network.threading.get_ident() not in seen


def test_a_client_that_does_not_read_keeps_nobody_waiting_and_costs_a_limited_amount(bed, serve, dial):
    written = []

    class Flood(Base):
        write_limit = 1000

        def handle(self):
            if (yield self.readline()) == b"flood\n":
                while True:
                    wait = self.write(b"x" * 4000)
                    written.append(len(self.outgoing))
                    try:
                        yield wait
                    except OSError:  # at the end of the test the client closes
                        return
            yield self.write(b"hello\n")

    server = serve(Flood)
    greedy = dial(server)
    greedy.sendall(b"flood\n")
    before = -1
    while len(written) != before:  # until it can write no more
        before = len(written) or -1
        bed.network.time.sleep(0.02)
    client = dial(server)
    client.sendall(b"hi\n")
    assert all_of(client) == b"hello\n"
    assert len(written) == before
    assert max(written) <= 1000 + 4000


def test_all_that_is_written_comes_in_order_also_to_a_slow_reader(bed, serve, dial):
    size = 3_000_000

    class Big(Base):
        def handle(self):
            for number in range(3):
                yield self.write(b"%d" % number * (size // 3))

    client = dial(serve(Big))
    bed.network.time.sleep(0.01)
    assert all_of(client) == b"0" * (size // 3) + b"1" * (size // 3) + b"2" * (size // 3)


def test_the_limit_of_writes_names_itself(serve, dial):
    told = []

    class Handler(Base):
        write_limit = 10

        def handle(self):
            self.write(memoryview(b"a" * 11))
            with pytest.raises(BufferError) as caught:
                self.write(b"b")
            told.append(str(caught.value))
            yield self.sleep(0)

    assert all_of(dial(serve(Handler))) == b"a" * 11
    assert told == ["write(): 11 bytes are not sent yet, more than write_limit=10; yield what write() returns"]


def test_a_handler_that_always_has_something_to_do_lets_the_others_go_on(serve, dial, event):
    stop = event()

    class Busy(Base):
        def handle(self):
            if (yield self.readline()) == b"busy\n":
                while not stop.is_set():
                    yield self.sleep(0)
            self.write(b"done")

    server = serve(Busy)
    busy, other = dial(server), dial(server)
    busy.sendall(b"busy\n")
    other.sendall(b"hello\n")
    assert all_of(other) == b"done"
    stop.set()
    assert all_of(busy) == b"done"


def test_more_than_max_connections_are_not_accepted_until_one_is_over(bed, serve, dial):
    server = serve(Upper, max_connections=2)
    first, second, third = (dial(server) for _ in range(3))
    for client in (first, second, third):
        client.sendall(b"hello\n")
    assert first.recv(100) == second.recv(100) == b"HELLO\n"
    third.settimeout(0.05)
    with pytest.raises(TimeoutError):
        third.recv(100)
    assert len(server._connections) == 2
    first.close()
    third.settimeout(10)
    assert third.recv(100) == b"HELLO\n"


# Time


@pytest.mark.parametrize(
    ("waits", "told"),
    [
        (lambda self: self.readline(), "readline(-1)"),
        (lambda self: self.read(5), "read(5)"),
        (lambda self: self.recv(5), "recv(5)"),
        (lambda self: self.write(b"x" * 50_000_000), "write()"),
    ],
)
def test_a_wait_that_takes_too_long_is_a_timeout_error_in_the_handler(bed, serve, dial, event, waits, told):
    errors, over = [], event()

    class Handler(Base):
        timeout = 0.02

        def handle(self):
            try:
                yield waits(self)
            except TimeoutError as error:
                errors.append(str(error))
                over.set()
                self.outgoing.clear()

    dial(serve(Handler))
    over.wait()
    assert errors == [f"{told}: not within 0.02 s"]


def test_the_time_of_a_wait_is_counted_from_its_beginning_and_not_from_the_last_byte(bed, serve, dial, errors_of):
    """A client that says a byte now and then does not hold its connection for ever."""

    class Handler(Upper):
        timeout = 0.05

    client = dial(serve(Handler))
    began = bed.network.time.monotonic()
    with pytest.raises(OSError, match=r"reset|Broken pipe|roken"):
        while bed.network.time.monotonic() < began + 5:
            client.sendall(b"x")
            bed.network.time.sleep(0.01)
    assert bed.network.time.monotonic() - began < 4
    assert len(errors_of(TimeoutError)) == 1


def test_each_wait_has_its_own_time(bed, serve, dial):
    class Handler(Upper):
        timeout = 0.5

    client = dial(serve(Handler))
    for _ in range(4):
        bed.network.time.sleep(0.2)
        client.sendall(b"hello\n")
        assert client.recv(100) == b"HELLO\n"


def test_sleep_takes_its_time_while_the_others_go_on(bed, serve, dial):
    class Handler(Base):
        timeout = 1000

        def handle(self):
            seconds = float((yield self.readline()))
            yield self.sleep(seconds)
            self.write(b"slept")

    server = serve(Handler)
    began = bed.network.time.monotonic()
    slow, quick = dial(server), dial(server)
    slow.sendall(b"0.2\n")
    quick.sendall(b"0\n")
    assert all_of(quick) == b"slept"
    assert bed.network.time.monotonic() - began < 0.2
    assert all_of(slow) == b"slept"
    assert bed.network.time.monotonic() - began >= 0.2


def test_sleeping_backwards_is_refused(serve, dial):
    def script(self):
        yield self.sleep(-1)

    assert all_of(dial(serve(reporting(script)))) == repr("ValueError: sleep(-1): seconds must be 0 or more").encode()


def test_many_waits_with_a_timeout_leave_few_alarms(serve, dial):
    class Handler(Upper):
        timeout = 1000

    server = serve(Handler)
    idle, client = dial(server), dial(server)
    idle.sendall(b"x\n")
    assert idle.recv(10) == b"X\n"  # its alarm is the first, and stays
    for _ in range(1000):
        client.sendall(b"x\n")
        assert client.recv(10) == b"X\n"
    assert len(server._alarms) < 200


def test_an_idle_loop_waits_and_does_not_poll(serve, dial, spy, bed):
    class Counting(bed.network.selectors.DefaultSelector):
        waits = 0

        def select(self, timeout=None):
            Counting.waits += 1
            return super().select(timeout)

    spy.selectors.DefaultSelector = Counting
    server = serve(Upper, network=spy)
    client = dial(server)
    client.sendall(b"hello\n")
    assert client.recv(100) == b"HELLO\n"
    bed.network.time.sleep(0.05)  # the loop comes to its wait
    before = Counting.waits
    bed.network.time.sleep(0.1)
    assert Counting.waits == before
