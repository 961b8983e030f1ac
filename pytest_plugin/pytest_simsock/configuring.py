"""What the command line and the ini file say, read once when pytest starts.

Owns the options, their checks, the seed of the session and how it reaches xdist's workers. Does not know tests. Laws:

* a value that makes no sense stops pytest with an error that names the option, the value and what was expected;
* the command line beats the ini file; what a test says of itself (``marking``) beats both;
* all processes of a session use one seed, which the header shows.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simsock.report_index import Index

if TYPE_CHECKING:
    from simsock.choices import Token

NETWORKS = {"sim": ("sim",), "real": ("real",), "both": ("sim", "real")}
"""What ``testbed`` can be, by the value of the option."""
MARKER = (
    "simsock(seed=, schedules=, world=, strategy=, preempt=, scope=, link=, chunks=, sends=, stalls=, collect=, asyncio_order=, "
    "max_steps=, max_time=, max_real_time=, entropy=, runner=, "
    "start_time=, patch=, loopback=, keep_imports=, fresh=, allow=, require_faults=, tls_time=): "
    "options of the test's simulated world; with schedules=N the test is searched: run anew under up to N schedules until one fails."
)
FOLDER = ".simsock/failures"
"""Where failures are kept unless told otherwise."""
LAST = "simsock/seed"
"""Where pytest's cache keeps the seed that was last given or drawn."""
_SEED = re.compile(r"-?\d{1,77}")
_RANDOM_BYTES = 4


def _standard_streams() -> set[tuple[int, int]]:
    """(device, inode) of what stands behind standard input, output and error."""
    found = set()
    for fd in (0, 1, 2):
        with suppress(OSError):  # a daemon may have closed it
            status = os.fstat(fd)
            found.add((status.st_dev, status.st_ino))
    return found


_STREAMS = _standard_streams()
"""What it was when the plugin was loaded: before pytest captures."""


class Chosen:
    """What the session was asked for."""

    __slots__ = ("autoworld", "database", "names_seed", "networks", "replay", "report", "schedules", "seed")

    def __init__(
        self,
        seed: int,
        schedules: int | None,
        networks: tuple[str, ...],
        replay: Token | None,
        report: Path | None,
        database: Path | None,
        names_seed: bool,
        autoworld: bool,
    ) -> None:
        self.autoworld = autoworld
        """Whether every test gets a world."""
        self.database = database
        """The folder in which failures of searches are kept."""
        self.names_seed = names_seed
        """Whether a number was asked for as seed: then it is that search that is wanted, and nothing is tried before it."""
        self.seed = seed
        self.schedules = schedules
        self.networks = networks
        self.replay = replay
        self.report = report


