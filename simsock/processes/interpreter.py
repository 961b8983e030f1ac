"""A child that becomes a fresh Python: what a program that is started finds.

PYTEST_DONT_REWRITE

Owns the change of a forked copy into what an interpreter is when it begins, as far as a program can see: modules, ``sys``, the environment, standard streams,
what the standard library remembers; and how the program is run, and ends. Does not know messages. Laws:

* nothing of the program that was copied is run or finalized: what is taken away is kept where nobody reaches it;
* modules of the program are imported anew when they are asked for; those of harnesses and of packages with parts in C, which cannot be made twice in a
  process, are given as they are;
* a program's error is its exit status, as with real ones; an error of the world's own fails the test.
"""

from __future__ import annotations

import atexit
import builtins
import fcntl
import gc
import importlib
import io
import linecache
import os
import signal as _real
import sys
import textwrap
import threading
import types
from contextlib import suppress
from importlib.machinery import BuiltinImporter, ExtensionFileLoader, ModuleSpec, SourceFileLoader
from typing import TYPE_CHECKING, Any, NoReturn

from greenlet import getcurrent

from simsock.harness import is_harness
from simsock.kernel import launcher
from simsock.kernel.files import FIRST_DESCRIPTOR
from simsock.kernel.originals import original
from simsock.kernel.signals import signals_of
from simsock.processes import child_kernel, library_state, program_errors, search_path
from simsock.processes.at_fork import Hooks
from simsock.processes.child import status_of
from simsock.processes.command_lines import Command
from simsock.stdlib._makefile import BufferedReader, BufferedWriter, TextFile
from simsock.stdlib._rawfile import DescriptorFile
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from simsock.processes.child import Child

_dup2, _close, _closerange, _chdir, _umask, _open = (original(os, name) for name in ("dup2", "close", "closerange", "chdir", "umask", "open"))
_fcntl, _listdir = original(fcntl, "fcntl"), original(os, "listdir")
_FileIO = original(io, "FileIO")
_exit_really = os._exit
_STAYS = ("__editable__", "_distutils_hack", "_virtualenv", "sitecustomize", "usercustomize")
"""Beginnings of names of modules that a fresh Python has from its ``site``."""
_DESCRIPTORS_MAX = 65_536
_RECURSION = 1_000
"""CPython's ``Py_DEFAULT_RECURSION_LIMIT``."""
kept: list[Any] = []
"""What was copied and is not to be finalized here."""


class Start(NamedTuple):
    """A program to be started, as whoever starts it has said."""

    command: Command
    env: dict[str, str]
    cwd: Any
    streams: tuple[int, int, int]
    """Descriptors of the starter's that become 0, 1 and 2; -1: its own."""
    passed: tuple[int, ...] | None
    """Descriptors that stay open; None: all that can be inherited."""
    umask: int
    group: int
    """The process group that it joins; 0: one of its own; -1: its starter's; ``family.OWN_SESSION``: one of its own in such a session."""
    told: int = -1
    """A pipe to which ``multiprocessing``'s fork server, whose child it is, writes its number and its end."""


# -- becoming one ----------------------------------------------------------------------------------------------------------------------------


def become(child: Child, start: Start, ignored: frozenset[int]) -> NoReturn:
    """Run the program in this process, which was forked just now. ``ignored``: signals that its starter ignores."""
    if not child.kernel.preemption:
        sys.settrace(None)
    gc.freeze()
    kernel = child.kernel
    kept.extend((sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__, kernel.current.greenlet))
    kernel._launcher.switch(_Beginning(child, start, ignored))  # where the stack is shallow
    _exit_really(1)  # never


class _Beginning:
    """As a launcher wants a task."""

    pending = None
    kwargs: Any = types.MappingProxyType({})

    def __init__(self, child: Child, *args: Any) -> None:
        self.kernel = child.kernel
        self.args = child, *args
        self.fn = _run
        self.greenlet: Any = None
        self.started = False


def _run(child: Child, start: Start, ignored: frozenset[int]) -> None:
    error: BaseException | None = None
    child.kernel.current.greenlet = getcurrent()
    try:
        _descriptors(child, start)
        if start.cwd is not None:
            _chdir(start.cwd)
        if start.umask >= 0:
            _umask(start.umask)
        signals_of(child.kernel).handlers.update(_handlers(ignored))
        child.wakeup_fd = -1
        atexit._clear()
        child.kernel.room(Hooks).forget()
        os.environ.clear()
        os.environ.update(start.env)
        library_state.reset()
        _modules()
        _sys(start)
        _streams(start)
    except BaseException as caught:
        child.tell(caught)
        child.exit(1)
    try:
        _main(start.command)
    except BaseException as caught:
        error = caught
    _finish(child, error)


