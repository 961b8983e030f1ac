"""What is replaced by what.

Owns the pairs of originals and replacements. Does not know where the originals are held.
"""

from __future__ import annotations

import _socket
import _thread
import fcntl
import io
import os
import resource
import select
import termios
import time
from contextlib import suppress
from importlib import import_module
from typing import Any

from simsock.kernel.originals import original
from simsock.patching.guards import guarded, guarded_close

_TIME = (
    "sleep time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time thread_time_ns "
    "clock_gettime clock_gettime_ns clock_settime clock_settime_ns pthread_getcpuclockid gmtime localtime ctime asctime strftime"
).split()
_SOCKET = (
    "getaddrinfo gethostbyname gethostbyname_ex gethostbyaddr gethostname getnameinfo getservbyname getservbyport getdefaulttimeout "
    "setdefaulttimeout socketpair close dup if_nameindex if_nametoindex if_indextoname getprotobyname sethostname"
).split()
_OS = (
    "abort chdir chmod chown closerange copy_file_range device_encoding dup dup2 eventfd eventfd_read eventfd_write fchdir fchmod fchown fdatasync "
    "lchown link lstat mkdir mknod open readlink remove rename replace rmdir symlink unlink "
    "fpathconf fstatvfs fsync fstat ftruncate get_blocking get_inheritable get_terminal_size getxattr listdir listxattr login_tty openpty pathconf "
    "posix_openpt removexattr scandir sched_yield setxattr statvfs tcgetpgrp tcsetpgrp timerfd_create times truncate utime "
    "isatty lockf lseek mkfifo pipe pipe2 posix_fadvise posix_fallocate pread preadv pwrite pwritev read readinto readv sendfile set_blocking "
    "set_inheritable splice stat statx ttyname write writev"
).split()
_TERMINALS = "tcdrain tcflow tcflush tcgetattr tcgetwinsize tcsendbreak tcsetattr tcsetwinsize".split()


def make_pairs() -> list[tuple[Any, Any]]:
    """(original, replacement) of every function that a world replaces."""
    from simsock.patching import chance, fence, forks, polls, signals, sockets, starting, task_locals, threads
    from simsock.stdlib import _epoll, _identity, _names, _rawfile, _semaphores
    from simsock.stdlib import fcntl as sim_fcntl
    from simsock.stdlib import os as sim_os
    from simsock.stdlib import resource as sim_resource
    from simsock.stdlib import select as sim_select
    from simsock.stdlib import socket as sim_socket
    from simsock.stdlib import termios as sim_termios
    from simsock.stdlib import time as sim_time

    pairs = [(original(time, name), getattr(sim_time, name)) for name in _TIME]
    pairs += [(original(_socket, name), getattr(_names, name, None) or getattr(sim_socket, name)) for name in _SOCKET]
    pairs += [(original(select, "select"), sim_select.select), (original(select, "poll"), sim_select.poll), (original(select, "epoll"), _epoll.epoll)]
    pairs += [(original(os, name), getattr(sim_os, name)) for name in _OS if hasattr(os, name)]
    pairs += [(original(fcntl, name), getattr(sim_fcntl, name)) for name in ("fcntl", "ioctl", "flock", "lockf")]
    pairs += [(original(io, "open"), _rawfile.open), (original(resource, "getrusage"), sim_resource.getrusage)]
    pairs += [(original(termios, name), getattr(sim_termios, name)) for name in _TERMINALS]
    with suppress(ImportError):  # not on this platform
        multiprocessing: Any = import_module("_multiprocessing")
        pairs += [(multiprocessing.SemLock, _semaphores.SemLock), (multiprocessing.sem_unlink, _semaphores.sem_unlink)]
    functions, classes = threads.pairs()
    pairs += [*functions, *chance.pairs(), *polls.pairs(), *signals.pairs(), *forks.pairs(), *starting.pairs(), *_identity.pairs(), *fence.pairs()]
    stand_ins = [(real, guarded(real, simulated)) for real, simulated in pairs]
    for capable in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks, os.supports_effective_ids):
        # Programs ask whether `os.stat in os.supports_fd`; what stands in can do what the original can.
        capable.update(stand_in for real, stand_in in stand_ins if real in capable)
    closes = original(os, "close")
    # Each hybrid asks for itself where it is, so these need no guard.
    return [
        *stand_ins,
        *classes,
        (_thread._local, task_locals.local),
        (io.FileIO, _rawfile.FileIO),
        (closes, guarded_close(closes, sim_os.close)),
        *sockets.pairs(),
    ]
