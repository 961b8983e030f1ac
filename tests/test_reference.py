"""The pages that one looks things up in are complete: errors by name, options with their defaults, limits, and the API reference.

Each comparison is with the code itself, so that what is added there is missed here.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import simsock
from simsock import errors
from simsock.cli import make_parser
from simsock.world.options import SEARCH_DEFAULTS, WORLD_OPTIONS, Options

DOCS = Path(__file__).resolve().parent.parent / "docs"


def section(page: str, title: str) -> str:
    """What stands under a heading of the second level, without what stands under the next one."""
    parts = re.split(r"^## (.+)$", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return parts[parts.index(title) + 1]


def rows(text: str) -> list[list[str]]:
    """The cells of every row of a text's tables that begins with a name in code."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if re.match(r"\| `", line)]


def code_of(cell: str) -> object:
    """The value that a cell shows."""
    return ast.literal_eval(cell.strip("`"))


def defaults(function: object) -> dict[str, object]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items() if p.default is not p.empty}  # type: ignore[arg-type]


def test_every_exception_and_warning_has_its_cause_and_its_remedy():
    public = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == errors.__name__
    }
    assert public <= set(simsock.__all__)
    entries = re.split(r"^### (.+)$", (DOCS / "errors.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    said = dict(zip(entries[1::2], entries[2::2], strict=True))
    assert set(said) == public
    assert [name for name, text in said.items() if "- **Cause:**" not in text or "- **Remedy:**" not in text] == []


def test_every_option_of_a_world_is_there_with_its_defaults():
    shown = rows(section("options.md", "Options of a world"))
    assert {row[0].strip("`"): code_of(row[1]) for row in shown} == Options.__init__.__kwdefaults__
    assert {row[0].strip("`"): code_of(row[2]) for row in shown if row[2]} == SEARCH_DEFAULTS


def test_what_simulation_takes_besides_is_there_with_its_defaults():
    text = section("options.md", "Options of a world")
    besides = {name: default for name, default in defaults(simsock.Simulation.__init__).items() if name not in WORLD_OPTIONS}
    assert [name for name, default in besides.items() if f"`{name}` (`{default!r}`)" not in text] == []


@pytest.mark.parametrize(
    ("title", "part", "function"),
    [
        ("Options of a search", "", simsock.explore),
        ("Options of one handler", "`simsock.talk", simsock.talk),
        ("Options of one handler", "`simsock.fuzz", simsock.fuzz),
        ("Impairments of a link", "", simsock.Link.__init__),
    ],
    ids=["explore", "talk", "fuzz", "Link"],
)
def test_the_options_of_a_function_are_there_with_their_defaults(title, part, function):
    text = section("options.md", title)
    table = text.partition(part)[2].partition("\n`simsock.")[0] if part else text
    shown = {row[0].strip("`"): code_of(row[1]) for row in rows(table)}
    taken = {name: default for name, default in defaults(function).items() if name not in WORLD_OPTIONS or name == "chunks"}
    assert shown == taken


def test_limits_are_what_the_page_says():
    from simsock.kernel import Limits
    from simsock.kernel.units import duration_ns
    from simsock.net.link.wire import HELD_PACKETS_MAX
    from simsock.net.netstat import ROWS_MAX
    from simsock.report.listening import EVENTS_MAX
    from simsock.world.hoping import NAMES_MAX
    from simsock.world.simulation import _END_PATIENCE_NS

    ours = Limits()
    assert (ours.steps, ours.time_ns, ours.real_seconds) == (Options().limits.steps, Options().limits.time_ns, Options().limits.real_seconds)
    text = section("options.md", "Limits")
    shown = {line.split(" | ")[0].strip("| "): line.split(" | ")[1] for line in text.splitlines() if line.startswith("| ")}
    assert shown["scheduling steps of a run"] == f"{ours.steps:,}; in a search {SEARCH_DEFAULTS['max_steps']:,}"
    assert shown["virtual time of a run"] == "7 days; in a search 1 day"
    assert (ours.time_ns, duration_ns(SEARCH_DEFAULTS["max_time"])) == (duration_ns("7d"), duration_ns("1d"))
    assert shown["real time of a run"] == f"{ours.real_seconds:g} s"
    assert shown["virtual time that servers have to end with their world"] == f"{_END_PATIENCE_NS // 10**9} s"
    assert shown["records kept"] == f"{defaults(simsock.Simulation.__init__)['records']:,}; in a search {defaults(simsock.Simulation._prepared)['records']}"
    assert shown["packets held back by `sim.hold` on one way"] == f"{HELD_PACKETS_MAX:,}"
    assert shown["names of `sim.sometimes` and `sim.reachable`"] == f"{NAMES_MAX:,}"
    assert shown["rows of a table of sockets that is printed"] == f"{ROWS_MAX}"
    assert shown["events of a report"] == f"{EVENTS_MAX:,}"


def test_every_option_of_pytest_is_there(pytestconfig):
    text = section("options.md", "Options of pytest")
    ours = {name for name in pytestconfig._parser._inidict if name.startswith("simsock_")}
    ours |= {option for group in pytestconfig._parser._groups for known in group.options for option in known.names() if option.startswith("--simsock-")}
    assert set(re.findall(r"`((?:--simsock-|simsock_)[\w-]+)`", text)) == ours


def test_every_option_of_a_command_is_there():
    commands = next(action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction)).choices
    of_worlds = {f"--{name.replace('_', '-')}" for name in WORLD_OPTIONS} | {"--no-patch"}
    shown = {
        row[0].strip("`"): set(re.findall(r"`(--[\w-]+)`", row[1] if len(row) > 1 else "")) for row in rows(section("options.md", "Options of the commands"))
    }
    taken = {}
    for name, command in commands.items():
        options = {action.option_strings[-1] for action in command._actions if action.option_strings} - {"--help", "--json"}
        taken[name] = options - of_worlds if of_worlds <= options | {"--patch"} else options
    assert shown == taken


def directives() -> list[tuple[str, str]]:
    """Every directive of the API reference that documents something: its kind and what it is of."""
    pages = sorted((DOCS / "site").glob("api-*.rst"))
    return [found for page in pages for found in re.findall(r"^\.\. (auto\w+):: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)]


def test_every_public_name_is_in_the_api_reference():
    documented = {name for _, name in directives()}
    members = {f"simsock.{name}" for name in vars(errors)} | {"simsock.socketserver"}
    assert [name for name in simsock.__all__ if f"simsock.{name}" not in documented | members] == []


@pytest.mark.parametrize(("kind", "name"), directives(), ids=lambda value: value)
def test_what_the_api_reference_names_is_there(kind, name):
    if kind == "automodule":
        importlib.import_module(name)
        return
    parts = name.split(".")
    module = next(".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1) if _is_module(".".join(parts[:length])))
    value = importlib.import_module(module)
    for part in parts[module.count(".") + 1 :]:
        value = getattr(value, part)
    assert value is not None


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
