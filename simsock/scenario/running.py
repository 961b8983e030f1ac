"""Running a scenario: its world, the search, and whether what came out is what the file expects.

Owns the test function that a scenario stands for, and ``run``. Does not print. Laws:

* a failing run is repeated from its token before anybody is told of it;
* whatever a file names is imported for the length of ``run`` only.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.choices import Token
from simsock.clients import Report
from simsock.clients.crowds import Row, table
from simsock.clients.tally import Tally
from simsock.kernel.scope import project_root
from simsock.report.sight import Seen
from simsock.report.story import one_line
from simsock.scenario.acting import Stage, missing_actions
from simsock.scenario.judging import Judge, Judgement, judgements, messages, unlike
from simsock.scenario.loading import Cast, neighbours
from simsock.scenario.repeating import capture, repeat, with_server
from simsock.scenario.schema import SEARCH_OPTIONS, Plan, condition_of, read
from simsock.scenario.serving import serve
from simsock.scenario.setting import with_settings
from simsock.search import Verdict, explore
from simsock.search.runner import Runner
from simsock.search.verdict import FAILS
from simsock.world.options import Options
from simsock.world.servers import takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.report.sight import Sight
    from simsock.scenario.repeating import Again
    from simsock.scenario.surveying import Survey
    from simsock.world.simulation import Simulation

RECV_BYTES = 65_536


class ScenarioTest:
    """A scenario as a test function: called with an entered world, it serves, lets the clients loose, waits for quiet, and checks."""

    def __init__(self, plan: Plan, server: str | None = None) -> None:
        self.plan = plan
        self.server = server
        self.cast = Cast(plan, server)
        self.on_run: Callable[[], object] | None = None
        """Called before every run; stays in this process."""
        self.report = Report({})
        """What came of the populations in the last run in this process."""
        self.judged: dict[str, str] = {}
        """Which expectations the last run in this process has judged: by name, what is wrong, or nothing."""
        self.tally = Tally()
        """The same of all runs since the last ``harvest``."""
        missing_actions(plan)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (os.path.abspath(self.plan.path), self.server, self.plan.settings))

    def __call__(self, sim: Simulation) -> None:
        if self.on_run is not None:
            self.on_run()
        self.report = Report({})
        self.judged = {}
        stage = Stage(self.plan, sim, self.cast.kinds)
        try:
            self._act(sim, stage)
        finally:
            if stage.problem is not None:
                raise stage.problem

    def _act(self, sim: Simulation, stage: Stage) -> None:
        plan, cast = self.plan, self.cast
        stage.build()
        served = serve(plan, sim, cast, plan.table("server")["port"])
        lives = [served]

        def restarted(name: str) -> None:
            if name == plan.table("server")["host"]:
                lives.append(serve(plan, sim, cast, served.address[1]))

        stage.on_restart = restarted
        judge = Judge(plan, sim, served)
        self.judged = judge.judged
        tasks = self._spawn_clients(sim, served)
        if plan.rows("timeline"):
            tasks.append(sim.spawn(stage.run_timeline, name="timeline"))
        self.report = report = stage.let_loose(served) if plan.rows("populations") else Report({})
        self.tally.add(report)
        for task in tasks:
            task.result()
        judge.clients_gone()
        sim.settle()
        judge.judge(report)
        self._check("check", "function", cast.check, lives[-1].server)
        if cast.judge is not None:
            arguments = (lives[-1].server, report) if takes(cast.judge, 2) else (lives[-1].server,)
            self._check("expectations", "check", cast.judge, *arguments)

    def harvest(self) -> Tally:
        """What came of all runs since the last time; in a process of a search, to be taken to the one that asked for it."""
        gathered, self.tally = self.tally, Tally()
        return gathered

    def reap(self, gathered: Tally) -> None:
        """Add what another process has harvested."""
        self.tally.merge(gathered)

    def _check(self, table: str, key: str, function: Any, *arguments: Any) -> None:
        if function is None:
            return
        name = f"{table}.{key}"
        try:
            answer = function(*arguments)
            if answer is not None and not answer:
                shown = "server" if len(arguments) == 1 else "server, report"
                raise AssertionError(f"{self.plan.table(table)[key]}({shown}) returned {answer!r}")
        except Exception as error:
            self.judged[name] = one_line(error)
            raise
        self.judged[name] = ""

    def _spawn_clients(self, sim: Simulation, served: Any) -> list[Any]:
        if self.plan.tables["clients"] is None:
            return []
        act = self.cast.client or self._send

        def client(number: int) -> None:
            act(sim, served, number)

        return [sim.spawn(client, number, host=f"client-{number}") for number in range(1, self.plan.table("clients")["count"] + 1)]

    def _send(self, sim: Simulation, served: Any, number: int) -> None:
        """The client of ``clients.send``: says it, says no more, and hears the server out."""
        with sim.network.socket.create_connection(served.address[:2]) as connection:
            connection.sendall(self.plan.table("clients")["send"].encode())
            connection.shutdown(sim.network.socket.SHUT_WR)
            while connection.recv(RECV_BYTES):
                pass

    def scope(self) -> list[str]:
        """What is searched: the project that the file belongs to, and the modules that it names."""
        return [project_root(self.plan.path), *self.cast.files]


def modules_of(plan: Plan, server: str | None = None) -> set[str]:
    """The modules that a plan names."""
    named = [server, *(value for key in ("class", "handler", "function") if (value := plan.table("server")[key]))]
    named += [plan.table("clients").get("client"), plan.table("check").get("function"), plan.table("expectations").get("check")]
    named += [row["kind"] for row in plan.rows("populations") if ":" in row["kind"]]
    return {reference.partition(":")[0] for reference in named if reference}


def importable(plan: Plan, server: str | None = None) -> neighbours:
    """A context manager in which ``ScenarioTest(plan, server)`` can be made and run."""
    return neighbours(os.path.dirname(os.path.abspath(plan.path)), modules_of(plan, server))


def _rebuild(path: str, server: str | None, settings: tuple[str, ...]) -> ScenarioTest:
    """In a process of a search with several jobs. Such a process is started with ``sys.path`` as it is during ``run``."""
    return ScenarioTest(read(path, settings), server)


class Result(NamedTuple):
    """What came of a scenario. ``again`` is the run repeated from the token, if one failed; ``surprise`` is empty when all is as expected."""

    plan: Plan
    verdict: Verdict
    target: str | None
    again: Again | None
    repeats: bool
    surprise: str
    report: Report = Report({})
    """What came of the populations, client by client: in the schedule that failed first if one failed, else in the first one."""
    rows: tuple[Row, ...] = ()
    """What came of each population: in the schedule that failed first if one failed, else in all ``runs`` together."""
    runs: int = 0
    server: str | None = None
    expectations: tuple[Judgement, ...] = ()
    """What the file expects, one by one: in the schedule that failed first if one failed, else in all of them."""

    @property
    def as_expected(self) -> bool:
        """Whether the scenario's expectation was met."""
        return not self.surprise

    def table(self) -> list[str]:
        """The rows as lines of text, under a title that says of which runs they are; none without populations."""
        if not self.rows:
            return []
        if self.verdict.failing_schedule is not None:
            which = f"schedule {self.verdict.failing_schedule}, which fails"
        else:
            which = f"all {self.runs:,} schedules" if self.runs > 1 else "schedule 1"
        return [f"what came of the clients of {which} (virtual seconds):", *(f"  {line}" for line in table(self.rows))]


