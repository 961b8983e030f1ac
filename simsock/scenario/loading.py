"""From the names in a scenario file to the code that they mean.

Owns the importing of modules that stand next to a scenario file, and the checks of what is found in them. Does not run anything. Laws:

* ``sys.path`` and ``sys.modules`` are afterwards as they were, so that two folders may each have a ``counter.py``;
* a name that cannot be found is a ``ScenarioError`` that names the file, the key and the module.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module, invalidate_caches
from inspect import iscoroutinefunction, signature
from types import ModuleType
from typing import Any

from simsock.clients.kinds import KINDS
from simsock.errors import ScenarioError, UsageError
from simsock.scenario.checks import REFERENCE
from simsock.scenario.schema import Plan, check_options
from simsock.world.servers import is_made_of_address, takes

SERVER_METHODS = ("serve_forever", "shutdown", "server_close")


class neighbours:
    """A context manager: modules that stand in ``folder`` can be imported, and come before all others; those of the working directory come last.

    ``names`` are the modules that will be asked for: where ``folder`` has one of that name, another one that is loaded makes room.
    """

    def __init__(self, folder: str, names: set[str]) -> None:
        self.folder = os.path.abspath(folder)
        self._tops = {name.partition(".")[0] for name in names}
        self._hidden: dict[str, ModuleType] = {}
        self._here: str | None = None
        """The working directory, if it is importable only in this block: a plain ``pytest`` does not look there."""

    def __enter__(self) -> neighbours:
        for name, module in list(sys.modules.items()):
            top = name.partition(".")[0]
            if top in self._tops and self._has(top) and not self._ours(module):
                self._hidden[name] = sys.modules.pop(name)
        sys.path.insert(0, self.folder)
        if "" not in sys.path and (here := os.getcwd()) not in sys.path:
            sys.path.append(here)
            self._here = here
        invalidate_caches()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.folder in sys.path:
            sys.path.remove(self.folder)
        if self._here is not None and self._here in sys.path:
            sys.path.remove(self._here)
        for name, module in list(sys.modules.items()):
            if self._ours(module):
                del sys.modules[name]
        sys.modules.update(self._hidden)

    def _has(self, top: str) -> bool:
        return any(os.path.exists(os.path.join(self.folder, *tail)) for tail in ((top + ".py",), (top, "__init__.py")))

    def _ours(self, module: Any) -> bool:
        filename = getattr(module, "__file__", None)
        return isinstance(filename, str) and os.path.abspath(filename).startswith(self.folder + os.sep)


def find(reference: str) -> Any:
    """What ``module:name`` means. Raises ``LookupError`` with the reason in plain words; what goes wrong inside the module is told with its place."""
    if not REFERENCE.fullmatch(reference):
        raise LookupError(f'expected "module:name", got {reference!r}')
    module_name, _, names = reference.partition(":")
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name + ".").startswith(error.name + "."):
            raise LookupError(f"there is no module {error.name!r}") from None
        raise LookupError(f"module {module_name!r} cannot be imported: {_told(error)}") from error
    except Exception as error:
        raise LookupError(f"module {module_name!r} cannot be imported: {_told(error)}") from error
    path = module_name
    for name in names.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise LookupError(f"{path!r} has no {name!r}") from None
        path += f".{name}"
    return found


def _told(error: Exception) -> str:
    """An error while importing, with the last place outside the import system."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if "importlib" not in frame.filename and frame.filename != __file__:
            place = f" ({os.path.basename(frame.filename)}:{frame.lineno})"
    return f"{type(error).__name__}: {error}{place}"


