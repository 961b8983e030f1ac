"""What a failed test with a world says: sections of its report.

Owns the command that repeats the failure, and the sections' words. Does not know how runs are made. Laws: everything told is
text in the report, so that it survives the way from a worker of xdist; the command is printed whatever kind of output is hidden.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest

from pytest_simsock import artefacts
from pytest_simsock.configuring import CHOSEN
from pytest_simsock.escaped import fit_lines, make_printable, without_frames
from pytest_simsock.mistakes import is_plain_mistake
from simsock.errors import UsageError
from simsock.escaping import printable
from simsock.report.fitting import fitted
from simsock.report.recorded import records_text
from simsock.report.story import STEPS_TOLD_MAX, Story, Teller
from simsock.search.telling import make_token

if TYPE_CHECKING:
    from pytest_simsock.worlds import World

RECORDS_TOLD_MAX = 20
_SHOWN = ("simsock: repeat", "simsock: deviations", "simsock: tasks")
"""What is shown without ``-v``. Files that ``--simsock-report`` writes have all of it."""


def tell(item: pytest.Item, report: pytest.TestReport, world: World, error: BaseException) -> None:
    """Add the sections of a failure, and write them to a file if that was asked for."""
    if world.plan.quiet:
        return
    make_printable(report.longrepr)
    repeat = command(item, world)
    note_properties(item, [report], simsock_token=token_of(item, world), simsock_repeat=repeat)
    story = world.teller.story(error, tuple(world.sim.deviations), world.plan.nearest) if world.teller is not None else None
    sections = [("simsock: repeat", repeat), ("simsock: deviations", _deviations(world, error, story))]
    if world.tasks:
        sections.append(("simsock: tasks", world.tasks))
    if world.sockets:
        sections.append(("simsock: netstat", world.sockets))
    if records := world.records or world.sim.records:
        sections.append(("simsock: last records", records_text(records, RECORDS_TOLD_MAX)))
    kernel = world.sim._kernel
    if kernel is not None and kernel.last_words:
        sections.append(("simsock: printed by tasks that ended with their world", kernel.last_words))
    folder = item.config.stash[CHOSEN].report
    error_text = report.longreprtext if folder is not None else ""
    if item.config.getoption("verbose", 0) > 0:
        shown = sections
    elif _needs_no_story(error, world):
        shown = sections[:1]
        without_frames(report.longrepr)
    else:
        shown = _within_budget(sections, " ".join([str(error), *getattr(error, "__notes__", ())]))
    if (width := _terminal_width(item.config)) is not None:
        fit_lines(report.longrepr, lambda text: fitted(text, width))
        shown = [(title, fitted(text, width)) for title, text in shown]
    add_sections(item, report, shown)
    if folder is not None:
        from simsock.scenario.facts import facts_of_test

        told = [("test", item.nodeid), ("error", error_text), *sections]
        facts = facts_of_test(item.nodeid, error, repeat, story, world.sight, world.plan.teller is not None)
        paths, row = artefacts.write(folder, item.nodeid, told, facts, world.captured)
        artefacts.note(report, row)
        here = item.config.invocation_params.dir
        add_sections(item, report, [("simsock: files", "\n".join(os.path.relpath(path, here) for path in paths))])


def _terminal_width(config: pytest.Config) -> int | None:
    """How wide the terminal is on which pytest reports; None where that is none, or a process of xdist reports to another."""
    writer = config.get_terminal_writer() if config.pluginmanager.has_plugin("terminalreporter") else None
    file = getattr(writer, "_file", None)
    return writer.fullwidth if writer is not None and file is not None and file.isatty() else None


def _needs_no_story(error: BaseException, world: World) -> bool:
    """Whether simsock or pytest was asked for what there is not, whatever the order of events: the error has said all that helps, and a story would bury it."""
    return (isinstance(error, UsageError) or is_plain_mistake(error)) and not world.sim.deviations


def _within_budget(sections: list[tuple[str, str]], said: str) -> list[tuple[str, str]]:
    """The sections that are shown without ``-v``, and a word on the others. A deadlock's error has ``said`` its tasks already."""
    said = " ".join(said.split())
    shown = [(title, text) for title, text in sections if title in _SHOWN and " ".join(text.split()) not in said]
    rest = [title.removeprefix("simsock: ") for title, _ in sections if title not in _SHOWN]
    if rest:
        title, text = shown.pop()
        shown.append((title, f"{text}\n(pytest -v also shows: {', '.join(rest)})"))
    return shown


def add_sections(item: pytest.Item, report: pytest.TestReport, sections: list[tuple[str, str]]) -> None:
    """Put sections where they are shown: ``--show-capture`` with anything but ``all`` hides those that a report itself has."""
    add = getattr(report.longrepr, "addsection", None)
    hidden = item.config.getoption("showcapture", "all") != "all"
    for title, content in sections:
        content = printable(content, lines=True)
        if hidden and add is not None:
            add(title, content)
        else:
            report.sections.append((title, content))


def note_properties(item: pytest.Item, reports: list[pytest.TestReport], **properties: object) -> None:
    """What JUnit's XML says of a test beside its failure: properties, of reports that are there already and of those to come; each once, also of a test that
    is run again."""
    told = [(name, printable(str(value))) for name, value in properties.items() if value is not None]
    for kept in (item.user_properties, *(report.user_properties for report in reports)):
        kept[:] = [*(one for one in kept if one[0] not in properties), *told]


def command(item: pytest.Item, world: World) -> str:
    """The command that runs this test in this way again, for the folder that pytest was started in."""
    seed = None if world.pinned else world.seed
    return command_with(item, token_of(item, world), seed, world)


def token_of(item: pytest.Item, world: World) -> str | None:
    """The token of a run of a search; other runs are repeated by their seed."""
    if world.plan.token is None and world.plan.number is not None:  # a schedule that was not shrunk
        return make_token(world.seed, world.options, tuple(world.sim.deviations), item.nodeid, world.plan.number)
    return world.plan.token


def command_with(item: pytest.Item, token: str | None, seed: int | str | None = None, world: World | None = None) -> str:
    """The command that repeats a run of this test: that of a token, or else of a seed, unless the test itself names that."""
    config = item.config
    nodeid = item.nodeid if world is None or world.node is None else world.node.nodeid  # what is needed is the whole of the world's tests
    file, separator, name = nodeid.partition("::")  # relative to the root folder, which need not be the current one
    words = ["pytest", shlex.quote(os.path.relpath(config.rootpath / file, config.invocation_params.dir) + separator + name)]
    if token is not None:
        words.append(f"--simsock-replay={token}")
    elif seed is not None:
        words.append(shlex.quote(f"--simsock-seed={seed}"))
    callspec = getattr(item, "callspec", None)
    if callspec is not None and callspec.params.get("testbed") == "sim" and (config.getini("simsock_network") or "sim") == "real":
        words.append("--simsock-network=sim")
    return " ".join(words)


def _deviations(world: World, error: BaseException, told: Story | None) -> str:
    """The story, if the run was listened to; else what is known of a single run: not that all of it is needed to make it fail."""
    deviations = tuple(world.sim.deviations)
    if world.plan.teller is not None and told is not None:
        return "\n".join([*world.plan.story, told.text()])
    story = Teller().story(error, deviations)
    if not deviations:
        return story.text()
    lines = [f"  {number}. {step.text}" for number, step in enumerate(story.steps[:STEPS_TOLD_MAX], 1)]
    if len(deviations) > len(lines):
        lines.append(f"  … and {len(deviations) - len(lines):,} more")
    return "\n".join(["what was not as usual in this run:", *lines])
