"""``simsock run``, ``simsock scenarios`` and ``simsock profiles``.

Owns their arguments and what they print. Does not know how a scenario runs. Law: every file is checked before the first one is run.
"""

from __future__ import annotations

import os
from glob import escape, glob
from typing import TYPE_CHECKING, Any

from simsock import __version__
from simsock.cli.arguments import codes_of, find_modules_here, search_arguments
from simsock.cli.printing import BROKEN, FAILED, OK, Interrupted, Progress, complain, listed, replay_line, say, width_of
from simsock.errors import ScenarioError, UsageError

if TYPE_CHECKING:
    import argparse

    from simsock.report.files import Reports
    from simsock.scenario import Plan, Result
    from simsock.scenario.repeating import Again
    from simsock.scenario.surveying import Failure, Survey

FOLDER = "scenarios"
"""Where scenarios are looked for unless it is said."""


def add_parsers(commands: Any) -> None:
    """The commands' arguments."""
    run = commands.add_parser("run", help="search scenario files and compare with what they expect", description="Search scenarios.", epilog=codes_of("run"))
    run.add_argument("scenarios", nargs="+", metavar="SCENARIO", help="a scenario file (.toml), or the name of one in scenarios/ or of simsock's own")
    search_arguments(run, None)
    run.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a value instead of the file's: links.1.loss=5%% (numbered from 1)")
    run.add_argument("--sweep", action="append", default=[], metavar="KEY=V1,V2", help="search once for each value: links.1.loss=0%%,1%%,5%%")
    run.add_argument("--all", action="store_true", help="run every schedule, whatever fails, and tell shares of failures, p50/p90/p99 and windows of time")
    run.add_argument("--server", metavar="MODULE:NAME", help="the server class, handler class or function to use instead of the file's")
    run.add_argument(
        "--versus",
        action="append",
        default=[],
        metavar="MODULE:NAME",
        help="also run with this server, with the same seeds, and tell both side by side (may be repeated)",
    )
    run.add_argument("--report", metavar="DIR", help="also write what was found to DIR, as a page (.html), as text and as JSON")
    run.set_defaults(run=run_command)

    listing = commands.add_parser(
        "scenarios",
        help="list the scenarios of a folder, or those that come with simsock",
        description="List the scenario files of a folder, each with what it shows; where there is no such folder, those that come with simsock.",
        epilog=codes_of("scenarios"),
    )
    listing.add_argument("folder", nargs="?", metavar="FOLDER", help=f"where they are ({FOLDER})")
    listing.add_argument("--shipped", action="store_true", help="those that come with simsock, by name, also where there are others")
    listing.set_defaults(run=scenarios_command)

    profiles = commands.add_parser(
        "profiles", help="list the links that have a name", description="List the links that have a name, one way each.", epilog=codes_of("profiles")
    )
    profiles.set_defaults(run=profiles_command)


def run_command(arguments: argparse.Namespace) -> int:
    """``simsock run``: every file is checked before the first one is run."""
    from simsock.report.files import Reports
    from simsock.scenario import read
    from simsock.scenario.setting import checked, swept
    from simsock.scenario.shipped import scenario_path

    fixed = tuple(map(checked, arguments.set))
    plans = [read(path, (*fixed, *more)) for path in map(scenario_path, arguments.scenarios) for more in swept(arguments.sweep)]
    reports = Reports(arguments.report, __version__) if arguments.report is not None else None
    find_modules_here()
    worst = OK
    results: list[Result | Survey] = []
    servers = [arguments.server, *arguments.versus]
    for number, (plan, server) in enumerate((plan, server) for plan in plans for server in servers):
        if number:
            say()
        try:
            code = _survey_one(plan, server, arguments, reports, results) if arguments.all else _run_one(plan, server, arguments, reports, results)
            worst = max(worst, code)
        except ScenarioError as error:  # what it names is not there: the others may still be fine
            complain(str(error))
            arguments.lines.error(error, file=plan.path)
            worst = BROKEN
    if arguments.sweep or arguments.versus:
        from simsock.scenario.sweeping import sweep_table

        say("\n".join(["", *sweep_table(results, len(fixed), several=len(arguments.scenarios) > 1, servers=bool(arguments.versus))]))
    return worst


def _begin(plan: Plan, server: str | None, arguments: argparse.Namespace, kind: str) -> tuple[str, Progress]:
    """Tell what is going to be run; its title, and what counts its schedules."""
    from simsock.scenario.setting import title_of

    title = title_of(plan, server)
    say(title)
    schedules = arguments.schedules or plan.table("search")["schedules"]
    seed = plan.table("search")["seed"] if arguments.seed is None else arguments.seed
    arguments.lines.begin(kind, title, schedules, seed=seed, file=plan.path, settings=list(plan.settings), server=server)
    return title, Progress(plan.path, schedules, arguments.lines)