class Cast:
    """The code of one scenario: ``server_class`` or ``handler`` or both, or ``function``; ``client`` and ``check`` (None where the file names none)."""

    __slots__ = ("check", "client", "files", "function", "handler", "judge", "kinds", "server_class")

    def __init__(self, plan: Plan, server: str | None = None) -> None:
        self.files: list[str] = []
        """The source files of everything named: they are part of what is searched."""
        self.server_class: Any = None
        self.handler: Any = None
        self.function: Any = None
        """Called with an address: it makes a server, or serves there."""
        self.client: Any = self._function(plan, "clients", "client")
        self.check: Any = self._function(plan, "check", "function")
        self.judge: Any = self._function(plan, "expectations", "check")
        self.kinds: dict[str, Any] = self._kinds(plan)
        """The clients of populations that are not of our kinds."""
        for key in ("class", "handler"):
            if server is None or key == "handler":
                self._add_server(plan, key)
        if server is not None:
            self._override(plan, server)
        elif plan.table("server")["function"] is not None:
            self._set_function(plan, "server.function", plan.table("server")["function"])
        self._complete(plan, server)

    def _find(self, plan: Plan, where: str, reference: str) -> Any:
        top = reference.partition(":")[0].partition(".")[0]
        folder = os.path.dirname(os.path.abspath(plan.path))
        if top in sys.stdlib_module_names and os.path.exists(os.path.join(folder, top + ".py")):
            raise plan.problem(where, reference, f"{top}.py next to the file has the name of a standard module; call it something else")
        try:
            found = find(reference)
        except LookupError as error:
            raise plan.problem(where, reference, str(error)) from error.__cause__
        filename = getattr(sys.modules.get(getattr(found, "__module__", None) or ""), "__file__", None)
        if filename and os.path.abspath(filename) not in self.files:
            self.files.append(os.path.abspath(filename))
        return found

    def _function(self, plan: Plan, table: str, key: str) -> Any:
        reference = plan.table(table).get(key)
        if reference is None:
            return None
        found = self._find(plan, f"{table}.{key}", reference)
        if not callable(found):
            raise plan.problem(f"{table}.{key}", reference, f"expected a function, found {found!r:.60}")
        return found

    def _kinds(self, plan: Plan) -> dict[str, Any]:
        found = {}
        for number, row in enumerate(plan.rows("populations"), 1):
            kind = row["kind"]
            if kind not in KINDS:
                where = f"populations[{number}]"
                found[kind] = self._find(plan, f"{where}.kind", kind)
                if not callable(found[kind]):
                    raise plan.problem(f"{where}.kind", kind, f"expected a function, found {found[kind]!r:.60}")
                check_options(plan, where, row, found[kind])
        return found

    def _add_server(self, plan: Plan, key: str) -> None:
        reference = plan.table("server").get(key)
        if reference is None:
            return
        found = self._find(plan, f"server.{key}", reference)
        if key == "class":
            if not is_server(found):
                raise plan.problem("server.class", reference, _not_a("server class", "server.handler", found))
            self._set_server(plan, "server.class", reference, found)
        else:
            if not isinstance(found, type) or is_server(found):
                raise plan.problem("server.handler", reference, _not_a("request handler class", "server.class", found))
            self.handler = found

    def _override(self, plan: Plan, reference: str) -> None:
        found = self._find(plan, "--server", reference)
        if is_server(found):
            self._set_server(plan, "--server", reference, found)
        elif isinstance(found, type):
            self.handler = found
        elif callable(found):
            self.handler = None
            self._set_function(plan, "--server", reference)
        else:
            raise plan.problem("--server", reference, f"expected a server class, a request handler class or a function, found {found!r:.60}")

    def _set_server(self, plan: Plan, where: str, reference: str, found: Any) -> None:
        standard = getattr(sys.modules.get("socketserver"), "BaseServer", None)
        if standard is not None and issubclass(found, standard) and plan.table("search")["patch"] is False:
            told = "a server of the standard socketserver has simulated sockets in a patched world only: leave search.patch = false out"
            raise plan.problem(where, reference, told)
        self.server_class = found

    def _set_function(self, plan: Plan, where: str, reference: str) -> None:
        found = self._find(plan, where, reference)
        if isinstance(found, type) or not callable(found):
            raise plan.problem(where, reference, f"expected a function that is called with an address, found {found!r:.60}")
        if iscoroutinefunction(found):
            raise plan.problem(where, reference, "expected a plain function, and it is an async one: have one call asyncio.run(...)")
        if not takes(found, 1):
            raise plan.problem(where, reference, f"expected a function that is called with an address alone, found {found.__name__}{signature(found)}")
        self.function = found

    def _complete(self, plan: Plan, server: str | None) -> None:
        """A server class either knows its handler or is given one."""
        if self.server_class is None:
            return
        if is_made_of_address(self.server_class):
            self.handler = None
        elif self.handler is None:
            where, name = ("--server", server) if server is not None else ("server.class", plan.table("server")["class"])
            raise plan.problem(where, name, "it cannot be made from an address alone; name its request handler as server.handler")


def is_server(found: Any) -> bool:
    """Whether something is a server class."""
    return isinstance(found, type) and all(callable(getattr(found, name, None)) for name in SERVER_METHODS)


def _not_a(wanted: str, other_key: str, found: Any) -> str:
    other = f"; should it be {other_key}?" if isinstance(found, type) else ""
    return f"expected a {wanted}, found {found!r:.60}{other}"


def load_function(target: str) -> Any:
    """The function that ``module:function`` on a command line means. Raises ``UsageError``."""
    try:
        found = find(target)
    except LookupError as error:
        raise UsageError(f"{target}: {error}") from error.__cause__
    if not callable(found):
        raise UsageError(f"{target}: expected a function that takes a Simulation, found {found!r:.60}")
    return found


__all__ = ["SERVER_METHODS", "Cast", "ScenarioError", "find", "is_server", "load_function", "neighbours"]
