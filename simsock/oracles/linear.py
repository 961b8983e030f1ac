"""Whether a history can be explained by operations that happened one after the other, each between its call and its return.

PYTEST_DONT_REWRITE

Owns the search for such an order (J. Wing and C. Gong, JPDC 1993, with G. Lowe's memory of what was tried) and for the shortest history that has none. Does
not know who recorded it. Laws:

* an operation that has not returned may have happened at any time after its call, or never;
* what is left out of the shortest history may have happened at any time, or never, with any result: so what is shown has no explanation whatever that did;
* a limit in steps, never in seconds, and its error names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.errors import LimitExceeded, UsageError
from simsock.oracles.models import NotNow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simsock.oracles.models import Model

TRIES_MAX = 500_000
"""Operations tried in the search for one explanation."""
TRIES_EACH_MAX = 3_000
"""The same when it is tried whether one operation can be left out."""
TRIES_SHORTENING_MAX = 60_000
"""The same in all of these together: searches shorten a history in every failing run that they shrink."""
_NEVER = 1 << 62


class Operation(NamedTuple):
    """One call. ``began`` and ``ended`` count the calls and returns of the history; ``ended`` is None where nobody knows whether it happened."""

    name: str
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    task: str
    began: int
    ended: int | None
    result: Any
    raised: type[BaseException] | None
    began_step: int
    ended_step: int
    is_hidden: bool = False
    """It may have happened at any time, or never."""


class _TooLong(Exception):
    pass


class _Tries:
    """How many are left."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


def explain(operations: Sequence[Operation], model: Model, tries: int = TRIES_MAX) -> bool:
    """Whether there is an order. ``LimitExceeded`` when that takes too many tries."""
    try:
        return all(_explains(model, key, group, _Tries(tries)) for key, group in _by_key(operations, model))
    except _TooLong:
        raise LimitExceeded(
            f"history: no explanation of {len(operations)} operations was found nor excluded in {tries:,} tries; give the model a key(), or record fewer",
            limit="history",
        ) from None


def shortest(operations: Sequence[Operation], model: Model) -> list[Operation]:
    """Of a history without an explanation, the operations that have none by themselves."""
    for key, group in _by_key(operations, model):
        if not _fails(model, key, group, _Tries(TRIES_MAX)):
            continue
        returns = sorted(one.ended for one in group if one.ended is not None)
        low, high = 0, len(returns) - 1
        while low < high:  # the first return that cannot be explained: later ones cannot help
            middle = (low + high) // 2
            if _fails(model, key, _until(group, returns[middle]), _Tries(TRIES_MAX)):
                high = middle
            else:
                low = middle + 1
        return _shortened(model, key, _until(group, returns[low]))
    return []


def _shortened(model: Model, key: Any, left: list[Operation]) -> list[Operation]:
    """What is left out one by one: those that have not returned first, then the earliest."""
    total = TRIES_SHORTENING_MAX
    for place in sorted(range(len(left)), key=lambda place: (left[place].ended is not None, left[place].began)):
        tried = [one._replace(is_hidden=True) if number == place else one for number, one in enumerate(left)]
        for again in (True, False):  # any number of times is quick to look at where there are few states, once where there are many
            tries = _Tries(min(TRIES_EACH_MAX, total))
            before = tries.left
            fails = _fails(model, key, tried, tries, again)
            total -= before - max(tries.left, 0)
            if fails:
                left = tried
                break
    return [one for one in left if not one.is_hidden]


def _until(operations: Sequence[Operation], moment: int) -> list[Operation]:
    """The history up to a moment: what has not returned by then is under way."""
    begun = [one for one in operations if one.began < moment]
    return [one if one.ended is not None and one.ended <= moment else one._replace(ended=None) for one in begun]


def _fails(model: Model, key: Any, operations: Sequence[Operation], tries: _Tries, again: bool = False) -> bool:
    try:
        return not _explains(model, key, operations, tries, again)
    except _TooLong:
        return False


def _by_key(operations: Sequence[Operation], model: Model) -> list[tuple[Any, list[Operation]]]:
    groups: dict[Any, list[Operation]] = {}
    for one in operations:
        groups.setdefault(model.key(one.name, one.arguments), []).append(one)
    if None in groups and len(groups) > 1:
        return [(None, list(operations))]
    return list(groups.items())


def _explains(model: Model, key: Any, operations: Sequence[Operation], tries: _Tries, again: bool = False) -> bool:
    """``again``: what is hidden may have happened any number of times."""
    first = model.initial
    initial_of = getattr(model, "initial_of", None)
    if initial_of is not None:
        first = initial_of(key)
    goal = sum(1 << number for number, one in enumerate(operations) if one.ended is not None and not one.is_hidden)
    seen: set[tuple[int, Any]] = set()
    stack: list[tuple[int, Any]] = [(0, first)]
    while stack:
        done, state = stack.pop()
        if done & goal == goal:
            return True
        try:
            if (done, state) in seen:
                continue
            seen.add((done, state))
        except TypeError:
            raise UsageError(f"history: a state of {type(model).__name__} is not hashable: {state!r}. Use tuples and frozensets") from None
        deadline = min(
            (one.ended for number, one in enumerate(operations) if one.ended is not None and not one.is_hidden and not done >> number & 1), default=_NEVER
        )
        following = []
        for number, one in enumerate(operations):
            if done >> number & 1 or (one.began > deadline and not one.is_hidden):
                continue
            tries.left -= 1
            if tries.left < 0:
                raise _TooLong
            happened, after = _happens(model, state, one)
            if happened:
                following.append((done if again and one.is_hidden else done | 1 << number, after))
        stack.extend(reversed(following))
    return False


def _happens(model: Model, state: Any, one: Operation) -> tuple[bool, Any]:
    """Whether an operation can have happened in this state, and the state after it."""
    is_open = one.ended is None or one.is_hidden
    try:
        after, result = model.apply(state, one.name, one.arguments, dict(one.keywords))
    except NotNow:
        return False, state
    except UsageError:
        raise
    except Exception as error:
        return is_open or one.raised is type(error), state
    return is_open or (one.raised is None and bool(result == one.result)), after


__all__ = ["Operation", "explain", "shortest"]
