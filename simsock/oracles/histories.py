"""Histories of operations: who called what when, and what came of it.

PYTEST_DONT_REWRITE

Owns ``sim.history``: the recording, the check at the world's end, and how a history without an explanation is shown. Does not know how one is looked for
(``linear``). Laws:

* recording is no simulated call, and intervals are counted in the order of the run: the same in every run of a seed;
* after an error of the network nobody knows whether an operation happened; any other error is its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import NotLinearizable, UsageError
from simsock.escaping import printable
from simsock.kernel.watchers import Watcher
from simsock.oracles.linear import Operation, explain, shortest
from simsock.oracles.models import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simsock.kernel.core import Kernel

OPERATIONS_MAX = 100_000
WIDTH = 40
"""Characters of a cell."""


class _Call:
    """An operation under way: a context manager; ``returns(value)`` says what came of it."""

    __slots__ = ("_history", "_number", "_result")

    def __init__(self, history: History, number: int) -> None:
        self._history = history
        self._number = number
        self._result: Any = None

    def returns(self, value: Any) -> Any:
        """What the operation returns, which is given back."""
        self._result = value
        return value

    def __enter__(self) -> _Call:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._history._ends(self._number, self._result, kind)


class History:
    """What ``sim.history`` gives."""

    def __init__(self, kernel: Kernel, model: Model | None, unknown: tuple[type[BaseException], ...]) -> None:
        self.model = model
        self._kernel = kernel
        self._unknown = unknown
        self._operations: list[Operation] = []
        self._count = 0

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All of them, in the order of their calls."""
        return tuple(self._operations)

    def of(self, thing: Any, *names: str) -> Any:
        """``thing`` with a history: calls of its methods ``names`` (without: of those that the model knows, or all) through what is returned are recorded.

        ``thing[key]``, ``key in thing`` and ``with thing:`` are recorded as ``getitem``, ``setitem``, ``delitem``, ``contains``, ``acquire``, ``release``.
        Coroutine functions are recorded until they have been awaited.
        """
        for name in names:
            if not isinstance(name, str) or not callable(getattr(thing, name, None)):
                raise UsageError(f"history: of: expected names of methods, got {name!r}")
        return Recorded(self, thing, names or (self.model.operations() if self.model is not None else ()))

    def operation(self, name: str, *arguments: Any, **keywords: Any) -> _Call:
        """``with history.operation("put", key, value) as call: call.returns(...)`` records what happens in the block as one operation."""
        if not isinstance(name, str):
            raise UsageError(f"history: operation: expected a name, got {name!r}")
        return _Call(self, self._begins(name, arguments, keywords))

    def check(self, model: Model | None = None) -> None:
        """Raise ``NotLinearizable`` if no order of the operations, each between its call and its return, is one of the model's."""
        model = model or self.model
        if not isinstance(model, Model):
            raise UsageError(f"history: expected a model, such as simsock.oracles.Map(), got {model!r}")
        if not explain(self._operations, model):
            raise self._unexplained(model)

    # -- recording ---------------------------------------------------------------------------------------------------------------------

    def _begins(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> int:
        if len(self._operations) >= OPERATIONS_MAX:
            raise UsageError(f"history: more than {OPERATIONS_MAX:,} operations")
        kernel = self._kernel
        self._count += 1
        self._operations.append(
            Operation(name, arguments, tuple(keywords.items()), kernel.current.path, self._count, None, None, None, kernel.steps, kernel.steps)
        )
        return len(self._operations) - 1

    def _ends(self, number: int, result: Any, kind: type[BaseException] | None) -> None:
        kernel = self._kernel
        if kernel.ending or (kind is not None and (issubclass(kind, self._unknown) or not issubclass(kind, Exception))):
            return
        self._count += 1
        self._operations[number] = self._operations[number]._replace(ended=self._count, result=result, raised=kind, ended_step=kernel.steps)

    def _call(self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        call = self.operation(name, *arguments, **keywords)
        try:
            result = function(*arguments, **keywords)
        except BaseException as error:
            call.__exit__(type(error), error, None)
            raise
        if hasattr(type(result), "__await__"):
            return _awaited(call, result)
        call.returns(result)
        call.__exit__(None, None, None)
        return result

    # -- what is shown -----------------------------------------------------------------------------------------------------------------

    def _unexplained(self, model: Model) -> NotLinearizable:
        core = shortest(self._operations, model)
        name = type(model).__name__
        last = max((one for one in core if one.ended is not None), key=lambda one: one.ended or 0)
        lines = [f"no order of these operations, each between its call and its return, is one of a {name}: {_words(last)} {_outcome(last)}"]
        lines += columns(core)
        others = len(self._operations) - len(core)
        if others:
            lines.append(f"whatever the {f'{others:,} others' if others > 1 else 'other one'} did")
        return NotLinearizable("\n".join(lines), same=(name,), task=last.task)


async def _awaited(call: _Call, result: Any) -> Any:
    with call:
        return call.returns(await result)


class Recorded:
    """A thing whose operations are recorded; all else of it is as it is."""

    __slots__ = ("_history", "_names", "_thing")

    def __init__(self, history: History, thing: Any, names: tuple[str, ...]) -> None:
        self._history = history
        self._thing = thing
        self._names = names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if name.startswith("_") or not callable(found) or (self._names and name not in self._names):
            return found
        history = self._history

        def call(*arguments: Any, **keywords: Any) -> Any:
            return history._call(name, found, arguments, keywords)

        call.__name__ = name  # what a thread that runs it is called
        return call

    def __getitem__(self, key: Any) -> Any:
        return self._history._call("getitem", self._thing.__getitem__, (key,), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        self._history._call("setitem", self._thing.__setitem__, (key, value), {})

    def __delitem__(self, key: Any) -> None:
        self._history._call("delitem", self._thing.__delitem__, (key,), {})

    def __contains__(self, key: Any) -> bool:
        return bool(self._history._call("contains", self._thing.__contains__, (key,), {}))

    def __enter__(self) -> Any:
        with self._history.operation("acquire"):
            self._thing.__enter__()
        return self

    def __exit__(self, *exc: Any) -> Any:
        with self._history.operation("release"):
            return self._thing.__exit__(*exc)

    def __repr__(self) -> str:
        return f"<recorded {self._thing!r}>"


class Histories(Watcher):
    """Those of one world that are checked at its end: ``kernel.room(Histories)``."""

    def __init__(self) -> None:
        self.all: list[History] = []

    def judge_last(self, kernel: Kernel) -> None:
        """The world's block is over."""
        for history in self.all:
            if history.model is not None:
                history.check()

    def world_ends(self, kernel: Kernel) -> None:
        self.all.clear()


def columns(operations: list[Operation]) -> list[str]:
    """One column a task, one row a call or return; both in one row where nothing came in between."""
    tasks = list(dict.fromkeys(one.task for one in sorted(operations, key=lambda one: one.began)))
    rows = list(_rows(operations))
    texts = {task: [text for _, path, text in rows if path == task] for task in tasks}
    widths = [min(WIDTH, max(len(task), *map(len, texts[task]))) for task in tasks]
    margin = max([len("step"), *(len(str(step)) for step, _, _ in rows)])
    lines = ["  " + "step".rjust(margin) + "".join("  " + task.ljust(width) for task, width in zip(tasks, widths))]
    for step, path, text in rows:
        place = tasks.index(path)
        lines.append("  " + str(step).rjust(margin) + " " * (2 + sum(widths[:place]) + 2 * place) + text)
    return [line.rstrip() for line in lines]


def _rows(operations: list[Operation]) -> Iterator[tuple[int, str, str]]:
    moments = [(one.began, one, True) for one in operations] + [(one.ended, one, False) for one in operations if one.ended is not None]
    moments.sort(key=lambda moment: moment[0])
    following = [one for _, one, _ in moments[1:]]
    told: set[int] = set()
    for (_, one, begins), after in zip(moments, [*following, None]):
        if begins and after is one:
            told.add(one.began)
            yield one.ended_step, one.task, f"{_words(one)} {_outcome(one)}"
        elif begins:
            yield one.began_step, one.task, f"{_words(one)} …" + (" (has not returned)" if one.ended is None else "")
        elif one.began not in told:
            yield one.ended_step, one.task, f"… {_words(one)} {_outcome(one)}"


def _words(one: Operation) -> str:
    arguments = [repr(value) for value in one.arguments] + [f"{name}={value!r}" for name, value in one.keywords]
    return _cut(f"{one.name}({', '.join(arguments)})")


def _outcome(one: Operation) -> str:
    return f"raises {one.raised.__name__}" if one.raised is not None else f"→ {_cut(repr(one.result))}"


def _cut(text: str) -> str:
    text = printable(text)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


__all__ = ["Histories", "History", "columns"]
