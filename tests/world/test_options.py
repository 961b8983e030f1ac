"""The options of a world: each wrong value is an error that names the option, the value and what was expected; and tokens carry them."""

from __future__ import annotations

from datetime import datetime

import pytest

import simsock
import simsock.world.options as options_module
from simsock import BadToken, Link, Simulation, UsageError


class Strategy:
    def begin(self, run):
        pass

    def pick(self, task, runnable, preempting):
        return runnable[-1]

    def end(self, run):
        pass


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("seed", None, "an integer or a text"),
        ("seed", 1.5, "an integer or a text"),
        ("seed", True, "an integer or a text"),
        ("records", -1, "from 0"),
        ("records", "many", "from 0"),
        ("records", True, "from 0"),
        ("strategy", "fiffo", "'fifo', 'random'"),
        ("strategy", 5, "begin(run), pick(task, runnable, preempting) and end(run)"),
        ("preempt", "line", "'calls', 'lines', 'instructions'"),
        ("preempt", None, "'calls', 'lines', 'instructions'"),
        ("entropy", "some", "'tape' or 'real'"),
        ("max_steps", 0, "from 1"),
        ("max_steps", 1.5, "from 1"),
        ("max_steps", True, "from 1"),
        ("max_time", "soon", "a duration"),
        ("max_time", -1, "not negative"),
        ("max_real_time", "5 parsecs", "no unit of time"),
        ("max_real_time", None, "seconds, a timedelta or text"),
        ("start_time", "yesterday", "ISO 8601"),
        ("start_time", [], "ISO 8601"),
        ("start_time", True, "ISO 8601"),
        ("patch", 1, "True or False"),
        ("chunks", "small", "whole"),
        ("chunks", [0], "chunks"),
        ("chunks", -1, "chunks"),
        ("link", "wonky", "link"),
        ("link", 5, "link"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_option_the_value_and_what_was_expected(option, value, expected):
    with pytest.raises(UsageError) as caught:
        simsock.Simulation(**{option: value})
    text = str(caught.value)
    assert option in text and expected in text
    assert repr(value) in text or str(value) in text


@pytest.mark.parametrize(("option", "value"), [("max_time", 0), ("max_time", "0s"), ("max_real_time", 0)])
def test_a_limit_of_nothing_is_an_error(option, value):
    with pytest.raises(UsageError, match=option):
        simsock.Simulation(**{option: value})


def test_an_unknown_option_is_an_error_that_names_it():
    with pytest.raises(UsageError, match="unknown option 'sede'"):
        simsock.Simulation(sede=7)


def test_options_are_given_by_name():
    with pytest.raises(TypeError):
        simsock.Simulation(7)


def test_a_real_peer_is_an_address_and_a_port():
    with pytest.raises(UsageError, match=r"allow: expected the address and the port of a real peer.*got 'example\.org:80'"):
        simsock.Simulation(allow=("example.org:80",))
    for wrong in ("127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", 5, {"a": 1}):
        with pytest.raises(UsageError, match="allow: expected"):
            simsock.Simulation(allow=wrong if isinstance(wrong, dict) else [wrong])


# -- tokens --------------------------------------------------------------------------------------------------------------------------------


def program(sim):
    """Chance of every kind: schedule, delays, cuts."""
    one, other = sim.datagram(host="a"), sim.datagram(host="b")

    def send(number):
        sim.sleep("1ms")
        one.sendto(b"%d" % number, other.getsockname())
        return sim.network.time.time()

    for task in [sim.spawn(send, number) for number in range(5)]:
        task.result()
    sim.sleep(1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"seed": 99, "strategy": "random"},
        {"seed": "ninety-nine", "strategy": "random", "preempt": "lines"},
        {"strategy": "random", "preempt": "instructions"},
        {"strategy": Strategy()},
        {"seed": 5, "strategy": "random", "link": Link(latency="10ms", jitter="5ms", loss="20%"), "chunks": "random"},
        {"chunks": [1, 2, 3], "max_steps": 9_999, "max_time": "2d", "start_time": datetime(2031, 2, 3)},
        {"entropy": "real", "start_time": 0.5},
        {"start_time": "now"},
    ],
    ids=lambda options: "-".join(options) or "defaults",
)
def test_a_token_repeats_the_run(options):
    with simsock.Simulation(**options) as sim:
        program(sim)
    said = {name: value for name, value in options.items() if name == "entropy"}  # what lets a program out of its world is no token's to decide
    with simsock.Simulation(token=sim.token, **said) as again:
        program(again)
    assert again.digest == sim.digest
    assert again.deviations == sim.deviations
    assert again.now_ns == sim.now_ns
    made, repeated = sim.options.as_dict(), again.options.as_dict()
    if made.get("strategy") == "object":
        del made["strategy"]  # an object is in no token; what it picked is
    assert repeated == made
    assert again.options.entropy == sim.options.entropy


