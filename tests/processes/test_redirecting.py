"""Functions that are turned into others where they stand, and what of that is done before a fork."""

from __future__ import annotations

import os

import pytest

from simsock.processes import redirecting
from simsock.processes.redirecting import make_ready, original_of, redirect


def named(function):
    """As one of simsock's own."""
    function.__module__ = "simsock.of_this_test"
    return function


@pytest.fixture(params=["at once", "made ready before"])
def ready(request, monkeypatch):
    monkeypatch.setattr(redirecting, "_ready", {})

    def prepare(*functions):
        if request.param == "made ready before":
            make_ready(lambda: [redirect(function, None) for function in functions])
            assert all(function in redirecting._ready for function in functions)

    return prepare


def test_whoever_holds_a_function_has_the_other_one_and_its_old_self_can_be_kept(ready):
    @named
    def add(left, right=1, *, times=1):
        return (left + right) * times

    held = [add]
    ready(add)
    assert add(3) == 4
    before = original_of(add)
    redirect(add, lambda *args, **keywords: (args, keywords))
    assert held[0](5, times=7) == ((5,), {"times": 7})
    assert held[0]() == ((), {})
    assert before(2, times=2) == 6
    assert add.__name__ == "add"
    assert add.__code__.co_name == "add"


def test_the_last_of_several_counts(ready):
    @named
    def name():
        return "own"

    ready(name)
    redirect(name, lambda: "first")
    redirect(name, lambda: "second")
    assert name() == "second"


def test_a_function_whose_code_was_exchanged_meanwhile_is_redirected_all_the_same(ready):
    @named
    def name():
        return "own"

    ready(name)
    name.__code__ = (lambda: "another's").__code__
    redirect(name, lambda: "redirected")
    assert name() == "redirected"


def test_methods_and_functions_with_a_closure_are_redirected():
    kept = "closure's"

    class Thing:
        def method(self):
            return kept

        @classmethod
        def of_class(cls):
            return kept

    redirect(Thing.method, lambda self: type(self))
    redirect(Thing.of_class, lambda cls: cls)
    assert Thing().method() is Thing
    assert Thing.of_class() is Thing


def test_what_is_made_ready_keeps_nothing_of_a_program_or_of_a_world(monkeypatch):
    monkeypatch.setattr(redirecting, "_ready", {})

    def of_program():
        return 1

    @named
    def of_world():
        return ready

    ready = True
    make_ready(lambda: (redirect(of_program, None), redirect(of_world, None)))
    assert redirecting._ready == {}
    assert (of_program(), of_world()) == (1, True)


def test_before_its_first_fork_home_makes_ready_what_children_redirect_and_stays_as_it_is(world):
    pid = os.fork()
    if not pid:
        redirected = [function for function, (before, made, _) in redirecting._ready.items() if function.__code__ is made]
        os._exit(len(redirected) == len(redirecting._ready) - 1)  # all but getaddrinfo, which is redirected twice
    assert os.waitpid(pid, 0) == (pid, 1 << 8)
    assert len(redirecting._ready) > 100
    assert all(function.__code__ is before for function, (before, _, _) in redirecting._ready.items())
