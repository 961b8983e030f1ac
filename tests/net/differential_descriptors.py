"""A machine that runs one random sequence of calls on pipes, counters, sockets' descriptors and signals on Linux and in a patched world.

Owns the calls, and the form in which their outcomes are compared. It uses the standard modules by their own names: outside a world they are real. Laws: what a
step does depends on earlier outcomes only; what differs on purpose stands in ``docs/fidelity.md`` and is not asked here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import selectors
import signal
import socket
import stat
import struct
import sys
import threading
import time
from typing import NamedTuple

from hypothesis import strategies as st

FILES_MAX = 8
SIZES = (0, 1, 10, 4_096, 5_000, 70_000)
SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
MASKS = (1, 4, 5, 0x2001, 0x2005)
FORMS = (0, 1 << 31, 1 << 30, 1 << 31 | 1 << 30)
"""Levels, edges, once, and once at an edge."""
F_SETPIPE_SZ, F_GETPIPE_SZ, FIONREAD = 1031, 1032, 0x541B
PIPE_SIZES = (4_096, 8_192, 10_000, 65_536, 0)
FLAGS = os.O_NONBLOCK | os.O_ACCMODE
LATE_S, PATIENCE_S = 0.004, 0.02
"""Seconds after which another thread closes something, and for which this one waits."""


class Step(NamedTuple):
    """A call: of descriptor number ``which``, with another one or a choice of argument."""

    what: str
    which: int
    other: int
    choice: int


CALLS = (
    *("pipe write read close poll".split() * 3),
    *("pair event dup dup2 select watch edges count writev readv".split() * 2),
    *"unwatch size flags kind odd ranges again file".split(),
    *("kill block pending take handler handled".split() * 2),
    *"wakeup wakeup late passing passing alarm strike mixed take_late".split(),
)
NUMBERS = st.integers(0, FILES_MAX - 1)
STEPS = st.builds(Step, st.sampled_from(CALLS), NUMBERS, NUMBERS, st.integers(0, 11))
PROGRAMS = st.lists(STEPS, min_size=3, max_size=30)


class Machine:
    """The descriptors of one run, and what was seen."""

    def __init__(self, pause):
        self.pause = pause
        self.files = []
        self.seen = []
        self.numbers = []
        self.ignored = []
        self.hook, sys.unraisablehook = sys.unraisablehook, lambda told: self.ignored.append(str(told.exc_value))
        self.epoll = select.epoll()
        self.handlers = {number: signal.signal(number, self._handle) for number in (*SIGNALS, signal.SIGALRM)}
        self.mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _handle(self, number, frame):
        self.numbers.append(int(number))

    def run(self, steps):
        """The outcomes of all steps."""
        try:
            for step in [*steps, Step("poll", 0, 0, 0), Step("pending", 0, 0, 0)]:
                if not self.files and step.what not in ("pipe", "pair", "event"):
                    self.pipe(step)
                try:
                    outcome = getattr(self, step.what)(step)
                except (OSError, OverflowError, ValueError) as error:
                    outcome = type(error).__name__, getattr(error, "errno", None), str(error)
                self.seen.append((step.what, step.which % max(1, len(self.files)), outcome))
                if self.pause:
                    time.sleep(self.pause)
            return self.seen
        finally:
            self._end()

    def _end(self):
        sys.unraisablehook = self.hook
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.epoll.close()
        for fd in {fd for fd in self.files if fd >= 0}:
            with contextlib.suppress(OSError):
                os.close(fd)

    def fd(self, step):
        return self.files[step.which % len(self.files)]

    def open_ones(self):
        return [fd for fd in self.files if fd >= 0]

    def add(self, *fds):
        self.files += fds

    def there_is_room(self):
        return len(self.files) < FILES_MAX - 1

    # -- making and closing ----------------------------------------------------------------------------------------------------------------

    def pipe(self, step):
        if self.there_is_room():
            self.add(*os.pipe2(os.O_NONBLOCK | (os.O_CLOEXEC if step.choice % 2 else 0)))

    def pair(self, step):
        if self.there_is_room():
            for sock in socket.socketpair():
                sock.setblocking(False)
                self.add(sock.detach())

    def event(self, step):
        if self.there_is_room():
            self.add(os.eventfd(step.choice, os.EFD_NONBLOCK | (os.EFD_SEMAPHORE if step.other % 2 else 0)))

    def dup(self, step):
        if self.there_is_room():
            self.add(os.dup(self.fd(step)))

    def dup2(self, step):
        target = self.files[step.other % len(self.files)]
        if target >= 0 and self.fd(step) >= 0:  # CPython says any error of a negative one
            return os.dup2(self.fd(step), target, bool(step.choice % 2)) == target
        return None

    def close(self, step):
        fd, self.files[step.which % len(self.files)] = self.fd(step), -1
        os.close(fd)

    def ranges(self, step):
        """closerange over one of them."""
        fd = self.fd(step)
        if fd >= 0:
            self.files[step.which % len(self.files)] = -1
            os.closerange(fd, fd + 1)

    # -- bytes -----------------------------------------------------------------------------------------------------------------------------

    def write(self, step):
        size = 8 if step.choice > 7 else SIZES[step.choice % 6]
        data = step.other.to_bytes(8, "little") if size == 8 else bytes([65 + step.other]) * size
        return os.write(self.fd(step), data)

    def writev(self, step):
        return os.writev(self.fd(step), [b"ab", b"", bytes([65 + step.other]) * SIZES[step.choice % 6]])

    def read(self, step):
        data = os.read(self.fd(step), (1, 5, 8, 4_096, 100_000)[step.choice % 5])
        return len(data), data[:8], data[-1:]

    def readv(self, step):
        buffers = bytearray(3), bytearray(6), bytearray(step.choice)
        return os.readv(self.fd(step), buffers), tuple(map(bytes, buffers))

    def count(self, step):
        return struct.unpack("i", fcntl.ioctl(self.fd(step), FIONREAD, bytes(4)))

    def size(self, step):
        asked = PIPE_SIZES[step.choice % 5]
        return fcntl.fcntl(self.fd(step), F_SETPIPE_SZ, asked) if asked else fcntl.fcntl(self.fd(step), F_GETPIPE_SZ)

    def file(self, step):
        """A file object of a duplicate, buffered or not."""
        with os.fdopen(os.dup(self.fd(step)), ("rb", "wb")[step.other % 2], buffering=(0, -1)[step.choice % 2]) as made:
            return made.write(b"x" * step.choice) if step.other % 2 else made.read(step.choice)

    def passing(self, step):
        """A descriptor goes through a socket beside bytes, perhaps into a buffer that is too small."""
        if not self.there_is_room():
            return None
        one, two = socket.socketpair()
        with one, two:
            sent = socket.send_fds(one, [b"one", b"two"], [self.fd(step)] * (1 + step.other % 2))
            data, messages, flags, _ = two.recvmsg(10, socket.CMSG_SPACE(4 * (step.choice % 3)), socket.MSG_CMSG_CLOEXEC if step.choice % 2 else 0)
            made = [fd for _, _, told in messages for fd in struct.unpack(f"{len(told) // 4}i", told)]
            self.add(*made[:1])
            for fd in made[1:]:
                os.close(fd)
        return sent, data, [(level, kind, len(told)) for level, kind, told in messages], int(flags), [os.get_inheritable(fd) for fd in made[:1]]

    # -- what they are -----------------------------------------------------------------------------------------------------------------------

    def flags(self, step):
        fd = self.fd(step)
        return fcntl.fcntl(fd, fcntl.F_GETFL) & FLAGS, fcntl.fcntl(fd, fcntl.F_GETFD), os.get_blocking(fd), os.get_inheritable(fd)

    def kind(self, step):
        return stat.S_IFMT(os.fstat(self.fd(step)).st_mode), os.isatty(self.fd(step))

    def odd(self, step):
        """What such descriptors are not for."""
        fd = self.fd(step)
        calls = (lambda: os.lseek(fd, 0, 0), lambda: os.pread(fd, 1, 0), lambda: os.fsync(fd), lambda: os.ftruncate(fd, 0), lambda: os.ttyname(fd))
        return calls[step.choice % 5]()

    # -- polling -----------------------------------------------------------------------------------------------------------------------------

    def poll(self, step):
        seen = []
        for fd in self.files:
            poller = select.poll()
            if fd >= 0:
                poller.register(fd, 5)
            seen.append("closed" if fd < 0 else [hex(bits) for _, bits in poller.poll(0)])
        return seen

    def select(self, step):
        found = select.select(self.open_ones(), self.open_ones(), [], 0)
        return [sorted(self.files.index(fd) for fd in part) for part in found[:2]]

    def watch(self, step):
        return (self.epoll.modify if step.other % 3 == 0 else self.epoll.register)(self.fd(step), MASKS[step.choice % 5] | FORMS[step.other % 4])

    def unwatch(self, step):
        return self.epoll.unregister(self.fd(step))

    def edges(self, step):
        numbers = {fd: number for number, fd in enumerate(self.files)}
        return sorted((numbers.get(fd, -1), hex(bits)) for fd, bits in self.epoll.poll(0))

    def again(self, step):
        """A wait with a timeout that nothing may end."""
        return [sorted(self.files.index(fd) for fd in part) for part in select.select(self.open_ones()[:2], [], [], 0.001)]

    def mixed(self, step):
        """selectors, of every kind."""
        kinds = selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector, selectors.DefaultSelector
        with kinds[step.choice % 4]() as selector:
            for fd in dict.fromkeys(self.open_ones()):
                selector.register(fd, 1 + step.other % 3)
            return sorted((self.files.index(key.fd), events) for key, events in selector.select(0))

    # -- signals -----------------------------------------------------------------------------------------------------------------------------

    def kill(self, step):
        (os.kill, lambda _, number: signal.raise_signal(number))[step.other % 2](os.getpid(), SIGNALS[step.choice % 3])

    def block(self, step):
        how = (signal.SIG_BLOCK, signal.SIG_UNBLOCK, signal.SIG_SETMASK)[step.other % 3]
        return sorted(int(number) for number in signal.pthread_sigmask(how, [SIGNALS[step.choice % 3]]) if number in SIGNALS)

    def pending(self, step):
        return sorted(int(number) for number in signal.sigpending() if number in SIGNALS)

    def take(self, step):
        """Of those that are pending, or none."""
        found = signal.sigtimedwait(SIGNALS[: 1 + step.choice % 3], 0)
        return found and (found.si_signo, found.si_pid == os.getpid())

    def handler(self, step):
        number = SIGNALS[step.choice % 3]
        return signal.signal(number, signal.SIG_IGN if step.other % 3 == 0 else self._handle) == self._handle

    def handled(self, step):
        """The signals whose handler has run, and what could not be written for them."""
        return list(self.numbers), list(self.ignored)

    def wakeup(self, step):
        fd = self.fd(step) if step.choice % 3 else -1
        before = signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
        return before == -1 or (self.files.index(before) if before in self.files else "closed")

    def alarm(self, step):
        """A handler in the midst of a wait, which goes on. It comes again, should it come before the wait."""
        before = len(self.numbers)
        signal.setitimer(signal.ITIMER_REAL, LATE_S, LATE_S)
        waits = signal.pause, lambda: time.sleep(3 * LATE_S), lambda: select.select([], [], [], 3 * LATE_S), lambda: select.poll().poll(3000 * LATE_S)
        try:
            return waits[step.choice % 4](), set(self.numbers[before:])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            del self.numbers[before:]

    def strike(self, step):
        """A handler that raises in the midst of a wait."""
        one, two = socket.socketpair()
        with one, two, select.epoll() as poller:
            poller.register(one, 1)
            waits = lambda: one.recv(1), lambda: select.select([one], [], []), lambda: poller.poll(), lambda: os.read(one.fileno(), 1)
            before = signal.signal(signal.SIGALRM, self._stop)
            try:
                signal.setitimer(signal.ITIMER_REAL, LATE_S)
                return waits[step.choice % 4]()
            except InterruptedError as error:
                return str(error)
            finally:
                signal.signal(signal.SIGALRM, before)

    def _stop(self, number, frame):
        raise InterruptedError("stopped")

    def take_late(self, step):
        """sigtimedwait for what another thread sends, or does not."""
        number = SIGNALS[step.choice % 3]
        if number in signal.sigpending() or number not in signal.pthread_sigmask(signal.SIG_BLOCK, []):
            return None
        sender = threading.Timer(LATE_S, os.kill, (os.getpid(), number))
        sender.start()
        found = signal.sigtimedwait([number], 60) if step.other % 2 else signal.sigwaitinfo([number])
        sender.join()
        return found.si_signo, found.si_code, found.si_pid == os.getpid()

    # -- closing while another one waits -------------------------------------------------------------------------------------------------------

    def late(self, step):
        """Another thread closes, shuts down or fills what this one waits for."""
        one, two = socket.socketpair()
        patience = PATIENCE_S + 10 * self.pause
        one.settimeout(patience)
        acts = one.close, two.close, lambda: one.shutdown(2), lambda: two.send(b"x")
        waits = self._recv, self._select, self._poll, self._epoll

        def act():
            time.sleep(LATE_S + self.pause)
            acts[step.choice % 4]()

        thread = threading.Thread(target=act)
        thread.start()
        try:
            return waits[step.other % 4](one, patience)
        finally:
            thread.join()
            one.close()
            two.close()

    def _recv(self, sock, patience):
        return sock.recv(10)

    def _select(self, sock, patience):
        return [len(part) for part in select.select([sock], [], [], patience)]

    def _poll(self, sock, patience):
        poller = select.poll()
        poller.register(sock, 1)
        return [hex(bits) for _, bits in poller.poll(patience * 1000)]

    def _epoll(self, sock, patience):
        with select.epoll() as poller:
            poller.register(sock, 1)
            return [hex(bits) for _, bits in poller.poll(patience)]
