"""What is known of a search, a scenario or a repeated run, as plain values: the JSON of a report, what its page is made of, and what ``--json`` prints.

Owns which facts stand there and what they are called (docs/reports.md tells each). Does not run a search. Law: a key that
was there stays there, with the same meaning; new ones may come.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from simsock.errors import Deadlock
from simsock.escaping import printable
from simsock.kernel.units import NS
from simsock.report.asserted import said_by
from simsock.report.drawing import client_charts
from simsock.report.plain import SCHEMA
from simsock.report.sight import Sight
from simsock.scenario.repeating import capture, failure_place, repeat
from simsock.scenario.running import ScenarioTest, capture_failure, importable, look_at_the_first
from simsock.scenario.setting import title_of
from simsock.search.verdict import FAILS, INCONCLUSIVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.report.files import Reports
    from simsock.report.story import Story
    from simsock.scenario.repeating import Again
    from simsock.scenario.running import Result
    from simsock.scenario.schema import Plan
    from simsock.scenario.surveying import Failure, Survey
    from simsock.scenario.written import Done
    from simsock.search import Verdict


def facts_of_scenario(result: Result, command: str | None, text: str, sight: Sight | None) -> dict[str, Any]:
    """Of ``simsock run``. Here as below: without a ``sight`` there is nothing of what is seen by looking at the run once more."""
    verdict = result.verdict
    about = result.plan.table("scenario")
    again = result.again
    said = f"as expected: {about['expect']}" if result.as_expected else f"NOT AS EXPECTED: {result.surprise}"
    return {
        **_head(
            "scenario",
            title_of(result.plan, result.server),
            verdict.status,
            f"{said}; {tried(verdict)}",
            command,
            text,
            result.as_expected,
        ),
        "scenario": about["name"],
        "file": result.plan.path,
        "settings": list(result.plan.settings),
        "server": result.server,
        "about": about["about"],
        "expected": about["expect"],
        "as_expected": result.as_expected,
        "surprise": result.surprise or None,
        **_of_verdict(verdict),
        "raised": [one._asdict() for one in again.raised] if again is not None else [],
        "repeated": result.repeats if again is not None else None,
        "expectations": [one._asdict() for one in result.expectations],
        "clients": [row.as_dict() for row in result.rows],
        "clients_of": "the failing schedule" if verdict.failed else "all schedules",
        "client_charts": _charts(result),
        **_seen(sight, verdict.error),
    }


def facts_of_survey(survey: Survey, command: Callable[[Failure], str], text: str) -> dict[str, Any]:
    """Of ``simsock run --all``. ``command``: what repeats the first failure of a kind."""
    verdict = survey.verdict
    about = survey.plan.table("scenario")
    said = f"as expected: {about['expect']}" if survey.as_expected else f"NOT AS EXPECTED: {survey.surprise}"
    said = said if survey.complete else "interrupted"
    title = title_of(survey.plan, survey.server)
    return {
        **_head("survey", title, verdict.status, f"{said}; {survey.failed:,} of {verdict.schedules:,} schedules failed", None, text, survey.as_expected),
        "scenario": about["name"],
        "file": survey.plan.path,
        "settings": list(survey.plan.settings),
        "server": survey.server,
        "about": about["about"],
        "expected": about["expect"],
        "as_expected": survey.as_expected,
        "surprise": survey.surprise or None,
        "schedules": verdict.schedules,
        "seed": verdict.seed,
        "error": error_facts(verdict.error),
        "failing_schedule": verdict.failing_schedule,
        "complete": survey.complete,
        "failed": survey.failed,
        "share": survey.failed / verdict.schedules,
        "failures": [
            {
                "type": failure.type,
                "message": failure.message,
                "place": failure.place or None,
                "schedules": failure.schedules,
                "share": failure.schedules / verdict.schedules,
                "first": failure.first,
                "token": failure.token,
                "command": command(failure),
            }
            for failure in survey.failures
        ],
        "clients": survey.clients,
        "clients_of": "all schedules",
        "clients_told": survey.told,
        "windows": survey.windows,
    }


def facts_of_search(target: str, verdict: Verdict, command: str | None, text: str, sight: Sight | None) -> dict[str, Any]:
    """Of ``simsock explore``."""
    return {
        **_head("search", target, verdict.status, tried(verdict), command, text),
        "target": target,
        **_of_verdict(verdict),
        **_seen(sight, verdict.error),
    }


def facts_of_replay(target: str, token: str, again: Again, command: str, text: str, sight: Sight | None) -> dict[str, Any]:
    """Of ``simsock replay``."""
    said = f"{again.same:,} of {again.times:,} the same" if again.times > 1 else ""
    return {
        **_head("replay", target, "passes" if again.error is None else "fails", said, command, text),
        "token": token,
        "error": error_facts(again.error),
        **_of_story(again.story),
        "mismatches": list(again.mismatches),
        "differences": list(again.differences),
        "times": again.times,
        "same": again.same,
        "other": again.other or None,
        "digest": again.digest,
        "raised": [one._asdict() for one in again.raised],
        **_seen(sight, again.error),
    }


def facts_of_check(target: str, seed: int | str, processes: int, digest: str | None, error: BaseException | None, text: str) -> dict[str, Any]:
    """Of ``simsock check``. ``error``: what says where two runs differ, if they do."""
    return {
        **_head("check", target, "passes" if error is None else FAILS, "", None, text),
        "target": target,
        "seed": seed,
        "processes": processes,
        "digest": digest,
        "error": error_facts(error),
    }


def facts_of_walk(title: str, done: Done, clients: list[dict[str, Any]], errors: list[BaseException]) -> dict[str, Any]:
    """Of ``simsock shell``. ``errors``: what was raised in the world, in order."""
    said = f"{len(errors)} errors" if len(errors) > 1 else "an error" if errors else "no error"
    return {
        **_head("walk", title, FAILS if errors else "passes", f"{said} by {done.ended_ns / NS:g} s", None, ""),
        "file": done.plan.path,
        "settings": list(done.plan.settings),
        "server": done.server,
        "seed": done.seed,
        "ended_ns": done.ended_ns,
        "error": error_facts(errors[0] if errors else None),
        "errors": [error_facts(error) for error in errors],
        "clients": clients,
    }


def facts_of_test(nodeid: str, error: BaseException, command: str, story: Story | None, sight: Sight, is_shrunk: bool) -> dict[str, Any]:
    """Of a test that failed under pytest. ``is_shrunk``: the steps of its story are all needed."""
    return {
        **_head("test", nodeid, FAILS, "", command, ""),
        "nodeid": nodeid,
        "steps_suffice": is_shrunk,
        "error": error_facts(error),
        **_of_story(story),
        **_seen(sight, error),
    }


def tried(verdict: Verdict) -> str:
    """How much was tried, in words."""
    if verdict.failed:
        return f"schedule {verdict.failing_schedule:,} of seed {verdict.seed!r}"
    return f"{verdict.schedules:,} schedule{'' if verdict.schedules == 1 else 's'} of seed {verdict.seed!r}"


def write_report(result: Result, text: str, command: str | None, reports: Reports, with_index: bool = True) -> list[str]:
    """Write the report of a scenario; returns its files. Of a run that failed, made once more, a capture is the last of them; of others schedule 1 is
    looked at."""
    failed = result.verdict.failed
    sights = [Sight()]

    def captured(path: str) -> bool:
        sights.append(Sight())
        if not capture_failure(result, path, sights[-1]):
            del sights[1:]
        return len(sights) > 1

    if not failed:
        look_at_the_first(result, sights[0])
    return reports.write(_stem(result.plan), text, lambda: facts_of_scenario(result, command, text, sights[-1]), captured if failed else None, with_index)


def write_survey_report(survey: Survey, text: str, command: Callable[[Failure], str], reports: Reports) -> list[str]:
    """Write the report of a survey; returns its files. The run that is looked at is the first failure of the most frequent kind, made once more and captured;
    schedule 1, if none has failed."""
    sights = [Sight()]
    failure = survey.failures[0] if survey.failures else None
    again: Again | None = None
    if failure is None:
        look_at_the_first(survey, sights[0])
    else:
        with importable(survey.plan, survey.server):
            test = ScenarioTest(survey.plan, survey.server)
            again = repeat(test, failure.token, scope=test.scope())

    def captured(path: str) -> bool:
        assert failure is not None and again is not None, "a run has failed"
        sights.append(Sight())
        with importable(survey.plan, survey.server):
            test = ScenarioTest(survey.plan, survey.server)
            if not capture(test, failure.token, path, again, scope=test.scope(), sight=sights[-1]):
                del sights[1:]
        return len(sights) > 1

    def facts() -> dict[str, Any]:
        error = again.error if again is not None else None
        return {
            **facts_of_survey(survey, command, text),
            "command": command(failure) if failure is not None else None,
            "token": failure.token if failure is not None else None,
            "error": error_facts(error),
            **_of_story(again.story if again is not None else None),
            "steps_suffice": False,
            **_seen(sights[-1], error),
        }

    return reports.write(f"{_stem(survey.plan)}-all", text, facts, captured if failure is not None else None)


def _stem(plan: Plan) -> str:
    return "-".join([os.path.basename(plan.path).removesuffix(".toml"), *plan.settings])[:120]


def _head(kind: str, title: str, outcome: str, said: str, command: str | None, text: str, good: bool | None = None) -> dict[str, Any]:
    if good is None and outcome != INCONCLUSIVE:
        good = outcome != FAILS
    return {
        "schema": SCHEMA,
        "kind": kind,
        "title": title,
        "outcome": outcome,
        "good": good,
        "said": said,
        "command": command,
        "text": text,
        "steps_suffice": True,
        "raised": [],
        "mismatches": [],
        "clients": [],
        "clients_of": None,
        "client_charts": [],
    }


def _of_verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.status,
        "schedules": verdict.schedules,
        "seed": verdict.seed,
        "failing_schedule": verdict.failing_schedule,
        "error": error_facts(verdict.error),
        "token": verdict.token,
        **_of_story(verdict.story),
    }


def error_facts(error: BaseException | None) -> dict[str, str | None] | None:
    """An error's class, what it says, and the innermost line of the program in its traceback."""
    if error is None:
        return None
    return {"type": printable(type(error).__name__), "message": said_by(error), "place": failure_place(error) or None}