def _descriptors(child: Child, start: Start) -> None:
    """Real ones as after an exec; of simulated ones home has kept what is passed."""
    null = _open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    # Copies first: a stream may come from the number of another one.
    copies = [_fcntl(null if fd >= FIRST_DESCRIPTOR else fd, fcntl.F_DUPFD_CLOEXEC, 3) if fd >= 0 else -1 for fd in start.streams]
    _close(null)
    for number, (fd, copy) in enumerate(zip(start.streams, copies, strict=True)):
        if fd >= FIRST_DESCRIPTOR:
            child_kernel.low[number] = child_kernel.LOW + number
        elif fd >= 0:
            child_kernel.low.pop(number, None)
        if copy >= 0:
            _dup2(copy, number)
            _close(copy)
    if start.passed is not None:
        low = 3
        for fd in sorted({*(fd for fd in start.passed if 2 < fd < FIRST_DESCRIPTOR), *child.own_descriptors}):
            _closerange(low, fd)
            low = fd + 1
        _closerange(low, _DESCRIPTORS_MAX)
    else:
        for fd in sorted(int(name) for name in _listdir("/proc/self/fd")):
            with suppress(OSError):  # that of the list itself
                if fd not in child.own_descriptors and _fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
                    _close(fd)


def _handlers(ignored: frozenset[int]) -> dict[int, Any]:
    found: dict[int, Any] = {int(number): _real.SIG_DFL for number in _real.valid_signals()}
    found.update(dict.fromkeys(ignored, _real.SIG_IGN))
    if int(_real.SIGINT) not in ignored:
        found[int(_real.SIGINT)] = _real.default_int_handler
    found[int(_real.SIGPIPE)] = _real.SIG_IGN
    return found


class _AsTheyWere:
    """Finds modules that cannot be made twice in a process, as they are."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self.modules = modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        module = self.modules.get(name)
        if module is None:
            return None
        before = getattr(module, "__spec__", None)
        spec = ModuleSpec(name, self, origin=getattr(before, "origin", None), is_package=hasattr(module, "__path__"))  # type: ignore[arg-type]  # it is one
        spec.has_location = bool(getattr(before, "has_location", False))
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations = list(module.__path__)
        return spec

    def create_module(self, spec: Any) -> Any:
        return self.modules[spec.name]

    def exec_module(self, module: Any) -> None:
        pass


def _modules() -> None:
    """As a fresh interpreter has them, but for what of the standard library is loaded already."""
    groups: dict[str, list[str]] = {}
    for name in list(sys.modules):
        top = name.partition(".")[0]
        if (top in sys.stdlib_module_names and not name.startswith("__m")) or top in ("simsock", "greenlet") or name.startswith(_STAYS):
            continue
        groups.setdefault(top, []).append(name)
    as_they_were: dict[str, Any] = {}
    for top, names in groups.items():
        modules = {name: sys.modules.pop(name) for name in names}
        kept.append(modules)
        if is_harness(top) or any(isinstance(getattr(getattr(module, "__spec__", None), "loader", None), ExtensionFileLoader) for module in modules.values()):
            as_they_were.update(modules)
    as_they_were.pop("__main__", None)
    finders = [finder for finder in sys.meta_path if not is_harness((finder if isinstance(finder, type) else type(finder)).__module__)]
    kept.append(list(sys.meta_path))
    sys.meta_path[:] = [_AsTheyWere(as_they_were), *finders]
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    main = type(sys)("__main__")
    main.__dict__.update(__builtins__=builtins)
    sys.modules["__main__"] = main


def _sys(start: Start) -> None:
    command, env = start.command, start.env
    is_isolated = "I" in command.flags
    heeds_env = not (is_isolated or "E" in command.flags)
    sys.executable = os.path.abspath(command.executable)
    sys.orig_argv = list(command.line)
    sys.argv = [{"script": command.target, "code": "-c", "module": "-m", "stdin": command.target}.get(command.kind, ""), *command.args]
    sys.dont_write_bytecode = "B" in command.flags or bool(heeds_env and env.get("PYTHONDONTWRITEBYTECODE"))
    sys.warnoptions[:] = [*(env.get("PYTHONWARNINGS", "").split(",") if heeds_env and env.get("PYTHONWARNINGS") else ()), *command.warnings]
    library_state.warn_as(sys.warnoptions)
    sys._xoptions.clear()
    sys._xoptions.update({name: value or True for name, _, value in (option.partition("=") for option in command.options)})
    sys.path[:] = search_path.of(env if heeds_env else {}, users="s" not in command.flags and not is_isolated, site="S" not in command.flags)
    if not (is_isolated or "P" in command.flags or (heeds_env and env.get("PYTHONSAFEPATH"))):
        first = {"code": "", "stdin": "", "module": os.getcwd(), "script": os.path.dirname(os.path.realpath(command.target))}.get(command.kind)
        if first is not None:
            sys.path.insert(0, first)
    for hook in ("excepthook", "unraisablehook", "displayhook"):
        setattr(sys, hook, getattr(sys, f"__{hook}__"))
    threading.excepthook = threading.__excepthook__
    program_errors.apply()
    threading.settrace(None)
    threading.setprofile(None)
    sys.setrecursionlimit(_RECURSION + launcher.depth())
    for name in ("last_type", "last_value", "last_traceback", "last_exc", "ps1", "ps2"):
        sys.__dict__.pop(name, None)
    if (events := sys.modules.get("_asyncio")) is not None:
        events._set_running_loop(None)
    threading.current_thread().name = "MainThread"


def _streams(start: Start) -> None:
    env, flags = start.env, start.command.flags
    heeds_env = not ("I" in flags or "E" in flags)
    encoding, _, errors = (env.get("PYTHONIOENCODING", "") if heeds_env else "").partition(":")
    unbuffered = "u" in flags or bool(heeds_env and env.get("PYTHONUNBUFFERED"))
    found = []
    for number, (name, mode) in enumerate((("<stdin>", "r"), ("<stdout>", "w"), ("<stderr>", "w"))):
        handling = "backslashreplace" if number == 2 else errors or "strict"
        found.append(stream(number, name, mode, encoding or None, handling, unbuffered and number > 0))
    sys.stdin, sys.stdout, sys.stderr = found
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = found  # type: ignore[misc]  # as at a start


def stream(number: int, name: str, mode: str, encoding: str | None, errors: str, unbuffered: bool) -> Any:
    """Python's object for a standard stream."""
    newline = "\n" if mode == "w" else None
    raw: Any
    if number in child_kernel.low:
        raw = DescriptorFile(number, mode, False)
        buffered = raw if unbuffered else BufferedReader(raw) if mode == "r" else BufferedWriter(raw)
        made: Any = TextFile(buffered, encoding or sys.getfilesystemencoding(), errors, newline)
    else:
        try:
            raw = _FileIO(number, mode, closefd=False)
        except OSError:
            return None
        buffered = raw if unbuffered else io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
        made = io.TextIOWrapper(buffered, encoding or sys.getfilesystemencoding(), errors, newline)
    raw.name, made.mode = name, mode
    if mode == "w":
        made.reconfigure(line_buffering=not unbuffered and (number == 2 or made.isatty()), write_through=unbuffered)
    return made


