"""Programs that are started in a patched world: what stands in for the calls under ``subprocess`` and ``multiprocessing``.

PYTEST_DONT_REWRITE

Owns what those calls say, and which of it is refused. Laws: what is started is Python and takes part in the world, or it is behind the fence; an error of
the system is the system's, before anything is forked.
"""

from __future__ import annotations

import errno
import os
import stat
from importlib import import_module
from typing import Any, NoReturn

from simsock.errors import SimsockError, Unsupported
from simsock.kernel import session
from simsock.kernel.failures import os_error
from simsock.kernel.originals import original
from simsock.patching import fence, forks
from simsock.processes import family
from simsock.processes.command_lines import Command, on_path, recognise

_stat = original(os, "stat")
_CLOSE, _DUP2 = getattr(os, "POSIX_SPAWN_CLOSE", 1), getattr(os, "POSIX_SPAWN_DUP2", 2)
_CLOSEFROM = getattr(os, "POSIX_SPAWN_CLOSEFROM", -1)


def _command(call: str, candidates: Any, args: Any, env: dict[str, str], cwd: Any = None) -> Command:
    found = recognise(candidates, args, env, cwd)
    if isinstance(found, OSError):
        raise type(found)(found.errno, found.strerror, os.fsdecode(candidates[0]) if len(candidates) == 1 else os.path.basename(os.fsdecode(candidates[0])))
    if isinstance(found, str):
        fence.refuse(call, (os.fsdecode(args[0]), list(map(os.fsdecode, args))), fence.hint_of_program(found))
    assert isinstance(found, Command)
    return found


def _environment(listed: Any) -> dict[str, str]:
    if listed is None:
        return dict(os.environ)
    if hasattr(listed, "items"):
        return {os.fsdecode(name): os.fsdecode(value) for name, value in listed.items()}
    return dict(os.fsdecode(item).split("=", 1) for item in listed)


def fork_exec(  # as CPython's Modules/_posixsubprocess.c has it
    args: Any,
    executables: Any,
    close_fds: Any,
    pass_fds: Any,
    cwd: Any,
    env: Any,
    p2cread: int,
    p2cwrite: int,
    c2pread: int,
    c2pwrite: int,
    errread: int,
    errwrite: int,
    errpipe_read: int,
    errpipe_write: int,
    restore_signals: Any,
    start_new_session: Any,
    process_group: int,
    gid: Any,
    groups: Any,
    uid: Any,
    umask: int,
    preexec_fn: Any,
    *more: Any,
) -> int:
    """What ``subprocess`` and ``multiprocessing`` start programs by."""
    for name, value in (("group", gid), ("extra_groups", groups), ("user", uid)):
        if value is not None:
            raise Unsupported(f"subprocess: {name}={value!r} changes who the process is for the real system, which is not simulated")
    environment = _environment(env)
    if cwd is not None:
        _check_folder(cwd)
    command = _command("_posixsubprocess.fork_exec", executables, args, environment, cwd)
    passed = tuple(fd for fd in pass_fds if fd != errpipe_write) if close_fds else None
    group = family.OWN_SESSION if start_new_session else max(process_group, -1)
    streams = p2cread, c2pwrite, errwrite
    if preexec_fn is None:
        return forks.start_program(command, environment, cwd, streams, passed, umask, group)
    pid = forks.fork()
    if not pid:
        _prepare(preexec_fn, cwd, umask, group, errpipe_write)
        forks.become_program(command, environment, None, streams, passed, -1, -1)
    return pid


def _prepare(preexec_fn: Any, cwd: Any, umask: int, group: int, errpipe_write: int) -> None:
    """In the new process, which is not the program yet."""
    try:
        if cwd is not None:
            os.chdir(cwd)
        if umask >= 0:
            os.umask(umask)
        if group == family.OWN_SESSION:
            os.setsid()
        elif group >= 0:
            os.setpgid(0, group)
        preexec_fn()
    except BaseException as error:
        if isinstance(error, SimsockError):
            kernel = session.kernel()
            kernel.task_failed(kernel.current, error)
        os.write(errpipe_write, b"SubprocessError:0:Exception occurred in preexec_fn.")
        os._exit(255)