def test_a_token_of_a_repeated_run_repeats_it_again():
    with simsock.Simulation(seed=3, strategy="random") as sim:
        program(sim)
    with simsock.Simulation(token=sim.token) as again:
        program(again)
    assert again.token == sim.token


def test_a_token_can_be_made_while_the_world_runs():
    with simsock.Simulation(seed=3, strategy="random") as sim:
        program(sim)
        token = sim.token
    assert token == sim.token


@pytest.mark.parametrize("option", [{"strategy": "random"}, {"max_steps": 5}, {"link": "perfect"}, {"chunks": "bytes"}])
def test_options_of_a_token_are_its_own(option):
    token = simsock.Simulation(seed=3).token
    with pytest.raises(UsageError, match=f"token: .*{next(iter(option))}"):
        simsock.Simulation(token=token, **option)


def test_what_no_token_carries_can_be_given_beside_it():
    token = simsock.Simulation(seed=3, preempt="lines").token
    assert simsock.Simulation(token=token, max_real_time=5, scope=__file__, records=7, patch=True).options.limits.real_seconds == 5


def test_a_token_of_a_world_without_patches_cannot_be_repeated_with_them():
    token = simsock.Simulation(seed=3, patch=False).token
    assert not simsock.Simulation(token=token, patch=False).options.patch
    with pytest.raises(UsageError, match="patch=False, patch=True cannot be given"):
        simsock.Simulation(token=token, patch=True)
    with pytest.raises(UsageError, match="allow="):
        simsock.Simulation(token=token, patch=False, allow=("127.0.0.1:1",))


@pytest.mark.parametrize("token", ["", "simsock1.", "simsock9.AAAA", "hello", "simsock1.AAAA"])
def test_a_damaged_token_is_an_error(token):
    with pytest.raises(BadToken):
        simsock.Simulation(token=token)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("colour", "red"),
        ("preempt", "words"),
        ("strategy", "luck"),
        ("max_steps", -5),
        ("start_ns", "x"),
        ("max_time_ns", True),
        ("link", 7),
        ("link", [["loss", "x"]]),
        ("chunks", {}),
    ],
)
def test_a_token_with_options_that_make_no_sense_is_an_error(name, value):
    from simsock.choices import Token

    with pytest.raises((UsageError, BadToken)):
        simsock.Simulation(token=Token(3, {name: value}).encode())


def test_equal_options_of_different_types_are_not_taken_for_each_other():
    assert Simulation(max_steps=1000).options is Simulation(max_steps=1000).options
    with pytest.raises(UsageError, match=r"max_steps: expected a whole number of steps from 1, got 1000\.0"):
        Simulation(max_steps=1000.0)
    assert Simulation(patch=True).options.patch
    with pytest.raises(UsageError, match="patch: expected True or False, got 1"):
        Simulation(patch=1)


def test_after_many_kinds_of_worlds_equal_options_are_still_shared():
    for number in range(1, 400):
        made = Simulation(max_steps=number).options
        assert Simulation(max_steps=number).options is made
    assert len(options_module._made) <= options_module._MADE_MAX


def test_a_changeable_option_is_read_anew():
    sizes = [3]
    first = Simulation(chunks=sizes).options
    sizes.append(4)
    assert Simulation(chunks=sizes).options.chunks == (3, 4) != first.chunks
