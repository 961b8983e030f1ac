"""``simsock replay``.

Owns its arguments, what it prints, and what a token may lead to. Does not know how a run is repeated. Law: code is never run because a token names it:
a token may lead to a scenario file inside the working directory, nothing else.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from simsock import __version__
from simsock.cli.arguments import codes_of, consent_words, consented, find_modules_here, number
from simsock.cli.printing import BROKEN, FAILED, OK, Interrupted, complain, listed, replay_line, say
from simsock.errors import UsageError
from simsock.escaping import printable
from simsock.world_arguments import add_scope_argument, world_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from simsock.scenario.repeating import Again

TIMES_MAX = 1_000_000

_REPLAY_ABOUT = """\
Run the one run again that a token stands for, and print its traceback and its story.

A token that was printed by `simsock run` names its scenario file, relative to the working directory; it is used if it is a .toml file inside
that directory. A token may come from a stranger, so code that it names as module:function is never run: give it yourself as TARGET."""
_CONSENT_HELP = "let the token switch off what keeps the program in its world: patch=False, entropy=real or allow=ADDRESS:PORT"


def add_parsers(commands: Any) -> None:
    """The command's arguments."""
    replay = commands.add_parser(
        "replay",
        help="run the one run again that a token stands for",
        description=_REPLAY_ABOUT,
        epilog=codes_of("replay"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    replay.add_argument("token", metavar="TOKEN", help="what a failure printed; - reads it from standard input")
    replay.add_argument("target", nargs="?", metavar="TARGET", help="a scenario file or module:function, if the token does not name a scenario")
    replay.add_argument("--times", type=number(1, TIMES_MAX), default=1, metavar="N", help="repeat it N times and say how many were the same")
    replay.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as it was given to `simsock run`")
    replay.add_argument("--server", metavar="MODULE:CLASS", help="as it was given to `simsock run`")
    replay.add_argument("--pdb", action="store_true", help="when the run has failed, look at it with the debugger, where it failed")
    replay.add_argument("--step", type=number(1, 1_000_000), metavar="N", help="look into the run with the debugger at step N of its story")
    replay.add_argument("--report", metavar="DIR", help="also write what is told to DIR, as a page (.html), as text and as JSON")
    add_scope_argument(replay)
    replay.add_argument("--consent", action="append", default=[], metavar="OPTION", help=_CONSENT_HELP)
    replay.set_defaults(run=replay_command)


def replay_command(arguments: argparse.Namespace) -> int:
    """``simsock replay``."""
    from simsock.choices import Token
    from simsock.scenario.repeating import without_server
    from simsock.scenario.setting import checked, without_settings, words

    text = (sys.stdin.read() if arguments.token == "-" else arguments.token).strip()
    carried = Token.decode(text)
    consent = consented(arguments.consent)
    named, settings = without_settings(carried.target)
    named, server = without_server(named)
    target = _shipped(arguments.target) if arguments.target is not None else target_from(named)
    find_modules_here()
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


def _shipped(target: str) -> str:
    """The target, or the file of a scenario that comes with simsock and is called so."""
    from simsock.scenario.shipped import NAME, scenario_path, shipped_names

    return scenario_path(target) if NAME.fullmatch(target) and target in shipped_names() else target


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
    from pathlib import PurePosixPath

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
    title = arguments.target or _named_target(token)

    arguments.lines.begin("replay", title, times, token=token)
    stop: Any = None
    if arguments.step is not None:
        from simsock.report.stepping import StopAtStep

        stop = StopAtStep(arguments.step)
    try:
        again = repeat(test, token, scope=scope, times=times, watcher=stop, progress=arguments.lines.progress, **consent)
    except KeyboardInterrupt:
        raise Interrupted("interrupted while a run was repeated") from None
    error = again.error
    if stop is not None and not stop.reached:
        complain(f"--step {stop.step}: the run has fewer steps")
    more = {"files": _report_of_replay(test, token, again, scope, consent, arguments)} if arguments.report is not None else {}
    if arguments.lines.is_on:
        from simsock.scenario.facts import facts_of_replay

        arguments.lines.result(facts_of_replay(*_told_of_replay(token, again, consent, arguments), None), **more)
    if error is None:
        if again.mismatches:
            complain("\n".join([f"the run passes{other_server}, and the token does not fit this program any more:", *again.mismatches, *again.differences]))
            return BROKEN
        say(f"the run passes{other_server}")
    else:
        say(_trace(error).rstrip())
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


def _report_of_replay(test: Any, token: str, again: Again, scope: Any, consent: dict[str, Any], arguments: argparse.Namespace) -> list[str]:
    from simsock.report.files import Reports
    from simsock.scenario.facts import facts_of_replay

    told = _told_of_replay(token, again, consent, arguments)
    sights, capture = looking(test, token, again, scope, consent)
    paths = Reports(arguments.report, __version__).write("replay", told[-1], lambda: facts_of_replay(*told, sights[-1]), capture)
    say(f"report: {listed(paths)}")
    return paths


def _told_of_replay(token: str, again: Again, consent: dict[str, Any], arguments: argparse.Namespace) -> tuple[str, str, Again, str, str]:
    """Of what the run was, its token, what came of it, the command that repeats it once more, and all that is told of it."""
    error = again.error
    trace = _trace(error) if error is not None else "the run passes\n"
    text = "\n".join([trace, *([again.story.text()] if again.story is not None else []), *again.mismatches, *again.differences])
    target = arguments.target or _named_target(token)
    command = replay_line(
        token, arguments.target, arguments.server, [*more_for_replay(arguments, consent), *(word for text in arguments.set for word in ("--set", text))]
    )
    return target, token, again, command, text


def _named_target(token: str) -> str:
    from simsock.choices import Token

    return Token.decode(token).target or "a run"


def looking(test: Any, token: str, again: Again, scope: Any, consent: dict[str, Any]) -> tuple[list[Any], Callable[[str], bool]]:
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


def _trace(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(type(error), error, _program_part(error.__traceback__)))


def _program_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the first frame on that is not simsock's; all of it when there is none."""
    from simsock.kernel.program_lines import is_simsock

    first = trace
    while first is not None and is_simsock(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    return first or trace


def more_for_replay(arguments: argparse.Namespace, options: dict[str, Any]) -> list[str]:
    """What a token does not carry, or must not ask for by itself."""
    words = [word for part in arguments.scope or () for word in ("--scope", part)]
    return [*words, *(word for said in consent_words(options) for word in ("--consent", said))]


__all__ = ["add_parsers", "looking", "more_for_replay", "target_from"]