LIMITS = {
    "max_steps": "how many steps a test's world may take",
    "max_time": "how much virtual time a test's world may take, such as 2h",
    "max_real_time": "how much real time a test's world may take, such as 30s",
}
"""Limits of worlds that the ini file may set for all tests."""
RUNNERS = ("trio", "asyncio")
"""By what ``async def`` tests can be run; the first is the default."""
WIDTHS = ("test", "class", "module", "session")
"""How many tests share a world."""
CHOSEN = pytest.StashKey[Chosen]()
STAGE = pytest.StashKey[Any]()
"""What one run of a test has entered (a ``worlds.Stage``); there from the first fixture that enters something to the end of the teardown."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simsock", "simulated networks, threads and clocks")
    group.addoption("--simsock-seed", metavar="N|random|last", help="seed of every world whose test names none (default: ini simsock_seed, else 0)")
    group.addoption("--simsock-schedules", metavar="N", help="how many schedules to try of every test whose marker has schedules=, instead of the number there")
    group.addoption("--simsock-network", metavar="sim|real|both", help="what `testbed` is (default: ini simsock_network, else sim)")
    group.addoption("--simsock-replay", metavar="TOKEN", help="run the one run that a token stands for, instead of searching")
    group.addoption(
        "--simsock-database",
        metavar="DIR|none",
        help=f"where failures of searches are kept, to be tried first next time (default: ini simsock_database, else {FOLDER} in the root folder)",
    )
    group.addoption(
        "--simsock-report",
        metavar="DIR",
        help="also write what is told of a failure, as a page, text and JSON, and a capture of its run, into this folder, with an index",
    )
    group.addoption(
        "--simsock-session",
        metavar="run|test",
        help="which worlds share what stands in for the standard modules: those of tests that follow "
        "each other, or only those of one test (default: ini simsock_session, else test)",
    )
    group.addoption("--simsock-autoworld", metavar="on|off", help="whether every test gets a world, asked for or not (default: ini simsock_autoworld)")
    parser.addini("simsock_autoworld", "default of --simsock-autoworld; off unless it is on", default="")
    parser.addini("simsock_session", "default of --simsock-session", default="")
    parser.addini("simsock_seed", "default of --simsock-seed", default="")
    parser.addini("simsock_schedules", "default of --simsock-schedules", default="")
    parser.addini("simsock_database", "default of --simsock-database", default="")
    parser.addini("simsock_network", "default of --simsock-network", default="")
    parser.addini("simsock_runner", f"by what async tests with a world are run: {' or '.join(RUNNERS)} (default: {RUNNERS[0]})", default="")
    parser.addini("simsock_program", "packages that are the program under test although their names begin with pytest_ (or are a plugin's)", type="args")
    parser.addini("simsock_world", f"which tests share a world: those of a {', '.join(WIDTHS)} (default: test, each has its own)", default="")
    parser.addini("simsock_fresh", "packages that each world imports anew, because they keep sockets, threads or loops from their import", type="args")
    for limit, about in LIMITS.items():
        parser.addini(f"simsock_{limit}", f"{about} (default: as everywhere, see docs/options.md)", default="")
    parser.addini("simsock_harness", "more packages that run tests and do not live in worlds: they keep real sockets, threads and clocks", type="args")
    parser.addini(
        "simsock_locks", "what programs get from threading and queue: hybrid locks, which exclude a world's tasks too, or (off) real ones", default=""
    )


@pytest.hookimpl(trylast=True)  # after the cache plugin, which keeps the last seed
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    replay = config.getoption("--simsock-replay")
    report = config.getoption("--simsock-report")
    config.stash[CHOSEN] = Chosen(
        _seed(config),
        _schedules(config),
        _networks(config),
        None if replay is None else _token(replay),
        None if report is None else config.invocation_params.dir / report,
        _database(config),
        _SEED.fullmatch(config.getoption("--simsock-seed") or "") is not None,
        _autoworld(config),
    )
    if (folder := config.stash[CHOSEN].report) is not None:
        config.pluginmanager.register(Index(folder), "simsock_report_index")
    if (width := config.getini("simsock_world")) and width not in WIDTHS:
        raise pytest.UsageError(f"ini option simsock_world: expected one of {', '.join(WIDTHS)}, got {width!r}")
    if (runner := config.getini("simsock_runner")) and runner not in RUNNERS:
        raise pytest.UsageError(f"ini option simsock_runner: expected one of {', '.join(RUNNERS)}, got {runner!r}")
    for option in ("simsock_harness", "simsock_program"):
        _packages(config, option)
    _locks(config)
    config.pluginmanager.register(_sharing(config), "simsock_sharing")


def declare_harness(config: pytest.Config) -> None:
    """Tell simsock, once it is there, who belongs to the harness: plugins whose packages are called ``pytest_something``, and whom the ini file names.

    Other modules so called are the program's.
    """
    from simsock import harness

    loaded = [getattr(plugin, "__name__", None) or type(plugin).__module__ for plugin in config.pluginmanager.get_plugins()]
    harness.extra |= {top for name in loaded if (top := name.partition(".")[0]).startswith("pytest_")}
    harness.extra.update(_packages(config, "simsock_harness"))
    harness.program.update(_packages(config, "simsock_program"))
    harness.streams |= _STREAMS


def _packages(config: pytest.Config, option: str) -> list[str]:
    names: list[str] = config.getini(option)
    for name in names:
        if not name.isidentifier():
            raise pytest.UsageError(f"{option}: expected names of top-level packages, such as pytest_mini, got {name!r}")
    return names


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist starts a worker: it gets this session's seed, also one that was drawn."""
    node.workerinput[LAST] = node.config.stash[CHOSEN].seed


def pytest_report_header(config: pytest.Config) -> str:
    chosen = config.stash[CHOSEN]
    version = next((dist.version for plugin, dist in config.pluginmanager.list_plugin_distinfo() if dist.project_name == "simsock"), "")
    header = f"{f'simsock {version}'.strip()}, seed {chosen.seed}, network {_word(chosen.networks)}{', a world for every test' if chosen.autoworld else ''}"
    if chosen.replay is None:
        return header
    from simsock.escaping import printable
    from simsock.world.options import asked_for

    return printable(f"{header}; a token, which asks for: {asked_for(chosen.replay.options)}")


