"""``simsock shell SCENARIO``: a scenario's world to walk through by hand.

Owns its arguments, the reading of lines (from a terminal with history and completion, or from a pipe) and what is printed. Does not know what orders mean.
Laws:

* while a line is waited for the world stands still, and everything in the process is as it was before it;
* on a terminal a mistake costs a sentence; in a pipe it ends the walk, since what follows was meant for another world.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simsock.cli.arguments import codes_of, find_modules_here, seed
from simsock.cli.printing import BROKEN, FAILED, OK, complain, say
from simsock.errors import SimsockError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from simsock.scenario.orders import Session

_ABOUT = "Walk through a scenario's world by hand: let time pass, look, make things go wrong, and write what was done as a scenario or a test."
_LEAVE = ("quit", "exit")


def add_parsers(commands: Any) -> None:
    """The command's arguments."""
    shell = commands.add_parser("shell", help="walk through a scenario's world by hand", description=_ABOUT, epilog=codes_of("shell"))
    shell.add_argument(
        "scenario",
        metavar="SCENARIO",
        help="a scenario file (.toml), or the name of one in scenarios/ or of simsock's own; commands come from standard input, `help` lists them",
    )
    shell.add_argument("--seed", type=seed, help="a whole number or text, instead of the file's")
    shell.add_argument("--server", metavar="MODULE:NAME", help="the server class, handler class or function to use instead of the file's")
    shell.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a value instead of the file's: links.1.loss=5%% (numbered from 1)")
    shell.set_defaults(run=shell_command)


def shell_command(arguments: argparse.Namespace) -> int:
    """``simsock shell``."""
    from simsock.report.story import one_line
    from simsock.scenario.facts import facts_of_walk
    from simsock.scenario.orders import Session
    from simsock.scenario.setting import checked, title_of
    from simsock.scenario.shipped import scenario_path
    from simsock.scenario.walking import walk

    find_modules_here()
    settings = tuple(map(checked, arguments.set))
    told: list[BaseException] = []
    code, facts = OK, {}
    try:
        with walk(scenario_path(arguments.scenario), seed=arguments.seed, server=arguments.server, settings=settings) as world:
            of_search = world.plan.table("search")["seed"] if arguments.seed is None else arguments.seed
            session = Session(world, of_search, arguments.server)
            title = title_of(world.plan, arguments.server)
            say(title)
            arguments.lines.begin("walk", title, 1, seed=of_search, file=world.plan.path, settings=list(settings), server=arguments.server)
            code = _Loop(session, arguments.lines, told).read_all()
            facts = facts_of_walk(title, session.all_done(), session.client_rows(), told)
    except SimsockError:
        if not told or not facts:
            raise
    except Exception as error:  # what was raised in the world is raised again at its end
        if not facts:
            complain(f"the world could not begin: {one_line(error)}")
            arguments.lines.error(error)
            return FAILED
        if not told:
            raise
    arguments.lines.result(facts)
    return code if code != OK else FAILED if told else OK


class _Loop:
    """Lines are read, done and answered, until there are no more."""

    def __init__(self, session: Session, lines: Any, told: list[BaseException]) -> None:
        self._session = session
        self._lines = lines
        self._told = told
        """Errors of tasks and handlers that have been told."""
        self._is_terminal = sys.stdin is not None and sys.stdin.isatty()

    def read_all(self) -> int:
        """Returns the exit code."""
        sim = self._session.walk.sim
        self._show(self._session.happened())
        sim._suspend()
        try:
            for line in self._at_a_terminal() if self._is_terminal else self._in_a_pipe():
                if line.strip() in _LEAVE:
                    break
                if line.strip() and not line.lstrip().startswith("#") and (code := self._answer(line)) is not None:
                    return code
            return OK
        finally:
            sim._resume()

    def _answer(self, line: str) -> int | None:
        """Do what a line says. Returns an exit code if the walk is over."""
        from simsock.report.story import one_line

        session = self._session
        sim = session.walk.sim
        sim._resume()
        try:
            shown = session.order(line)
        except UsageError as error:
            complain(str(error))
            self._lines.error(error)
            return None if self._is_terminal else BROKEN
        except KeyboardInterrupt:
            if not self._is_terminal:
                raise
            complain("interrupted")
            return None
        except SimsockError as error:  # the world has come to its end: a deadlock, a limit
            say("\n".join(session.happened()))
            complain(str(error))
            self._lines.error(error)
            self._told.append(error)
            return FAILED
        else:
            self._show(shown)
            new = [raised for raised in sim.errors if not any(raised is known for known in self._told)]
            self._told += new
            words = [one_line(raised) for raised in new]
            for one in words:
                complain(f"raised in the world: {one}")
            self._lines.emit("walked", line=line.strip(), at_ns=sim.now_ns, lines=shown, raised=words)
            return None
        finally:
            sim._suspend()

    def _show(self, lines: list[str]) -> None:
        if lines:
            say("\n".join(lines))

    def _in_a_pipe(self) -> Iterator[str]:
        """The lines that stand there; they are echoed, so that what is printed can be read by itself."""
        for line in sys.stdin or ():
            if line.strip():
                say(f"{self._prompt()}{line.strip()}")
            yield line

    def _prompt(self) -> str:
        return f"({self._session.walk.now:.3f}s) "

    def _at_a_terminal(self) -> Iterator[str]:
        completer = _Completer(self._session)
        try:
            import readline
        except ImportError:  # a Python without it: lines can be typed all the same
            readline = None  # type: ignore[assignment]
        before = None
        if readline is not None:
            before = readline.get_completer(), readline.get_completer_delims()
            readline.set_completer(completer.complete)
            readline.set_completer_delims(" ")
            readline.parse_and_bind("tab: complete")
        try:
            while True:
                try:
                    yield input(self._prompt())
                except EOFError:
                    say()
                    return
                except KeyboardInterrupt:
                    say()
        finally:
            if readline is not None and before is not None:
                readline.set_completer(before[0])
                readline.set_completer_delims(before[1])


class _Completer:
    """What readline asks when the tab key is pressed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def complete(self, text: str, state: int) -> str | None:
        """The possible word of that number."""
        import readline

        found = completions(self._session, readline.get_line_buffer()[: readline.get_endidx()])
        return f"{found[state]} " if state < len(found) else None


def completions(session: Session, line: str) -> list[str]:
    """The words that a line may go on with."""
    last = line.rpartition(" ")[2]
    return [word for word in session.words_for(line) if word.startswith(last)]


__all__ = ["add_parsers", "completions"]