def run(
    plan: Plan,
    *,
    seed: int | str | None = None,
    schedules: int | None = None,
    jobs: int = 1,
    server: str | None = None,
    progress: Callable[[int], object] | None = None,
    on_run: Callable[[], object] | None = None,
) -> Result:
    """Search a scenario. ``seed``, ``schedules`` and ``server`` (``module:Class``) take the place of what the file says.

    Raises ``ScenarioError`` when what the file names is not there.
    """
    target = target_of(plan.path)
    with importable(plan, server):
        test = ScenarioTest(plan, server)
        test.on_run = on_run
        verdict = _explore(test, plan, schedules, seed, jobs=jobs, progress=progress)
        again = None
        repeats = False
        tally = test.harvest()
        if verdict.failed and verdict.token is not None and verdict.error is not None:
            again = repeat(test, verdict.token, scope=test.scope())
            repeats = again.same_failure(verdict.error)
            if plan.rows("populations"):
                test.on_run = None
                _once_more(test, verdict)
        elif plan.rows("populations"):
            test.on_run = None
            _explore(test, plan, 1, seed)
        report = test.report
    one = verdict.failing_schedule is not None
    rows = tuple(report.rows() if one else tally.rows())
    expectations = judgements(plan, test.judged if one else None)
    surprise = _surprise(plan, verdict, again, repeats)
    return Result(plan, verdict, target, again, repeats, surprise, report, rows, 1 if one else tally.runs, server, expectations)


