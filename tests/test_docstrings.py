"""Every public name says what it is, what its numbers are, and what it raises.

The rules are of this file: a docstring of some words; a unit for each argument that is a duration or a size; the classes of errors that the function itself
raises, by name or as "Raises". Helpers that a call goes through are not read.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

import pytest

import simsock
from simsock import clients, errors, strategies
from simsock.testing import SimulationTestCase
from simsock.world.expecting import Expectation
from simsock.world.faults import Rule
from simsock.world.hosts import Host
from simsock.world.servers import Served

CLASSES = [
    *(value for name in simsock.__all__ if isinstance(value := getattr(simsock, name), type) and not issubclass(value, BaseException)),
    *(Host, Served, Rule, Expectation, SimulationTestCase),
    *(value for room in (strategies, clients) for name in room.__all__ if isinstance(value := getattr(room, name), type)),
]
FUNCTIONS = {
    f"{room.__name__}.{name}": value for room in (simsock, strategies, clients) for name in room.__all__ if inspect.isfunction(value := getattr(room, name))
}
WORDS_MIN = 3
UNITS = re.compile(r"second|virtual|duration|\d+ ?(ms|s|min|h|d)\b|bytes|how long|a while|time", re.IGNORECASE)
DURATIONS = {"timeout", "within", "duration", "after", "patience", "seconds", "start", "for_", "pause", "every"}
RAISES = re.compile(r"\bRaises\b|\braises\b")


def public_members():
    """The methods and properties that the API reference shows, of every public class."""
    for kind in CLASSES:
        for name, value in inspect.getmembers(kind):
            ours = getattr(inspect.unwrap(value) if callable(value) else getattr(value, "fget", None), "__module__", "") or ""
            if not name.startswith("_") and ours.startswith("simsock") and (inspect.isfunction(value) or isinstance(value, property)):
                yield f"{kind.__module__}.{kind.__name__}.{name}", value


MEMBERS = dict(public_members())


def raised_in(function):
    """The classes of simsock's errors that a function raises by itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    return {call.func.id for call in calls if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and hasattr(errors, call.func.id)}


def test_there_is_something_to_look_at():
    assert len(MEMBERS) > 80
    assert "simsock.world.simulation.Simulation.run_until" in MEMBERS


@pytest.mark.parametrize("name", [name for name in simsock.__all__ if name != "__version__"])
def test_every_public_name_says_what_it_is(name):
    value = getattr(simsock, name)
    said = value.__doc__ or ""
    assert len(said.split()) >= WORDS_MIN, said
    assert said != type(value).__doc__ or isinstance(value, type) or not inspect.isroutine(value)


@pytest.mark.parametrize("name", MEMBERS)
def test_every_public_method_says_what_it_does(name):
    assert len((inspect.getdoc(MEMBERS[name]) or "").split()) >= WORDS_MIN


@pytest.mark.parametrize("name", [*MEMBERS, *FUNCTIONS])
def test_durations_have_a_unit_and_errors_are_said(name):
    value = MEMBERS.get(name) or FUNCTIONS[name]
    function = value.fget if isinstance(value, property) else value
    said = inspect.getdoc(value) or ""
    timed = [given for given, parameter in inspect.signature(function).parameters.items() if given in DURATIONS or "Duration" in str(parameter.annotation)]
    assert not timed or UNITS.search(said), f"{', '.join(timed)}: of what unit?"
    raised = raised_in(function)
    assert not raised or RAISES.search(said) or all(error in said for error in raised), f"it raises {', '.join(sorted(raised))}, and does not say so"
