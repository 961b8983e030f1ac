"""What a program calls the thing that it is calling or entering, read off its bytecode: the same on every Python."""

from __future__ import annotations

import sys
import threading

import pytest

import simsock
from simsock.kernel.operands import operand_of


class Thing:
    """Its methods note what their caller calls it."""

    def __init__(self):
        self.thing = None
        self.found = []

    def __enter__(self):
        self.note()

    def __exit__(self, *exc):
        pass

    def note(self, *arguments, **more):
        """Who calls?"""
        frame = sys._getframe(1)
        self.found.append(operand_of(frame.f_back if frame.f_code.co_name == "__enter__" else frame))


def entered(box, things):
    with box.thing:
        pass


def two_entered(box, things):
    with box.other, box.thing:
        pass


def called(box, things):
    box.thing.note()


def called_with_others(box, things):
    box.thing.note(box.other, more=things)


def of_a_list(box, things):
    things[0].note(1)


def of_a_call(box, things):
    iter(things).__next__().note()


def in_a_loop(box, things):
    for one in things: one.note()  # fmt: skip  # noqa: E701


def in_a_comprehension(box, things):
    [one.note() for one in things]


def of_a_cell(box, things):
    def inner():
        return box.thing.note()

    inner()


def a_bound_method(box, things):
    note = box.thing.note
    note()


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (entered, "box.thing"),
        (two_entered, "box.thing"),
        (called, "box.thing"),
        (called_with_others, "box.thing"),
        (of_a_list, "things[…]"),
        (of_a_call, "iter(…).__next__(…)"),
        (in_a_loop, "one"),
        (in_a_comprehension, "one"),
        (of_a_cell, "box.thing"),
        (a_bound_method, ""),
    ],
)
def test_what_is_called_or_entered_has_the_name_that_stands_there(function, name):
    box = Thing()
    box.thing, box.other = Thing(), Thing()
    function(box, [box.thing])
    assert box.thing.found == [name]


def test_a_deadlock_names_locks_as_the_program_does():
    class Account:
        def __init__(self):
            self.lock = threading.Lock()

    def send(source, target):
        with source.lock:
            sim.sleep(1)
            target.lock.acquire()

    with pytest.raises(simsock.Deadlock) as caught, simsock.Simulation() as sim:
        one, other = Account(), Account()
        tasks = [sim.spawn(send, one, other), sim.spawn(send, other, one)]
        for task in tasks:
            task.result()
    assert "acquire Lock-2 (target.lock)" in str(caught.value)
    assert "acquire Lock-1 (target.lock)" in str(caught.value)


def test_what_a_library_waits_for_has_no_name_of_the_program_s():
    from concurrent.futures import Future

    with pytest.raises(simsock.Deadlock) as caught, simsock.Simulation():
        never = Future()
        never.result()
    assert "(never" not in str(caught.value)
