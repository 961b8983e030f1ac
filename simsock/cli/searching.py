"""``simsock explore`` and ``simsock check``.

Owns their arguments and what they print. Does not know how a search works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock import __version__
from simsock.cli.arguments import codes_of, consent_words, consented, find_modules_here, number, search_arguments, seed
from simsock.cli.printing import FAILED, OK, Progress, complain, listed, replay_line, say
from simsock.cli.replaying import looking, more_for_replay
from simsock.errors import Nondeterminism
from simsock.world_arguments import add_world_arguments, world_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from simsock.report.files import Reports
    from simsock.search import Verdict

FOLDER = ".simsock/failures"
"""Where ``explore`` keeps failures unless told otherwise."""
_DATABASE_HELP = f"where failures are kept; the next search without --seed tries them first, and drops what passes ({FOLDER})"


def add_parsers(commands: Any) -> None:
    """The commands' arguments."""
    explore = commands.add_parser(
        "explore", help="search the schedules of a test function", description="Search the schedules of a test function.", epilog=codes_of("explore")
    )
    explore.add_argument("target", metavar="MODULE:FUNCTION", help="a function that takes a fresh, entered Simulation; the working directory is importable")
    search = explore.add_argument_group("the search")
    search_arguments(search, 1000)
    search.add_argument("--no-shrink", dest="shrink", action="store_false", help="tell the failing schedule as it was found")
    search.add_argument("--database", metavar="DIR|none", default=FOLDER, help=_DATABASE_HELP)
    add_world_arguments(explore)
    found = explore.add_argument_group("what is found")
    found.add_argument("--report", metavar="DIR", help="also write it to DIR, as a page (.html), as text and as JSON")
    found.add_argument("--write-test", metavar="FILE", help="write a regression test for pytest to FILE, if a schedule fails")
    explore.set_defaults(run=explore_command)

    check = commands.add_parser(
        "check",
        help="say whether a test function is the same run each time, and if not, where and why",
        description="Run a test function twice with one seed, in the plain order and in some schedules of a search, and compare all that happens.",
        epilog=codes_of("check"),
    )
    check.add_argument("target", metavar="MODULE:FUNCTION", help="a function that takes a fresh, entered Simulation; the working directory is importable")
    check.add_argument("--seed", type=seed, default=0, help="a whole number or text (0)")
    check.add_argument("--processes", type=number(0, 100), default=0, metavar="N", help="also compare with N fresh processes, each with another hash seed (0)")
    add_world_arguments(check)
    check.set_defaults(run=check_command)


class _Counted:
    """A test function that tells how often it is called. Only for one process: several tell by themselves."""

    def __init__(self, test: Callable[[Any], object], progress: Progress) -> None:
        self.__wrapped__ = test
        self._progress = progress

    def __call__(self, sim: Any) -> None:
        self._progress.ran()
        self.__wrapped__(sim)


def check_command(arguments: argparse.Namespace) -> int:
    """``simsock check``."""
    from simsock.scenario.facts import facts_of_check
    from simsock.scenario.loading import load_function
    from simsock.search import check_determinism

    find_modules_here()
    options = world_options(arguments)
    test = load_function(arguments.target)
    arguments.lines.begin("check", arguments.target, 1, seed=arguments.seed)
    told = arguments.target, arguments.seed, arguments.processes
    try:
        digest = check_determinism(test, arguments.seed, processes=arguments.processes, **options)
    except Nondeterminism as error:
        complain(str(error))
        arguments.lines.result(facts_of_check(*told, None, error, str(error)))
        return FAILED
    text = f"the same in every run, digest {digest}"
    say(text)
    arguments.lines.result(facts_of_check(*told, digest, None, text))
    return OK


def explore_command(arguments: argparse.Namespace) -> int:
    """``simsock explore``."""
    from simsock.report.files import Reports
    from simsock.scenario.loading import load_function
    from simsock.search import explore

    find_modules_here()
    options = world_options(arguments)
    test = load_function(arguments.target)
    reports = Reports(arguments.report, __version__) if arguments.report is not None else None
    arguments.lines.begin("search", arguments.target, arguments.schedules, seed=0 if arguments.seed is None else arguments.seed)
    with Progress(arguments.target, arguments.schedules, arguments.lines) as progress:
        verdict = explore(
            test if arguments.jobs > 1 else _Counted(test, progress),
            arguments.schedules,
            seed=0 if arguments.seed is None else arguments.seed,
            shrink=arguments.shrink,
            jobs=arguments.jobs,
            target=arguments.target,
            progress=progress.told,
            database=arguments.database,
            tries_kept=arguments.seed is None,
            **options,
        )
    say(str(verdict))
    command = None
    if verdict.failed and verdict.token is not None:
        command = replay_line(verdict.token, arguments.target, None, more_for_replay(arguments, options))
        say(f"repeat it: {command}")
    more: dict[str, Any] = {"files": _report_of_search(test, arguments, verdict, command, options, reports)} if reports is not None else {}
    if arguments.write_test is not None and verdict.token is not None:
        from simsock.report.regression import write_test

        write_test(arguments.write_test, arguments.target, verdict, options)
        say(f"test: {arguments.write_test}")
        more["test"] = arguments.write_test
    if arguments.lines.is_on:
        from simsock.scenario.facts import facts_of_search

        arguments.lines.result(facts_of_search(arguments.target, verdict, command, str(verdict), None), **more)
    return FAILED if verdict.failed else OK


def _report_of_search(test: Any, arguments: argparse.Namespace, verdict: Verdict, command: str | None, options: dict[str, Any], reports: Reports) -> list[str]:
    from simsock.report.sight import Sight
    from simsock.scenario.facts import facts_of_search
    from simsock.scenario.repeating import repeat

    sights: list[Any] = [Sight()]
    look = None
    if verdict.token is not None and verdict.error is not None:
        consent = consented(consent_words(options))
        again = repeat(test, verdict.token, scope=options.get("scope"), **consent)
        if again.same_failure(verdict.error):
            sights, look = looking(test, verdict.token, again, options.get("scope"), consent)
    text = str(verdict)
    paths = reports.write(arguments.target, text, lambda: facts_of_search(arguments.target, verdict, command, text, sights[-1]), look)
    say(f"report: {listed(paths)}")
    return paths


__all__ = ["FOLDER", "add_parsers"]
