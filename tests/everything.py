"""What a world makes of every function and type in C that programs reach descriptors, time, threads, signals, chance and processes with.

One table for all Pythons: module, then what becomes of it, then names; of what is harmless, the reason. ``tests/test_everything.py`` holds it against the
interpreter's own modules, against what is in place in a world, and against ``docs/fidelity.md``, whose section ``python -m tests.everything`` writes.
"""

from __future__ import annotations

from pathlib import Path

SIMULATED, REFUSED = "simulated", "refused"
TABLE: dict[str, dict[str, str]] = {
    "_socket": {
        SIMULATED: "socket SocketType close dup getaddrinfo getdefaulttimeout gethostbyaddr gethostbyname gethostbyname_ex gethostname getnameinfo "
        "getprotobyname getservbyname getservbyport if_indextoname if_nameindex if_nametoindex setdefaulttimeout sethostname socketpair",
        "computes from its arguments alone": "CMSG_LEN CMSG_SPACE htonl htons inet_aton inet_ntoa inet_ntop inet_pton ntohl ntohs",
    },
    "select": {SIMULATED: "epoll poll select"},
    "_posixsubprocess": {SIMULATED: "fork_exec"},
    "_multiprocessing": {SIMULATED: "SemLock sem_unlink"},
    "_queue": {SIMULATED: "SimpleQueue"},
    "_thread": {
        SIMULATED: "LockType RLock _ThreadHandle _count _excepthook _local _set_sentinel allocate allocate_lock get_ident get_native_id interrupt_main lock "
        "set_name start_joinable_thread start_new start_new_thread",
        "ends its thread by an exception": "exit exit_thread",
        "is asked about the process, or at its end, outside worlds": "_get_main_thread_ident _is_main_interpreter _shutdown daemon_threads_allowed",
        "a value, or makes one": "_ExceptHookArgs _make_thread_handle",
        "reads a real thread's name": "_get_name",
        "stores a number for threads to come": "stack_size",
    },
    "signal": {
        SIMULATED: "alarm getitimer getsignal pause pidfd_send_signal pthread_kill pthread_sigmask raise_signal set_wakeup_fd setitimer siginterrupt signal "
        "sigpending sigtimedwait sigwait sigwaitinfo",
        "computes from its arguments alone": "_enum_to_int _int_to_enum strsignal valid_signals",
        "a value": "Handlers Sigmasks Signals _IntEnum struct_siginfo",
        "raises KeyboardInterrupt": "default_int_handler",
    },
    "time": {
        SIMULATED: "asctime clock_gettime clock_gettime_ns ctime gmtime localtime monotonic monotonic_ns perf_counter perf_counter_ns process_time "
        "process_time_ns sleep strftime thread_time thread_time_ns time time_ns",
        REFUSED: "clock_settime clock_settime_ns pthread_getcpuclockid",
        "a constant of the machine": "clock_getres get_clock_info",
        "computes from its arguments and the machine's zone": "mktime strptime tzset",
        "a value": "struct_time",
    },
    "fcntl": {SIMULATED: "fcntl flock ioctl lockf"},
    "termios": {SIMULATED: "tcdrain tcflow tcflush tcgetattr tcgetwinsize tcsendbreak tcsetattr tcsetwinsize"},
    "posix": {
        SIMULATED: "_exit execv execve fork posix_spawn posix_spawnp wait wait3 wait4 waitid waitpid "
        "chdir chmod chown close closerange copy_file_range device_encoding dup dup2 eventfd eventfd_read eventfd_write fchdir fchmod fchown "
        "fdatasync fpathconf fstat fstatvfs fsync ftruncate get_blocking get_inheritable get_terminal_size getrandom getxattr isatty kill killpg listdir "
        "listxattr lockf lseek pathconf pipe pipe2 posix_fadvise posix_fallocate pread preadv pwrite pwritev read readinto readv removexattr scandir "
        "sched_yield sendfile set_blocking set_inheritable setxattr splice stat statvfs statx tcgetpgrp tcsetpgrp times truncate ttyname urandom utime write "
        "writev "
        "getpgid getpgrp getpid getppid getpriority getsid pidfd_open sched_getaffinity sched_getparam sched_getscheduler sched_rr_get_interval "
        "sched_setaffinity sched_setparam sched_setscheduler setpgid setpgrp setpriority setsid uname "
        "lchown link lstat mkdir mknod open readlink remove rename replace rmdir symlink unlink",
        REFUSED: "abort forkpty login_tty mkfifo openpty posix_openpt system timerfd_create",
        "computes from its arguments alone": "WCOREDUMP WEXITSTATUS WIFCONTINUED WIFEXITED WIFSIGNALED WIFSTOPPED WSTOPSIG WTERMSIG _path_normpath "
        "_path_splitroot_ex fspath major makedev minor strerror waitstatus_to_exitcode",
        "a name in the real file system, without waiting": "access chroot getcwd getcwdb sync umask",
        "a fact of the machine, not the same in every run": "confstr cpu_count ctermid getloadavg sched_get_priority_max sched_get_priority_min sysconf",
        "who this process is, and how the system ranks it": "getegid geteuid getgid getgrouplist getgroups getlogin "
        "getresgid getresuid getuid initgroups nice setegid seteuid setgid setgroups setns setregid setresgid setresuid setreuid setuid unshare",
        "the process's environment": "_clearenv _create_environ putenv unsetenv",
        "a real descriptor that nothing in a world can wait for": "grantpt memfd_create ptsname timerfd_gettime timerfd_gettime_ns "
        "timerfd_settime timerfd_settime_ns unlockpt",
        "its functions run around a fork with the world out of the way": "register_at_fork",
        "the prompt of an interactive interpreter": "_inputhook _is_inputhook_installed",
        "a value": "DirEntry sched_param stat_result statvfs_result statx_result terminal_size times_result uname_result waitid_result",
    },
    "_io": {
        SIMULATED: "FileIO open",
        "a real file by its name": "open_code",
        "has no descriptor of its own": "BufferedRWPair BufferedRandom BufferedReader BufferedWriter BytesIO IncrementalNewlineDecoder StringIO TextIOWrapper "
        "_BufferedIOBase _BytesIOBuffer _IOBase _RawIOBase _TextIOBase text_encoding",
    },
    "_datetime": {SIMULATED: "date datetime", "a value": "time timedelta timezone tzinfo"},
    "_random": {SIMULATED: "Random"},
    "_uuid": {SIMULATED: "generate_time_safe"},
    "_ssl": {
        SIMULATED: "RAND_bytes _SSLContext _SSLSocket",
        "takes no descriptor and waits for nothing": "MemoryBIO RAND_add RAND_status SSLSession",
        "reads real files or computes": "Certificate _test_decode_cert get_default_verify_paths get_sigalgs nid2obj txt2obj",
        "deprecated, and gone from 3.12 on": "RAND_pseudo_bytes",
    },
    "_asyncio": {
        "lives on the loop, which is simulated": "Future Task future_add_to_awaited_by future_discard_from_awaited_by",
        "the thread's running loop, which is each task's own": "_enter_task _get_event_loop _get_running_loop _leave_task _register_eager_task _register_task "
        "_set_running_loop _swap_current_task _unregister_eager_task _unregister_task all_tasks current_task get_event_loop get_running_loop",
    },
    "mmap": {"maps real files; a simulated descriptor is refused by name": "mmap"},
    "resource": {
        SIMULATED: "getrusage prlimit",
        "limits of the process, which are real": "getpagesize getrlimit setrlimit",
        "a value": "struct_rusage",
    },
    "faulthandler": {
        "for real signals, which reach the process and not the world": "disable enable is_enabled register unregister",
        "tells in real time that a process hangs": "cancel_dump_traceback_later dump_traceback_later",
        "writes what there is": "dump_c_stack dump_traceback",
        "ends the process, as it is meant to": "_fatal_error_c_thread _read_null _sigabrt _sigfpe _sigsegv _stack_overflow",
    },
    "_interpreters": {
        REFUSED: "create",
        "without another interpreter there is nothing for it": "call capture_exception decref destroy exec get_config get_current get_main incref is_running "
        "is_shareable list_all new_config run_func run_string set___main___attrs whence",
        "a value": "CrossInterpreterBufferView",
    },
}
"""Exceptions are not in it: they touch nothing."""
BY_OTHER_MEANS = {
    ("_socket", "socket"): "the class's name is exchanged",
    ("_socket", "SocketType"): "the class's name is exchanged",
    ("_datetime", "date"): "its methods are exchanged, or ask time.time",
    ("_datetime", "datetime"): "its methods are exchanged",
    ("_random", "Random"): "seeds from the world",
    ("_ssl", "_SSLContext"): "two of its methods are exchanged, by which conversations are made",
    ("_ssl", "_SSLSocket"): "is made over buffers, for another object in its place",
    ("posix", "forkpty"): "os.forkpty",
    ("posix", "system"): "os.system",
}
"""Simulated or refused otherwise than by a function in the original's place; of posix, by the fence, at this audit event."""
FIRST, LAST = "<!-- written by python -m tests.everything -->", "<!-- until here -->"
PAGE = Path(__file__).parent.parent / "docs" / "fidelity.md"


def section() -> str:
    """What ``docs/fidelity.md`` says."""
    lines = [FIRST, "", "| module | simulated | refused | harmless |", "|---|---|---|---|"]
    for module, kinds in TABLE.items():
        harmless = [f"{', '.join(f'`{name}`' for name in names.split())}: {why}" for why, names in kinds.items() if why not in (SIMULATED, REFUSED)]
        shown = [", ".join(f"`{name}`" for name in kinds.get(kind, "").split()) for kind in (SIMULATED, REFUSED)]
        lines.append(f"| `{module}` | {' | '.join((*shown, '; '.join(harmless)))} |")
    return "\n".join((*lines, "", LAST))


if __name__ == "__main__":
    page = PAGE.read_text()
    before, _, rest = page.partition(FIRST)
    PAGE.write_text(before + section() + rest.partition(LAST)[2])
