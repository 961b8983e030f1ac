"""The command line.

Owns the arguments, what is printed where, and the exit codes: 0 as expected, 1 an expectation failed, 2 usage or a broken file, 130 Ctrl-C.
Does not know how scenarios run or searches work. Laws:

* results go to standard output, complaints and progress to standard error, and progress only to a terminal;
* code is never run because a token names it: a token may lead to a scenario file inside the working directory, nothing else.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
import traceback
from glob import escape, glob
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from simsock import __version__
from simsock.errors import Nondeterminism, ScenarioError, SimsockError, UsageError
from simsock.escaping import printable
from simsock.world_arguments import add_scope_argument, add_world_arguments, world_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from simsock.report.files import Reports
    from simsock.scenario import Plan, Result
    from simsock.scenario.repeating import Again
    from simsock.search import Verdict

SIMSOCK_ROOM = "outside"

OK, FAILED, BROKEN, INTERRUPTED = 0, 1, 2, 130
TIMES_MAX = 1_000_000

_EXIT_CODES = "exit codes: 0 as expected, 1 an expectation failed (the token is printed), 2 usage or a broken file, 130 interrupted"
_REPLAY_CODES = "exit codes: 1 the run fails (again), 0 it passes, 2 the token is damaged or no longer fits the program, or runs differ, 130 interrupted"
FOLDER = ".simsock/failures"
"""Where ``explore`` keeps failures unless told otherwise."""
_EXPLORE_CODES = "exit codes: 0 no schedule failed, 1 one did (its token is printed), 2 usage, or the function cannot be found, 130 interrupted"
_DATABASE_HELP = f"where failures are kept; the next search without --seed tries them first, and drops what passes ({FOLDER})"
_REPLAY_ABOUT = """\
Run the one run again that a token stands for, and print its traceback and its story.

