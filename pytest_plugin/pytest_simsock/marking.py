"""What a test says of its world: the ``simsock`` markers around it and the fixture ``simsock_config``.

Owns the merging of both and the names that are allowed in them; values are checked where a world is made of them. Does not know how worlds
run. Law: the marker nearest to the test wins, option by option; any marker beats ``simsock_config``, which beats the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_simsock import coroutines, wide
from pytest_simsock.configuring import CHOSEN, limits_of
from pytest_simsock.hiding import takes_sim

if TYPE_CHECKING:
    from typing import Unpack

    from simsock.world.typed import MarkerOptions

_WORLDS = frozenset(("sim", "testbed", "simsock_seed"))


class Settings(NamedTuple):
    """``options`` of the world, its ``seed``, the seed that a search derived that from, and whether the test names it itself (``pinned``)."""

    options: dict[str, Any]
    seed: int | str
    base_seed: int | str
    pinned: bool


def marked(item: pytest.Item) -> dict[str, Any]:
    """The options of a test's markers. Raises ``ValueError`` on one that does not exist."""
    found: dict[str, Any] = {}
    for marker in item.iter_markers("simsock"):
        if marker.args:
            raise ValueError(f"@pytest.mark.simsock takes keywords only, got {', '.join(map(repr, marker.args))}")
        _check_names("@pytest.mark.simsock", marker.kwargs, "world", coroutines.OPTION)
        for name, value in marker.kwargs.items():
            found.setdefault(name, value)
    schedules = found.get("schedules", 1)
    if isinstance(schedules, bool) or not isinstance(schedules, int) or schedules < 1:
        raise ValueError(f"@pytest.mark.simsock(schedules={schedules!r}): expected a whole number from 1")
    return found


def mistake_in_marker(item: pytest.Item) -> ValueError | None:
    """What is wrong with a test's markers."""
    try:
        marked(item)
        wide.width_of(item)
        unrunnable = coroutines.mistake(item)
    except ValueError as error:
        return error
    if wrong := wide.mistake(item, takes_sim(item)) or unrunnable:
        return ValueError(wrong)
    names = getattr(item, "fixturenames", None)
    own = any(marker.name == "simsock" for marker in item.own_markers)
    if own and names is not None and _WORLDS.isdisjoint(names) and not takes_sim(item):
        return ValueError(
            "@pytest.mark.simsock has the options of a world, and this test has none: let it ask for `sim` (or `testbed`), "
            'as an argument or by @pytest.mark.usefixtures("sim")'
        )
    return None


def settings_of(item: pytest.Item, config: Any) -> Settings:
    """Everything together; ``config`` is what ``simsock_config`` gave. Raises ``ValueError`` on an option that does not exist."""
    if not isinstance(config, dict):
        raise ValueError(f"simsock_config: expected a dict of options, got {config!r}")
    if "schedules" in config:
        raise ValueError("simsock_config: schedules is an option of the marker only: how often a test runs must be known before its fixtures are")
    _check_names("simsock_config", config, coroutines.OPTION)
    options = {**config, **marked(item)}
    if (fresh := item.config.getini("simsock_fresh")) and options.get("patch", True) is True:
        options.setdefault("fresh", fresh)
    for limit, value in limits_of(item.config).items():
        options.setdefault(limit, value)
    options.pop("schedules", None)
    options.pop("world", None)
    options.pop(coroutines.OPTION, None)
    pinned = "seed" in options
    seed = options.pop("seed", item.config.stash[CHOSEN].seed)
    if isinstance(seed, bool) or not isinstance(seed, (int, str)):
        raise ValueError(f"seed: expected a whole number or a text, got {seed!r}")
    return Settings(options, seed, seed, pinned)


def schedules_of(item: pytest.Item) -> int | None:
    """How many schedules of a test are to be tried; None when it is to run once, as it is. Mistakes in its marker are for later."""
    if item.get_closest_marker("simsock") is None or _is_real(item) or takes_sim(item):
        return None
    chosen = item.config.stash[CHOSEN]
    if chosen.replay is not None or item.config.getoption("setuponly", False):
        return None
    if mistake_in_marker(item) is not None:
        return None
    schedules: int | None = marked(item).get("schedules")
    return schedules if schedules is None or chosen.schedules is None else chosen.schedules


def _is_real(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("testbed") == "real"


def _check_names(where: str, given: Mapping[str, Any], *more: str) -> None:
    # Late: a session whose tests use no world does not load simsock, and coverage measures it from its first line on.
    from simsock.errors import UsageError
    from simsock.world.options import WORLD_OPTIONS, check_names

    try:
        check_names(where, given, ("seed", "schedules", *more, *WORLD_OPTIONS))
    except UsageError as error:
        raise ValueError(str(error)) from None


def marker(**options: Unpack[MarkerOptions]) -> pytest.MarkDecorator:
    """``pytest.mark.simsock`` with options that type checkers know: ``@marker(schedules=50, link="lan")``. A mistake is told when the test is set up."""
    return pytest.mark.simsock(**options)