def execve(path: Any, argv: Any, env: Any) -> NoReturn:
    """Go on as another program."""
    _execute("os.execve", path, argv, env)


def execv(path: Any, argv: Any, /) -> NoReturn:
    """The same, with this process's environment."""
    _execute("os.execv", path, argv, None)


def _execute(call: str, path: Any, argv: Any, env: Any) -> NoReturn:
    if not isinstance(argv, (list, tuple)):
        raise TypeError(f"{call.removeprefix('os.')}: argv must be a tuple or list")
    if not argv or not os.fsencode(argv[0]):
        raise ValueError(f"{call.removeprefix('os.')}() arg 2 {'first element cannot' if argv else 'must not'} be empty")
    if isinstance(path, int):
        raise Unsupported(f"{call} of the descriptor {path}: a program is named by its path")
    environment = _environment(env)
    command = _command(call, [path], argv, environment)
    forks.become_program(command, environment, None, (-1, -1, -1), None, -1, -1)


def start_for_server(line: list[str], passed: tuple[int, ...], told: int) -> int:
    """Start a program as a child of ``multiprocessing``'s fork server, which tells a pipe of it."""
    environment = _environment(None)
    command = _command("multiprocessing.forkserver", line[:1], line, environment)
    return forks.start_program(command, environment, None, (-1, -1, -1), passed, -1, -1, told)


def _check_folder(cwd: Any) -> None:
    """As chdir(2) would find it."""
    try:
        number = 0 if stat.S_ISDIR(_stat(cwd).st_mode) else errno.ENOTDIR
    except OSError as found:
        number = found.errno or errno.ENOENT
    if number:
        error = os_error(number)
        error.filename = cwd
        raise error


def _spawn(call: str, candidates: Any, argv: Any, env: Any, file_actions: Any, options: dict[str, Any]) -> int:
    for name, value in options.items():
        if name not in ("setsigdef", "setpgroup", "setsid", "resetids") and value not in (None, ()):
            raise Unsupported(f"{call}: {name}={value!r} is not simulated")
    environment = _environment(env)
    command = _command(call, candidates, argv, environment)
    streams, passed = [-1, -1, -1], None
    for kind, *numbers in file_actions or ():
        if kind == _DUP2 and numbers[1] < 3:
            copied = streams[numbers[0]] if 0 <= numbers[0] < 3 else -1  # of what an action before this one has put there
            streams[numbers[1]] = copied if copied >= 0 else numbers[0]
        elif kind == _CLOSEFROM and numbers[0] == 3:
            passed = ()
        elif kind != _CLOSE or numbers[0] < 3:
            raise Unsupported(f"{call}: the file action {(kind, *numbers)!r} is not simulated; what becomes standard input and output is")
    group = family.OWN_SESSION if options.get("setsid") else -1 if options.get("setpgroup") is None else options["setpgroup"]
    return forks.start_program(command, environment, None, (streams[0], streams[1], streams[2]), passed, -1, group)


def posix_spawn(path: Any, argv: Any, env: Any, /, *, file_actions: Any = None, **options: Any) -> int:
    """Start a program."""
    return _spawn("os.posix_spawn", [path], argv, env, file_actions, options)


def posix_spawnp(path: Any, argv: Any, env: Any, /, *, file_actions: Any = None, **options: Any) -> int:
    """The same, found on PATH."""
    return _spawn("os.posix_spawnp", on_path(os.fsdecode(path), None), argv, env, file_actions, options)


def pairs() -> list[tuple[Any, Any]]:
    """Originals and what stands in for them."""
    found = [(getattr(os, name), globals()[name]) for name in ("posix_spawn", "posix_spawnp", "execv", "execve") if hasattr(os, name)]
    try:
        found.append((import_module("_posixsubprocess").fork_exec, fork_exec))
    except ImportError:  # not on this platform
        pass
    return found
