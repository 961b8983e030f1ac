"""What one run of a test shall be, and what the runs of one test share.

Owns plans (the seed is derived elsewhere) and the opening and closing of kernel sessions. Does not know fixtures, phases or reports. Law:
a session that was opened for a search is closed by whoever made the search, also after an error.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simsock.configuring import CHOSEN
from simsock.kernel import Session, strategies
from simsock.kernel.scope import make_scope
from simsock.patching import make_patching
from simsock.search.guiding import Guide, Tried
from simsock.search.runner import COLLECT_EVERY, nth_seed, source_file
from simsock.world.options import NEED_CONSENT, SEARCH_DEFAULTS, Options

if TYPE_CHECKING:
    from pytest_simsock.marking import Settings
    from simsock.choices.drafts import Draft
    from simsock.kernel.strategies import Questions
    from simsock.report.story import Teller

_DEBUGGING_S = 86_400.0
"""How long a world may take when somebody looks into it with a debugger."""


class Shared:
    """What the worlds of one test have in common: checked options, and the session, which costs more to open than a world.

    ``searched``: there will be many worlds, and the session stays open until ``close``; ``defaults`` are then theirs.
    """

    def __init__(self, *, searched: bool = False, defaults: dict[str, Any] = SEARCH_DEFAULTS) -> None:
        self.searched = searched
        self._defaults = defaults if searched else {}
        self.options: Options | None = None
        self._made_of: dict[str, Any] | None = None
        self._session: Session | None = None
        self._of: tuple[Any, ...] = ()
        self._worlds = 0
        self._profile: strategies.Profile | None = None
        """What the first schedules have shown; a search under pytest tries them in order."""
        self.guide: Guide | None = None
        """Where schedules are made of earlier ones, and the first one was tried: what they are made of."""

    def make_options(self, item: pytest.Item, settings: Settings) -> Options:
        """The options of the next world."""
        replay = item.config.stash[CHOSEN].replay
        if self.options is not None and settings.options == self._made_of:
            return self.options
        defaults = dict(self._defaults)
        if item.config.getoption("usepdb", False) or item.config.getoption("trace", False):
            defaults["max_real_time"] = _DEBUGGING_S
        given = {**defaults, **settings.options}
        if replay is not None:  # the token's options are its own, but for those that it does not carry
            self.options = Options.from_dict(replay.options, **{name: given[name] for name in ("scope", "max_real_time", *NEED_CONSENT) if name in given})
        else:
            self.options = Options(**given)
        self._made_of = settings.options
        return self.options

    def open(self, item: pytest.Item, options: Options) -> Session:
        """The session for a world with these options, open."""
        wanted = (options.preempt, options.scope, options.patch, options.entropy)
        if self._session is not None and wanted != self._of:
            self.close()
        if self._session is None:
            near = source_file(getattr(item, "function", None) or item)
            scope = make_scope(options.scope, near) if options.preempt != "calls" else None
            opened = Session(options.preempt, scope, make_patching(options))
            opened.__enter__()
            self._session, self._of = opened, wanted
        elif _TRACES and self._session.preemption is not None:
            self._session.preemption.start()
        return self._session

    def profile(self) -> strategies.Profile | None:
        """What the first schedules have shown, if the strategy learns from them."""
        if self._profile is None and self.options is not None and (learns := strategies.learns(self.options.strategy)):
            self._profile = strategies.Profile(learns)
        return self._profile

    @property
    def is_guided(self) -> bool:
        """Whether schedules are made of earlier ones."""
        return self.options is not None and self.options.strategy == strategies.GUIDED

    def plan(self, number: int) -> Plan:
        """What schedule ``number`` of a search is to be."""
        draft = self.guide.draft(number) if self.guide is not None else None
        return Plan(self, number=number, seed=None if draft is None else draft.seed, draft=draft)

    def note(self, number: int, base: int | str, tried: Tried | None) -> None:
        """Schedule ``number`` of the search of seed ``base`` was tried."""
        if not self.is_guided:
            return
        if self.guide is None:
            self.guide = Guide(base)
        self.guide.note(number, tried)

    def rest(self) -> None:
        """A world has ended: keep the session for the next one of a search."""
        self._worlds += 1
        if not self.searched:
            gc.collect()
            self.close()
            return
        if self._worlds % COLLECT_EVERY == 0:
            gc.collect()
        if _TRACES and self._session is not None and self._session.preemption is not None:
            self._session.preemption.stop()

    def close(self) -> None:
        """Close the session, if one is open."""
        opened, self._session = self._session, None
        if opened is not None:
            opened.__exit__(None, None, None)


_TRACES = sys.version_info < (3, 12)
"""Preemption is ``sys.settrace``: it would slow down pytest between two worlds."""


class Plan:
    """What one run shall be. By default: as the test and the command line say. A search makes others: schedule ``number``, or a replay."""

    __slots__ = ("deviations", "draft", "nearest", "number", "questions", "quiet", "seed", "shared", "story", "teller", "token", "writes_questions")

    def __init__(
        self,
        shared: Shared | None = None,
        *,
        number: int | None = None,
        seed: int | str | None = None,
        deviations: Any = None,
        draft: Draft | None = None,
        quiet: bool = False,
        teller: Teller | None = None,
        nearest: Teller | None = None,
        writes_questions: bool = False,
    ) -> None:
        self.shared = shared or Shared()
        self.number = number
        self.seed = seed
        """The world's own, of a run that an earlier search has kept or that is made of another one; otherwise it comes from the search's and the number."""
        self.deviations = deviations
        self.draft = draft
        """What it is made of, if it is made of another run."""
        self.quiet = quiet
        """Nobody will read what is reported of it."""
        self.teller = teller
        self.nearest = nearest
        """Has listened to the nearest run that passes."""
        self.writes_questions = writes_questions
        self.questions: Questions | None = None
        """Of the run, if they were to be written down and there was a world."""
        self.token: str | None = None
        """Repeats the run; the seed does when there is none."""
        self.story: tuple[str, ...] = ()
        """What is said before the deviations."""

    def run(self, seed: int | str) -> strategies.Run:
        """What a strategy is told of it."""
        shared = self.shared
        if self.number is None or (self.seed is not None and self.draft is None):
            return strategies.Run(seed)
        own = seed if shared.guide is None else nth_seed(shared.guide.seed, self.number)
        return strategies.Run(own, self.number, shared.profile(), draft=self.draft, guides=shared.is_guided)


PLAN = pytest.StashKey[Plan]()