def _once_more(test: ScenarioTest, verdict: Verdict) -> None:
    """Run the schedule that failed first as it was found: what came of its clients is told, and not of the shrunk run, whose network may be perfect."""
    assert verdict.token is not None and verdict._found is not None, "a run has failed"
    with Runner(test, Options.from_dict(Token.decode(verdict.token).options, scope=test.scope())) as runner:
        runner.run(*verdict._found)


def capture_failure(result: Result, path: str | None, sight: Sight | None = None) -> bool:
    """Write what passed between the hosts of the run that failed to ``path``, as pcapng, and let ``sight`` look at it. False when it is not the same run
    again."""
    if result.verdict.token is None or result.again is None or result.again.error is None:
        return False
    with importable(result.plan, result.server):
        test = ScenarioTest(result.plan, result.server)
        return capture(test, result.verdict.token, path, result.again, scope=test.scope(), sight=sight)


def look_at_the_first(result: Result | Survey, sight: Sight) -> None:
    """Let ``sight`` look at schedule 1 of a search in which none fails."""
    with importable(result.plan, result.server):
        test = ScenarioTest(result.plan, result.server)
        _explore(test, result.plan, 1, result.verdict.seed, seen=Seen(test, sight))


def _explore(test: ScenarioTest, plan: Plan, schedules: int | None, seed: int | str | None, seen: Seen | None = None, **options: Any) -> Verdict:
    search = plan.table("search")
    count = search["schedules"] if schedules is None else schedules
    return explore(seen or test, count, seed=search["seed"] if seed is None else seed, **search_options(test, plan), **options)


def search_options(test: ScenarioTest, plan: Plan) -> dict[str, Any]:
    """The options of the worlds that a scenario is searched in, and ``target``: what their tokens say that they are of."""
    search = plan.table("search")
    return {
        "scope": test.scope(),
        **{name: search[name] for name in ("max_time", *SEARCH_OPTIONS) if search[name] is not None},
        "strategy": search["strategy"],
        "preempt": search["preempt"],
        "link": condition_of(plan.table("link")),
        "chunks": search["chunks"],
        "target": with_settings(with_server(target_of(plan.path), test.server), plan.settings),
    }


def _surprise(plan: Plan, verdict: Verdict, again: Again | None, repeats: bool) -> str:
    """What is not as the file expects, in one line; empty when all is."""
    expected = plan.table("scenario")["expect"]
    if told := unlike(expected, verdict):
        return told
    if expected == FAILS and verdict.error is not None:
        wanted = plan.table("scenario")["error"]
        told_of = messages(verdict.error)
        if wanted is not None and not any(wanted in line for line in told_of):
            return f"expected an error with {wanted!r} in it, and it is {told_of[0]}"
        if not repeats and again is not None:
            return f"the failure did not repeat from its token: {again.outcome_text()}"
    return ""


def target_of(path: str) -> str | None:
    """A scenario file as a token names it: relative to the working directory, with slashes; None for a file that lies outside."""
    try:
        relative = os.path.relpath(path)
    except ValueError:
        return None
    posix = PurePosixPath(relative.replace(os.sep, "/"))
    return None if posix.is_absolute() or ".." in posix.parts or posix.suffix != ".toml" else str(posix)


__all__ = ["Result", "ScenarioTest", "capture_failure", "importable", "look_at_the_first", "run", "search_options", "target_of"]