def limits_of(config: pytest.Config) -> dict[str, Any]:
    """The limits that the ini file sets. Raises ``ValueError`` for steps that are no number; durations are read where a world is made of them."""
    found: dict[str, Any] = {limit: value for limit in LIMITS if (value := config.getini(f"simsock_{limit}"))}
    if (steps := found.get("max_steps")) is not None:
        digits = steps.replace("_", "")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
            raise ValueError(f"ini option simsock_max_steps: expected a whole number of steps, got {steps!r}")
        found["max_steps"] = int(digits)
    return found


def _locks(config: pytest.Config) -> None:
    """Locks that are hybrids from birth, until pytest ends, if the ini file wants them."""
    value = config.getini("simsock_locks") or "off"
    if value not in ("hybrid", "off"):
        raise pytest.UsageError(f"simsock_locks: expected hybrid or off, got {value!r}")
    if value == "hybrid":
        from simsock.supported import why_not

        if why_not():  # whoever enters a world will be told
            return
        from simsock.patching import Hybrids

        hybrids = Hybrids()
        hybrids.put_in()
        config.add_cleanup(hybrids.take_out)


def _word(networks: tuple[str, ...]) -> str:
    return next(word for word, kinds in NETWORKS.items() if kinds == networks)


def _given(config: pytest.Config, name: str) -> tuple[str, str]:
    """What was said of an option, and where; two empty texts when nothing was."""
    value = config.getoption(f"--simsock-{name}")
    if value is not None:
        return value, f"--simsock-{name}"
    return config.getini(f"simsock_{name}"), f"ini option simsock_{name}"


def _seed(config: pytest.Config) -> int:
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        return workerinput[LAST]  # type: ignore[no-any-return]  # what pytest_configure_node put there
    text, where = _given(config, "seed")
    if not text:
        return 0
    cache = getattr(config, "cache", None)  # there is none with `-p no:cacheprovider`
    if text == "last":
        if cache is None:
            raise pytest.UsageError(f"{where}=last needs pytest's cache, which is switched off (-p no:cacheprovider)")
        seed = cache.get(LAST, None)
        if seed is None:
            raise pytest.UsageError(f"{where}=last: no seed is remembered here; one is when --simsock-seed=N or =random is used")
        return _checked_seed(str(seed), where)
    seed = int.from_bytes(os.urandom(_RANDOM_BYTES), "big") if text == "random" else _checked_seed(text, where)
    if cache is not None and not config.getoption("collectonly"):
        cache.set(LAST, seed)
    return seed


def _checked_seed(text: str, where: str) -> int:
    if not _SEED.fullmatch(text):
        raise pytest.UsageError(f"{where}: expected a whole number, 'random' or 'last', got {text!r}")
    return int(text)


def _schedules(config: pytest.Config) -> int | None:
    text, where = _given(config, "schedules")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise pytest.UsageError(f"{where}: expected a whole number from 1, got {text!r}")
    return int(text)


def _database(config: pytest.Config) -> Path | None:
    """A folder named on the command line is meant from where pytest was started, one of the ini file from the root folder."""
    text, where = _given(config, "database")
    if text.lower() == "none":
        return None
    folder = (config.invocation_params.dir if where.startswith("--") else config.rootpath) / (text or FOLDER)
    if folder.exists() and not folder.is_dir():
        raise pytest.UsageError(f"{where}: expected a folder or none, got {text or FOLDER!r}, which is no folder")
    return folder


def _autoworld(config: pytest.Config) -> bool:
    text, where = _given(config, "autoworld")
    if text not in ("", "on", "off"):
        raise pytest.UsageError(f"{where}: expected on or off, got {text!r}")
    return text == "on"


def _sharing(config: pytest.Config) -> Any:
    from pytest_simsock.sharing import MODES, Sharing

    text, where = _given(config, "session")
    if text and text not in MODES:
        raise pytest.UsageError(f"{where}: expected one of {', '.join(MODES)}, got {text!r}")
    return Sharing(text or "test")


def _networks(config: pytest.Config) -> tuple[str, ...]:
    text, where = _given(config, "network")
    if text and text not in NETWORKS:
        raise pytest.UsageError(f"{where}: expected one of {', '.join(NETWORKS)}, got {text!r}")
    return NETWORKS[text or "sim"]


def _token(text: str) -> Token:
    from simsock.choices import Token
    from simsock.errors import BadToken

    try:
        return Token.decode(text)
    except BadToken as error:
        raise pytest.UsageError(f"--simsock-replay: {error}") from None
