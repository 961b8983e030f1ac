"""How a run of a state machine is drawn: which step comes next, and what its world leaves open.

Owns the order of rules, which of them take part in a run, and the answers that a world takes from a list. Does not know what steps do. Laws, all
of them for shrinking, which deletes up to five draws in a row and gives up after some hundred tries without success:

* a step is two draws (whether there is one, which) and those of its arguments; what was drawn in vain is thrown away at one go;
* a draw means the same wherever it stands: leaving a step out changes no later one;
* what holds for the whole run is drawn before the first step, and its simplest is one draw;
* the simplest step is one that matters least, and what may be wrong with a network comes last.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

NEEDED = ("open", "send", "close", "heal", "restart")
"""Rules without which nothing goes on: they take part in every run."""
ORDER = ("receive", "open", "send", "half_close", "close", "reset", "advance", "heal", "partition", "restart", "crash")
"""From the simplest on; a subclass's own come after them."""
_TRIES = 3
"""Hypothesis's ``filter`` rejects so many draws before it gives up."""
_FINE = 1 << 16
_ANSWERS = st.integers(0, _FINE - 1)
_AHEAD: st.SearchStrategy[list[int]] = st.one_of(st.just([]), st.lists(_ANSWERS, max_size=200), st.lists(_ANSWERS, min_size=30, max_size=200))


def ahead(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Callable[[int, int], int]:
    """What a world leaves open, as ``answer(low, high)``, drawn now: in between, such draws would hold steps together.

    After the last of them it is the lowest, at which nothing deviates.
    """
    answers = iter(draw(_AHEAD))

    def answer(low: int, high: int) -> int:
        return low + (next(answers, 0) * (high - low + 1) // _FINE)

    return answer


@cache  # a strategy with alternatives has a lock, which the next world would look at
def _left_out(count: int) -> st.SearchStrategy[int]:
    """Bits: which of so many rules do not take part. None, some, half or most of them, so that the others come more often."""
    bits = st.integers(0, (1 << count) - 1)
    return st.one_of(st.just(0), bits, st.tuples(bits, bits).map(lambda two: two[0] & two[1]), st.tuples(bits, bits).map(lambda two: two[0] | two[1]))


def _place(rule: Any) -> tuple[Any, ...]:
    name = rule.function.__name__
    return (ORDER.index(name) if name in ORDER else len(ORDER), sorted(rule.targets), len(rule.arguments), name)


class _Steps:
    """Which rules one machine may take now."""

    def __init__(self, hypothesis_s: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.hypothesis_s = hypothesis_s
        self.rules = sorted(hypothesis_s.rules, key=_place)
        optional = sorted({rule.function.__name__ for rule in self.rules} - set(NEEDED))
        left_out = draw(_left_out(len(optional)))
        self._away = {name for number, name in enumerate(optional) if left_out >> number & 1}
        self.tries = 0
        # From 1 on: numbers from 0 to a few are what Hypothesis takes for a choice among alternatives, and rather tries all than leaves one out.
        self.chosen = st.integers(1, len(self.rules)).map(self._rule).filter(self._fits_or_is_the_last)

    def _rule(self, number: int) -> Any:
        return self.rules[number - 1]

    def fits(self, rule: Any) -> bool:
        """Whether it takes part in this run, and may come now."""
        return rule.function.__name__ not in self._away and bool(self.hypothesis_s.is_valid(rule))

    def _fits_or_is_the_last(self, rule: Any) -> bool:
        self.tries += 1
        return self.tries >= _TRIES or self.fits(rule)


@st.composite  # once: to make one takes long, and leaves a module
def _step(draw: st.DrawFn, steps: _Steps) -> tuple[Any, dict[str, Any]]:
    if not any(map(steps.fits, steps.rules)):
        return draw(steps.hypothesis_s)  # type: ignore[no-any-return]  # it knows what to say if nothing is left
    steps.tries = 0
    while not steps.fits(rule := draw(steps.chosen)):
        steps.tries = 0
    arguments = {}
    for name, values in rule.arguments_strategies.items():
        try:
            arguments[name] = draw(values)
        except Exception as error:
            error.add_note(f"while generating {name!r} from {values!r} for rule {rule.function.__name__}")
            raise
    return rule, arguments


def steps(hypothesis_s: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> st.SearchStrategy[tuple[Any, dict[str, Any]]]:
    """A strategy for a machine's next step, in place of ``hypothesis_s``, which is asked for rules and whether one is valid now.

    That one draws, at every step, whether the rule takes part, and numbers of rules that are not valid, which it cannot tell from others when it
    shrinks.
    """
    return _step(_Steps(hypothesis_s, draw))