def _survey_one(plan: Plan, server: str | None, arguments: argparse.Namespace, reports: Reports | None, results: list[Result | Survey]) -> int:
    from simsock.scenario.setting import words
    from simsock.scenario.surveying import survey

    def command(failure: Failure) -> str:
        return replay_line(failure.token, None if found.target is not None else plan.path, server) + words(plan.settings)

    title, counting = _begin(plan, server, arguments, "survey")
    with counting as progress:
        found = survey(
            plan,
            seed=arguments.seed,
            schedules=arguments.schedules,
            jobs=arguments.jobs,
            server=server,
            progress=progress.told,
            on_run=progress.ran,
        )
    results.append(found)
    ending = f"as expected: {plan.table('scenario')['expect']}" if found.as_expected else f"NOT AS EXPECTED: {found.surprise}"
    lines = [*found.lines(command), *([ending] if found.complete else [])]
    say("\n".join(lines))
    text = "\n".join([title, *lines])
    more: dict[str, Any] = {}
    if reports is not None and found.complete:
        from simsock.scenario.facts import write_survey_report

        more["files"] = write_survey_report(found, text, command, reports)
        say(f"report: {listed(more['files'])}")
    if arguments.lines.is_on:
        from simsock.scenario.facts import facts_of_survey

        arguments.lines.result(facts_of_survey(found, command, text), **more)
    if not found.complete:
        raise Interrupted(f"interrupted after {found.verdict.schedules:,} schedule{'' if found.verdict.schedules == 1 else 's'}")
    return OK if found.as_expected else FAILED


def _run_one(plan: Plan, server: str | None, arguments: argparse.Namespace, reports: Reports | None, results: list[Result | Survey]) -> int:
    from simsock.scenario import run
    from simsock.scenario.setting import words

    about = plan.table("scenario")
    title, counting = _begin(plan, server, arguments, "scenario")
    with counting as progress:
        result = run(
            plan,
            seed=arguments.seed,
            schedules=arguments.schedules,
            jobs=arguments.jobs,
            server=server,
            progress=progress.told,
            on_run=progress.ran,
        )
    results.append(result)
    verdict = result.verdict
    raised = result.again.raised_lines() if result.again is not None else []
    lines = [*result.table(), str(verdict), *raised]
    command = None
    if verdict.failed and verdict.token is not None:
        command = replay_line(verdict.token, None if result.target is not None else plan.path, server) + words(plan.settings)
        lines.append(f"repeat it: {command}")
        if result.again is not None:
            lines.append(f"repeated from its token: {_how_it_repeats(result.again, result.repeats)}")
    lines.append(f"as expected: {about['expect']}" if result.as_expected else f"NOT AS EXPECTED: {result.surprise}")
    say("\n".join(lines))
    more: dict[str, Any] = {}
    if reports is not None:
        from simsock.scenario.facts import write_report

        paths = write_report(result, "\n".join([title, *lines]), command, reports)
        more["files"] = paths
        say(f"report: {listed(paths)}")
        if verdict.failed and not paths[-1].endswith(".pcapng"):
            say("no capture of the failing run: it did not come out the same when it was repeated for one")
    if arguments.lines.is_on:
        from simsock.scenario.facts import facts_of_scenario

        arguments.lines.result(facts_of_scenario(result, command, "\n".join([title, *lines]), None), **more)
    return OK if result.as_expected else FAILED


def _how_it_repeats(again: Again, repeats: bool) -> str:
    from simsock.scenario.repeating import failure_place

    if not repeats or again.error is None:
        return f"NOT the same: {again.outcome_text()}"
    place = failure_place(again.error)
    return "same error" + (f", raised at {place}" if place else "")


def scenarios_command(arguments: argparse.Namespace) -> int:
    """``simsock scenarios``."""
    from simsock.scenario import read
    from simsock.scenario.shipped import shipped_folder, shipped_names

    if arguments.shipped and arguments.folder is not None:
        raise UsageError(f"--shipped lists what comes with simsock, and not {arguments.folder}")
    folder = arguments.folder or FOLDER
    paths = [] if arguments.shipped else sorted(glob(os.path.join(escape(folder), "*.toml")))
    if not paths and arguments.folder is not None:
        shown = "in this directory" if not os.path.isabs(folder) else "there"
        raise UsageError(f"there is no {folder.rstrip('/')}/*.toml {shown}")
    names = {path: path for path in paths} or {os.path.join(shipped_folder(), f"{name}.toml"): name for name in shipped_names()}
    from simsock.report.fitting import hung

    width = max(map(len, names.values()))
    code = OK
    for path, name in names.items():
        try:
            about = read(path).table("scenario")
            say(hung(f"{name.ljust(width)}  ", about["about"], width_of()))
            arguments.lines.emit("scenario", file=path, name=about["name"], about=about["about"], expected=about["expect"])
        except ScenarioError as error:
            complain(str(error))
            arguments.lines.error(error, file=path)
            code = BROKEN
    if not paths:
        say(f"\nThese come with simsock: simsock run NAME. They are made to be read, in {shipped_folder()}")
    return code


def profiles_command(arguments: argparse.Namespace) -> int:
    """``simsock profiles``."""
    from simsock.net.link.profiles import profile_rows
    from simsock.report.fitting import hung

    rows = profile_rows()
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, about, impairments in rows:
        say(hung(f"{name:{widths[0]}}  ", f"{about:{widths[1]}}  {impairments}".rstrip(), width_of()))
        arguments.lines.emit("profile", name=name, about=about, impairments=impairments)
    return OK


__all__ = ["add_parsers"]