def _seen(sight: Sight | None, error: BaseException | None) -> dict[str, Any]:
    """What was seen of the run; who waited for what, at the moment of a deadlock if there was one."""
    seen = sight.as_dict() if sight is not None else {"tasks": []}
    rows = _waits(error)
    if rows is not None:
        seen["tasks"] = rows
    return seen


def _waits(error: BaseException | None) -> Any:
    """The table of a deadlock, of the first if an error groups several."""
    if isinstance(error, Deadlock):
        return error.facts.get("rows")
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((rows for rows in map(_waits, parts) if rows is not None), None)


def _of_story(story: Story | None) -> dict[str, Any]:
    if story is None:
        return {"steps": [], "columns": [], "beside": [], "story": None}
    return {"steps": [step._asdict() for step in story.steps], "columns": story.columns, "beside": story.beside, "story": story.as_dict()}


def _charts(result: Result) -> list[dict[str, Any]]:
    report = result.report
    ends: dict[str, list[tuple[str, float, float]]] = {}
    for title, outcomes in report.outcomes.items():
        came = report.came.get(title, [0.0] * len(outcomes))
        ends[title] = [(outcome.result, at, outcome.seconds) for outcome, at in zip(outcomes, came)]
    return client_charts(ends)


__all__ = [
    "SCHEMA",
    "error_facts",
    "facts_of_check",
    "facts_of_replay",
    "facts_of_scenario",
    "facts_of_search",
    "facts_of_survey",
    "facts_of_test",
    "facts_of_walk",
    "tried",
    "write_report",
    "write_survey_report",
]