A token that was printed by `simsock run` names its scenario file, relative to the working directory; it is used if it is a .toml file inside
that directory. A token may come from a stranger, so code that it names as module:function is never run: give it yourself as TARGET."""

_CONSENT_HELP = "let the token switch off what keeps the program in its world: patch=False or entropy=real"
_CONSENTS: dict[str, tuple[str, object]] = {"patch=False": ("patch", False), "entropy=real": ("entropy", "real")}

_DOCTOR_ABOUT = """\
Import modules, and look for what a world cannot reach in the process: real functions kept where they cannot be swapped, locks made before any
world, and modules with C code that talks to the network on its own."""
_DOCTOR_CODES = "exit codes: 0 a world reaches everything, 1 something was found, 2 usage or a module that cannot be imported, 130 interrupted"


class Interrupted(Exception):
    """Ctrl-C while something ran that counts; carries how much was done, in words."""


_SHOWN_EVERY_S = 0.1


class Progress:
    """How many schedules were tried: counted here, and shown on a terminal."""

    def __init__(self, what: str, schedules: int) -> None:
        self.tried = 0
        self._what = printable(what)
        self._schedules = schedules
        self._shown = False
        self._next = 0.0
        """When the terminal is told again: it takes its time, too."""
        self._terminal = sys.stderr.isatty()

    def ran(self) -> None:
        """A schedule is about to run in this process."""
        self.tried += 1

    def told(self, tried: int) -> None:
        """So many schedules have been tried so far, in whatever process."""
        self.tried = max(self.tried, tried)
        if self._terminal and (now := time.monotonic()) >= self._next:
            self._shown = True
            self._next = now + _SHOWN_EVERY_S
            print(f"\r{self._what}: {tried:,} of {self._schedules:,} schedules", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            found = next((note for note in getattr(error, "__notes__", ()) if "token: " in note), None)
            raise Interrupted(found or f"interrupted after {self.tried:,} schedule" + ("" if self.tried == 1 else "s")) from None


def say(text: str = "", stream: TextIO | None = None) -> None:
    """Print a result at once. What is no printable character, or none that the terminal's encoding has, is printed as an escape."""
    stream = stream or sys.stdout
    text = printable(text, lines=True)
    try:
        print(text, file=stream, flush=True)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def complain(text: str) -> None:
    """Print what went wrong."""
    say(f"simsock: {text}", sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    try:
        arguments = make_parser().parse_args(argv)
    except SystemExit as leaving:  # argparse: --help, --version, and usage errors after printing what is wrong
        return leaving.code if isinstance(leaving.code, int) else BROKEN
    try:
        code: int = arguments.run(arguments)
    except (Interrupted, KeyboardInterrupt) as told:
        if argv is None:  # the process ends now: another Ctrl-C ends it at once, without a traceback from some exit handler
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        complain(str(told) or "interrupted")
        return INTERRUPTED
    except Nondeterminism as error:
        complain(str(error))
        return FAILED
    except SimsockError as error:
        complain(str(error))
        return BROKEN
    except BrokenPipeError:  # `simsock run … | head`: nobody reads on, and the interpreter must not complain about it while it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN
    return code


# -- arguments -------------------------------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Complains in printable words: what was typed may have been pasted from a stranger."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def make_parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    parser = _Parser(prog="simsock", description="Deterministic simulation testing for blocking sockets and threads.", epilog=_EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"simsock {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="search scenario files and compare with what they expect", description="Search scenarios.", epilog=_EXIT_CODES)
    run.add_argument("scenarios", nargs="+", metavar="SCENARIO", help="a scenario file (.toml)")
    _search_arguments(run, None)
    run.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a value instead of the file's: links.1.loss=5%% (numbered from 1)")
    run.add_argument("--sweep", action="append", default=[], metavar="KEY=V1,V2", help="search once for each value: links.1.loss=0%%,1%%,5%%")
    run.add_argument("--server", metavar="MODULE:CLASS", help="the server or request handler class to use instead of the file's")
    run.add_argument("--report", metavar="DIR", help="also write what was found to DIR, as a page (.html), as text and as JSON")
    run.set_defaults(run=run_command)

    replay = commands.add_parser(
        "replay",
        help="run the one run again that a token stands for",
        description=_REPLAY_ABOUT,
        epilog=_REPLAY_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    replay.add_argument("token", metavar="TOKEN", help="what a failure printed; - reads it from standard input")
    replay.add_argument("target", nargs="?", metavar="TARGET", help="a scenario file or module:function, if the token does not name a scenario")
    replay.add_argument("--times", type=_number(1, TIMES_MAX), default=1, metavar="N", help="repeat it N times and say how many were the same")
    replay.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as it was given to `simsock run`")
    replay.add_argument("--server", metavar="MODULE:CLASS", help="as it was given to `simsock run`")
    replay.add_argument("--pdb", action="store_true", help="when the run has failed, look at it with the debugger, where it failed")
    replay.add_argument("--step", type=_number(1, 1_000_000), metavar="N", help="look into the run with the debugger at step N of its story")
    replay.add_argument("--report", metavar="DIR", help="also write what is told to DIR, as a page (.html), as text and as JSON")
    add_scope_argument(replay)
    replay.add_argument("--consent", action="append", default=[], metavar="OPTION", help=_CONSENT_HELP)
    replay.set_defaults(run=replay_command)

    explore = commands.add_parser(
        "explore", help="search the schedules of a test function", description="Search the schedules of a test function.", epilog=_EXPLORE_CODES
    )
    explore.add_argument("target", metavar="MODULE:FUNCTION", help="a function that takes a fresh, entered Simulation; the working directory is importable")
    search = explore.add_argument_group("the search")
    _search_arguments(search, 1000)
    search.add_argument("--no-shrink", dest="shrink", action="store_false", help="tell the failing schedule as it was found")
    search.add_argument("--database", metavar="DIR|none", default=FOLDER, help=_DATABASE_HELP)
    add_world_arguments(explore)
    found = explore.add_argument_group("what is found")
    found.add_argument("--report", metavar="DIR", help="also write it to DIR, as a page (.html), as text and as JSON")
    found.add_argument("--write-test", metavar="FILE", help="write a regression test for pytest to FILE, if a schedule fails")
    explore.set_defaults(run=explore_command)

    _add_check(commands)

    listing = commands.add_parser(
        "scenarios", help="list the scenarios of a folder", description="List the scenario files of a folder, each with what it shows."
    )
    listing.add_argument("folder", nargs="?", default="scenarios", metavar="FOLDER", help="where they are (scenarios)")
    listing.set_defaults(run=scenarios_command)

    profiles = commands.add_parser("profiles", help="list the links that have a name", description="List the links that have a name, one way each.")
    profiles.set_defaults(run=profiles_command)

    doctor = commands.add_parser(
        "doctor",
        help="say what worlds cannot reach in your modules, and what to do about it",
        description=_DOCTOR_ABOUT,
        epilog=_DOCTOR_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument("modules", nargs="*", metavar="MODULE", help="what to import first (app.server); the working directory is importable")
    doctor.add_argument("--all", action="store_true", help="also list what is kept and swapped by itself")
    doctor.set_defaults(run=doctor_command)
    return parser


def _add_check(commands: Any) -> None:
    """``simsock check``."""
    check = commands.add_parser(
        "check",
        help="say whether a test function is the same run each time, and if not, where and why",
        description="Run a test function twice with one seed, in the plain order and in some schedules of a search, and compare all that happens.",
        epilog="exit codes: 0 the same, 1 another run (the line and the likely cause are printed), 2 usage, 130 interrupted",
    )
    check.add_argument("target", metavar="MODULE:FUNCTION", help="a function that takes a fresh, entered Simulation; the working directory is importable")
    check.add_argument("--seed", type=_seed, default=0, help="a whole number or text (0)")
    check.add_argument("--processes", type=_number(0, 100), default=0, metavar="N", help="also compare with N fresh processes, each with another hash seed (0)")
    add_world_arguments(check)
    check.set_defaults(run=check_command)


def _search_arguments(parser: argparse._ActionsContainer, schedules: int | None) -> None:
    shown = "what the file says" if schedules is None else str(schedules)
    parser.add_argument("--schedules", type=_number(1, 10_000_000), default=schedules, metavar="N", help=f"how many to try ({shown})")
    parser.add_argument("--seed", type=_seed, help="a whole number or text; another seed tries other schedules")
    parser.add_argument("--jobs", type=_number(1, 1_000), default=1, metavar="N", help="processes that share the work (1)")


def _number(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text[:20]) <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return number


def _seed(text: str) -> int | str:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 60 else text


# -- simsock run -----------------------------------------------------------------------------------------------------------------------------


def run_command(arguments: argparse.Namespace) -> int:
    """``simsock run``: every file is checked before the first one is run."""
    from simsock.report.files import Reports
    from simsock.scenario import read
    from simsock.scenario.setting import checked, swept

    fixed = tuple(map(checked, arguments.set))
    plans = [read(path, (*fixed, *more)) for path in arguments.scenarios for more in swept(arguments.sweep)]
    reports = Reports(arguments.report, __version__) if arguments.report is not None else None
    _find_modules_here()
    worst = OK
    results: list[Result] = []
    for number, plan in enumerate(plans):
        if number:
            say()
        try:
            worst = max(worst, _run_one(plan, arguments, reports, results))
        except ScenarioError as error:  # what it names is not there: the others may still be fine
            complain(str(error))
            worst = BROKEN
    if arguments.sweep:
        from simsock.scenario.sweeping import sweep_table

        say("\n".join(["", *sweep_table(results, len(fixed))]))
    return worst


def _run_one(plan: Plan, arguments: argparse.Namespace, reports: Reports | None, results: list[Result]) -> int:
    from simsock.scenario import run
    from simsock.scenario.setting import words

    about = plan.table("scenario")
    title = f"{plan.path}{words(plan.settings)}: {about['about']}"
    say(title)
    with Progress(plan.path, arguments.schedules or plan.table("search")["schedules"]) as progress:
        result = run(
            plan,
            seed=arguments.seed,
            schedules=arguments.schedules,
            jobs=arguments.jobs,
            server=arguments.server,
            progress=progress.told,
            on_run=progress.ran,
        )
    results.append(result)
    verdict = result.verdict
    raised = result.again.raised_lines() if result.again is not None else []
    lines = [*result.table(), str(verdict), *raised]
    command = None
    if verdict.failed and verdict.token is not None:
        command = _replay_line(verdict.token, None if result.target is not None else plan.path, arguments.server) + words(plan.settings)
        lines.append(f"repeat it: {command}")
        if result.again is not None:
            lines.append(f"repeated from its token: {_how_it_repeats(result.again, result.repeats)}")
    lines.append(f"as expected: {about['expect']}" if result.as_expected else f"NOT AS EXPECTED: {result.surprise}")
    say("\n".join(lines))
    if reports is not None:
        from simsock.scenario.facts import write_report

        paths = write_report(result, "\n".join([title, *lines]), command, reports)
        say(f"report: {_listed(paths)}")
        if verdict.failed and not paths[-1].endswith(".pcapng"):
            say("no capture of the failing run: it did not come out the same when it was repeated for one")
    return OK if result.as_expected else FAILED


def _listed(paths: list[str]) -> str:
    return f"{', '.join(paths[:-1])} and {paths[-1]}"


def _how_it_repeats(again: Again, repeats: bool) -> str:
    from simsock.scenario.repeating import failure_place

    if not repeats or again.error is None:
        return f"NOT the same: {again.outcome_text()}"
    place = failure_place(again.error)
    return "same error" + (f", raised at {place}" if place else "")


def _replay_line(token: str, target: str | None, server: str | None, more: Sequence[str] = ()) -> str:
    words = ["simsock", "replay", token, *([target] if target is not None else []), *(["--server", server] if server is not None else []), *more]
    return shlex.join(words)


# -- simsock replay --------------------------------------------------------------------------------------------------------------------------


def replay_command(arguments: argparse.Namespace) -> int:
    """``simsock replay``."""
    from simsock.choices import Token
    from simsock.scenario.repeating import without_server
    from simsock.scenario.setting import checked, without_settings, words

    text = sys.stdin.read() if arguments.token == "-" else arguments.token
    carried = Token.decode(text)
    consent = _consent(arguments.consent)
    named, settings = without_settings(carried.target)
    named, server = without_server(named)
    target = arguments.target if arguments.target is not None else target_from(named)
    _find_modules_here()
    if target.endswith(".toml"):
        from simsock.scenario import ScenarioTest, importable, read

        if server is not None and arguments.server is None:
            shown = shlex.quote(server) if server.isprintable() and len(server) <= 120 else ascii(server[:117] + "...")
            raise UsageError(
                f"the token was made with --server {shown}, and not with the server of {target}; a token may come from a stranger, so code that "
                f"it names is not run: if you trust it, give --server {shown} yourself"
            )
        if arguments.scope is not None:
            raise UsageError("--scope: a scenario has its own")
        given = tuple(map(checked, arguments.set))
        if settings and not given:
            raise UsageError(f"the token was made with other values than the file's: if you trust it, give them yourself:{printable(words(settings))[:300]}")
        plan = read(target, given)
        with importable(plan, arguments.server):
            test = ScenarioTest(plan, arguments.server)
            return _replay(test, text, test.scope(), arguments, _other_server(arguments.server, server) + _other_settings(given, settings), consent)
    from simsock.scenario.loading import load_function

    if arguments.set:
        raise UsageError(f"--set {arguments.set[0]}: only a scenario has values to set, and {target} is none")
    if arguments.server is not None:
        raise UsageError(f"--server {arguments.server}: only a scenario has a server to replace, and {target} is none")
    test = load_function(target)
    return _replay(test, text, world_options(arguments).get("scope"), arguments, "", consent)


def _consent(given: list[str]) -> dict[str, Any]:
    for one in given:
        if one not in _CONSENTS:
            raise UsageError(f"--consent: expected {' or '.join(_CONSENTS)}, got {one!r}")
    return dict(_CONSENTS[one] for one in given)


def _other_server(used: str | None, made_with: str | None) -> str:
    """What to say of a run that passes, if it was not the server that the token was made with."""
    if used == made_with:
        return ""
    return f" with --server {used}; the token was made with " + (f"--server {made_with}" if made_with is not None else "the server of the file")


def _other_settings(given: tuple[str, ...], made_with: tuple[str, ...]) -> str:
    from simsock.scenario.setting import words

    return "" if given == made_with else f" with{words(given)}; the token was made with" + (printable(words(made_with)) or " the values of the file")


def target_from(named: str | None) -> str:
    """The scenario file that a token may lead to. Raises ``UsageError`` for everything that a stranger could mean harm with."""
    if named is None:
        raise UsageError("the token does not say what it was made for: give a scenario file or module:function after it")
    shown = repr(named) if len(named) <= 120 else repr(named[:117] + "...")
    path = PurePosixPath(named)
    if path.suffix != ".toml":
        hint = " (a test of pytest's is repeated with pytest ... --simsock-replay=TOKEN)" if "::" in named else ""
        raise UsageError(
            f"the token was made for {shown}; a token may come from a stranger, so code that it names is not run: "
            f"if you trust it, name it yourself after the token, as module:function{hint}"
        )
    here = os.path.realpath(os.getcwd())
    bad = path.is_absolute() or ".." in path.parts or "\\" in named or not named.isprintable()
    if bad or not os.path.realpath(os.path.join(here, named)).startswith(here.rstrip(os.sep) + os.sep):
        raise UsageError(
            f"the token names {shown}, which is no relative path inside the working directory: if you trust it, give the file yourself after the token"
        )
    if not os.path.exists(named):
        raise UsageError(f"the token was made for {shown}, and there is no such file here: run this where it is, or give the file after the token")
    return named


def _replay(test: Any, token: str, scope: Any, arguments: argparse.Namespace, other_server: str, consent: dict[str, Any]) -> int:
    from simsock.choices import Token
    from simsock.report.story import one_line
    from simsock.scenario.repeating import failure_place, repeat
    from simsock.world.options import asked_for

    say(f"the token asks for: {asked_for(Token.decode(token).options)}")
    times = arguments.times
    stop: Any = None
    if arguments.step is not None:
        from simsock.report.stepping import StopAtStep

        stop = StopAtStep(arguments.step)
    try:
        again = repeat(test, token, scope=scope, times=times, watcher=stop, **consent)
    except KeyboardInterrupt:
        raise Interrupted("interrupted while a run was repeated") from None
    error = again.error
    if stop is not None and not stop.reached:
        complain(f"--step {stop.step}: the run has fewer steps")
    if arguments.report is not None:
        _report_of_replay(test, token, again, scope, consent, arguments)
    if error is None:
        if again.mismatches:
            complain("\n".join([f"the run passes{other_server}, and the token does not fit this program any more:", *again.mismatches, *again.differences]))
            return BROKEN
        say(f"the run passes{other_server}")
    else:
        say("".join(traceback.format_exception(type(error), error, _program_part(error.__traceback__))).rstrip())
        if again.story is not None:
            say(f"\n{again.story.text()}\n")
        for text in (*again.mismatches, *again.differences):
            say(f"note: {text}")
        say(f"fails: {one_line(error)}" + (f" ({place})" if (place := failure_place(error)) else ""))
        if arguments.pdb:
            import pdb  # noqa: T100 (what --pdb is)

            pdb.post_mortem(_program_part(error.__traceback__))
    if times > 1:
        say(f"{again.same:,} of {times:,} the same" + (f"; the first that was not: {again.other}" if again.other else ""))
    if again.same < times:
        return BROKEN
    return OK if error is None else FAILED


def _report_of_replay(test: Any, token: str, again: Again, scope: Any, consent: dict[str, Any], arguments: argparse.Namespace) -> None:
    from simsock.report.files import Reports
    from simsock.scenario.facts import facts_of_replay

    error = again.error
    trace = "".join(traceback.format_exception(type(error), error, _program_part(error.__traceback__))) if error is not None else "the run passes\n"
    text = "\n".join([trace, *([again.story.text()] if again.story is not None else []), *again.mismatches, *again.differences])
    target = arguments.target or _named_target(token)
    command = _replay_line(
        token, arguments.target, arguments.server, [*_more_for_replay(arguments, consent), *(word for text in arguments.set for word in ("--set", text))]
    )
    sights, capture = _looking(test, token, again, scope, consent)
    paths = Reports(arguments.report, __version__).write("replay", text, lambda: facts_of_replay(target, token, again, command, text, sights[-1]), capture)
    say(f"report: {_listed(paths)}")


def _named_target(token: str) -> str:
    from simsock.choices import Token

    return Token.decode(token).target or "a run"


def _looking(test: Any, token: str, again: Again, scope: Any, consent: dict[str, Any]) -> tuple[list[Any], Callable[[str], bool]]:
    """What was seen of the run (the last of a list), once the function is called that makes it once more and captures it."""
    from simsock.report.sight import Sight
    from simsock.scenario.repeating import capture

    sights = [Sight()]

    def look(path: str) -> bool:
        sights.append(Sight())
        if not capture(test, token, path, again, scope=scope, sight=sights[-1], **consent):
            del sights[1:]
        return len(sights) > 1

    return sights, look


def _program_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the first frame on that is not simsock's; all of it when there is none."""
    from simsock.kernel.program_lines import is_simsock

    first = trace
    while first is not None and is_simsock(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    return first or trace


# -- simsock explore, simsock scenarios --------------------------------------------------------------------------------------------------------


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
    from simsock.scenario.loading import load_function
    from simsock.search import check_determinism

    _find_modules_here()
    options = world_options(arguments)
    digest = check_determinism(load_function(arguments.target), arguments.seed, processes=arguments.processes, **options)
    say(f"the same in every run, digest {digest}")
    return OK


def explore_command(arguments: argparse.Namespace) -> int:
    """``simsock explore``."""
    from simsock.report.files import Reports
    from simsock.scenario.loading import load_function
    from simsock.search import explore

    _find_modules_here()
    options = world_options(arguments)
    test = load_function(arguments.target)
    reports = Reports(arguments.report, __version__) if arguments.report is not None else None
    with Progress(arguments.target, arguments.schedules) as progress:
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
        command = _replay_line(verdict.token, arguments.target, None, _more_for_replay(arguments, options))
        say(f"repeat it: {command}")
    if reports is not None:
        _report_of_search(test, arguments, verdict, command, options, reports)
    if arguments.write_test is not None and verdict.token is not None:
        from simsock.report.regression import write_test

        write_test(arguments.write_test, arguments.target, verdict, options)
        say(f"test: {arguments.write_test}")
    return FAILED if verdict.failed else OK


def _more_for_replay(arguments: argparse.Namespace, options: dict[str, Any]) -> list[str]:
    """What a token does not carry, or must not ask for by itself."""
    words = [word for part in arguments.scope or () for word in ("--scope", part)]
    for said, (name, value) in _CONSENTS.items():
        if options.get(name) == value and name in options:
            words += ["--consent", said]
    return words


def _report_of_search(test: Any, arguments: argparse.Namespace, verdict: Verdict, command: str | None, options: dict[str, Any], reports: Reports) -> None:
    from simsock.report.sight import Sight
    from simsock.scenario.facts import facts_of_search
    from simsock.scenario.repeating import repeat

    sights: list[Any] = [Sight()]
    look = None
    if verdict.token is not None and verdict.error is not None:
        consent = {name: options[name] for name, value in _CONSENTS.values() if name in options and options[name] == value}
        again = repeat(test, verdict.token, scope=options.get("scope"), **consent)
        if again.same_failure(verdict.error):
            sights, look = _looking(test, verdict.token, again, options.get("scope"), consent)
    text = str(verdict)
    paths = reports.write(arguments.target, text, lambda: facts_of_search(arguments.target, verdict, command, text, sights[-1]), look)
    say(f"report: {_listed(paths)}")


def scenarios_command(arguments: argparse.Namespace) -> int:
    """``simsock scenarios``."""
    from simsock.scenario import read

    paths = sorted(glob(os.path.join(escape(arguments.folder), "*.toml")))
    if not paths:
        shown = "in this directory" if not os.path.isabs(arguments.folder) else "there"
        raise UsageError(f"there is no {arguments.folder.rstrip('/')}/*.toml {shown}")
    width = max(map(len, paths))
    code = OK
    for path in paths:
        try:
            say(f"{path.ljust(width)}  {read(path).table('scenario')['about']}")
        except ScenarioError as error:
            complain(str(error))
            code = BROKEN
    return code


# -- simsock doctor --------------------------------------------------------------------------------------------------------------------------


def profiles_command(arguments: argparse.Namespace) -> int:
    """``simsock profiles``."""
    from simsock.net.link.profiles import profile_rows

    rows = profile_rows()
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, about, impairments in rows:
        say(f"{name:{widths[0]}}  {about:{widths[1]}}  {impairments}".rstrip())
    return OK


def doctor_command(arguments: argparse.Namespace) -> int:
    """``simsock doctor``."""
    from importlib import import_module

    from simsock.patching.living import open_descriptors
    from simsock.report.diagnosis import diagnose
    from simsock.report.story import one_line

    _find_modules_here()
    before = open_descriptors()
    for name in arguments.modules:
        try:
            import_module(name)
        except Exception as error:
            raise UsageError(f"doctor: cannot import {name!r}: {one_line(error)}") from None
    found = diagnose(before)
    say("\n".join(found.lines(arguments.all)))
    return OK if found.is_healthy else FAILED


def _find_modules_here() -> None:
    """Make the working directory importable, as ``python -m`` does."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