# -- the program -----------------------------------------------------------------------------------------------------------------------------


def _main(command: Command) -> None:
    space = sys.modules["__main__"].__dict__
    if command.kind == "version":
        print(f"Python {sys.version.split()[0]}")
    elif command.kind == "module":
        import runpy

        runpy._run_module_as_main(command.target)  # type: ignore[attr-defined]  # what `python -m` calls
    elif command.kind == "script":
        _script(command, space)
    else:
        text, name = (command.target, "<string>") if command.kind == "code" else (sys.stdin.read(), "<stdin>")
        if command.kind == "code" and sys.version_info >= (3, 14):
            text = textwrap.dedent(text)
        code = compile(text + "\n", name, "exec", dont_inherit=True)
        lines: Any = linecache  # tracebacks show the source of such programs from 3.13 on
        if sys.version_info >= (3, 14):
            lines._register_code(code, text, name)
        elif sys.version_info >= (3, 13):
            lines.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        space.update(__spec__=None, __package__=None, __loader__=BuiltinImporter, __doc__=None)
        if sys.version_info < (3, 14):
            space["__annotations__"] = {}
        exec(code, space)


def _script(command: Command, space: dict[str, Any]) -> None:
    path = command.target
    if os.path.isdir(path) or _is_zip(path):
        import runpy

        sys.path[0:1] = [os.path.abspath(path)]
        runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]  # as above
        return
    try:
        with io.open_code(os.path.abspath(path)) as file:
            data = file.read()
    except OSError as error:
        print(f"{sys.executable}: can't open file {os.path.abspath(path)!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        sys.exit(2)
    name = os.path.join(os.getcwd(), path)
    space.update(__file__=name, __cached__=None, __spec__=None, __package__=None, __loader__=SourceFileLoader("__main__", name), __doc__=None)
    exec(compile(data, name, "exec", dont_inherit=True), space)


def _is_zip(path: str) -> bool:
    try:
        with io.open_code(os.path.abspath(path)) as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError:
        return False


# -- the end ---------------------------------------------------------------------------------------------------------------------------------


def _finish(child: Child, error: BaseException | None) -> NoReturn:
    """As ``Py_RunMain`` and ``Py_FinalizeEx`` do, as far as the program can see."""
    status = 0
    try:
        if isinstance(error, SystemExit):
            with suppress(Exception):
                sys.stdout.flush()
            status = status_of(error)
        elif error is not None:
            status = 1
            program_errors.show(error)
        program_errors.tell(error)
        child.end_threads()
        atexit._run_exitfuncs()
    except BaseException as caught:
        status = 1
        program_errors.tell(caught)
        sys.__excepthook__(type(caught), caught, caught.__traceback__)
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException as caught:
            status = 120
            if stream is sys.stdout:
                print(f"Exception ignored in: {stream!r}\n{type(caught).__name__}: {caught}", file=sys.stderr)
    if isinstance(error, KeyboardInterrupt):
        child.die_of(int(_real.SIGINT))
    child.exit(status)


__all__ = ["Start", "become", "stream"]
