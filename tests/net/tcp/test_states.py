"""The states of a stream, and that one method changes them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import simsock
from simsock.net.tcp.states import ABORTED, CLOSE_WAIT, ENDED, ESTABLISHED, FAILED, LISTEN, NEW, STATES, SYN_RECEIVED, SYN_SENT, after

RFC_NAMES = "CLOSED LISTEN SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT".split()


def way(state, *events):
    names = []
    for event in events:
        state = after(state, event)
        names.append(state.name)
    return names


@pytest.mark.parametrize(
    ("events", "names"),
    [
        (("connect", "join", "close", "fin acknowledged", "fin", "end"), "SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED"),
        (("syn", "established", "fin", "close", "fin acknowledged"), "SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"),
        (("connect", "join", "close", "fin", "fin acknowledged"), "SYN-SENT ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT"),
        (("syn", "close", "fin acknowledged"), "SYN-RECEIVED FIN-WAIT-1 FIN-WAIT-2"),
        (("listen", "disconnect", "connect", "fail", "disconnect"), "LISTEN CLOSED SYN-SENT CLOSED CLOSED"),
    ],
)
def test_the_ways_of_rfc_9293(events, names):
    assert way(NEW, *events) == names.split()


def test_the_names_are_those_of_rfc_9293():
    assert sorted({state.name for state in STATES}) == sorted(RFC_NAMES)


def test_what_each_state_says_of_the_connection():
    assert {state.name for state in STATES if state.connected} == set(RFC_NAMES) - {"CLOSED", "LISTEN", "SYN-SENT", "TIME-WAIT"}
    assert [state for state in STATES if state.unacknowledged] == [state for state in STATES if "fin acknowledged" in state.steps]
    closing = {after(state, "close") for state in STATES if "close" in state.steps}
    while closing != (more := closing | {state.steps[event] for state in closing for event in ("fin", "fin acknowledged") if event in state.steps}):
        closing = more
    assert {state for state in STATES if state.closes} == closing


def test_a_good_end_is_told_from_a_bad_one():
    assert after(after(after(CLOSE_WAIT, "close"), "fin acknowledged"), "end") is ENDED
    assert {after(state, "end") for state in (ESTABLISHED, SYN_RECEIVED, CLOSE_WAIT, NEW, LISTEN, SYN_SENT, FAILED)} == {ABORTED}


def test_a_step_that_cannot_be_is_an_error_that_names_it():
    with pytest.raises(AssertionError, match=r"a stream in LISTEN cannot 'fin'"):
        after(LISTEN, "fin")
    with pytest.raises(AssertionError, match=r"ESTABLISHED cannot 'disconnect'"):
        after(ESTABLISHED, "disconnect")


def test_the_state_of_a_stream_is_set_in_one_method():
    """Besides its first value. Unix sockets and the kernel's tasks have states of their own."""
    root = Path(simsock.__file__).parent
    found = []
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root).parts
        if where[0] not in ("net", "stdlib", "talking.py") or where[1:2] == ("unix",):
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
                    found += [(path.name, function.name) for target in targets if isinstance(target, ast.Attribute) and target.attr == "state"]
    assert found == [("stream.py", "__init__"), ("stream.py", "turn")]
