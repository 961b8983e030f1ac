"""No text of a stranger's reaches a terminal or a file as it is: payloads, names of tasks and hosts, tokens, texts of exceptions.

The texts are drawn by Hypothesis from all of Unicode, lone surrogates and control characters first.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import warnings
import zlib
from hashlib import blake2b
from io import StringIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import simsock
from simsock.cli import complain, say
from simsock.escaping import printable, printable_json, told
from simsock.report.files import Reports
from simsock.socketserver import BaseRequestHandler
from tests.report.test_pages import FACTS

EVIL = "bad \x1b[31m\x1b[2J\x1b]0;title\x07 \u202e\r\n\ud800\x7f\x9b31m\u2028\U000e0041 end"
nasty = st.text(
    st.one_of(
        st.sampled_from("\x1b\x07\x00\r\n\t\x7f\x9b\x85\u200f\u202e\u2066\u2028\u2029\ufeff\ud800\udfff\U000e0001\\x"),
        st.characters(),
        st.characters(codec="ascii"),
    ),
    min_size=1,
    max_size=20,
)
many = settings(max_examples=100, deadline=None)


def bad_in(text, lines=True):
    """What would not print as itself; line feeds are all right where there are lines."""
    return [character for character in text if not character.isprintable() and not (lines and character == "\n")]


@given(nasty)
@example(EVIL)
def test_what_comes_out_prints_and_the_second_time_changes_nothing(text):
    assert not bad_in(printable(text), lines=False)
    assert not bad_in(printable(text, lines=True))
    assert printable(printable(text)) == printable(text)
    assert printable(text, lines=True).count("\n") == text.count("\n")


def test_an_escape_is_pythons_own():
    assert printable("a\x1bb\u202ec\ud800d\U000e0001\té — 漢") == "a\\x1bb\\u202ec\\ud800d\\U000e0001\\té — 漢"
    assert printable("one\ntwo") == "one\\ntwo"
    assert printable("one\ntwo", lines=True) == "one\ntwo"


@given(st.dictionaries(nasty, nasty))
@example({EVIL: EVIL})
def test_json_stays_the_same_json(values):
    text = printable_json(json.dumps(values, ensure_ascii=False, indent=2))
    assert not bad_in(text)
    as_pairs = {key.encode("utf-16", "surrogatepass"): value.encode("utf-16", "surrogatepass") for key, value in json.loads(text).items()}
    assert as_pairs == {key.encode("utf-16", "surrogatepass"): value.encode("utf-16", "surrogatepass") for key, value in values.items()}


def test_an_error_that_cannot_say_what_it_is_does_not_take_the_report_with_it():
    class Silent(Exception):
        def __str__(self):
            raise KeyError("no text")

    class Liar(str):
        def isprintable(self):
            return True

        def __str__(self):
            return self

    class Lying(Exception):
        def __str__(self):
            return Liar("\x1b")

    assert told(Silent()) == "<its text cannot be had: __str__ raised KeyError>"
    assert told(Lying()) == "\\x1b"

    def test(sim):
        raise Silent

    assert "raised Silent: <its text cannot be had" in str(simsock.explore(test, schedules=1))


@many
@given(nasty)
@example(EVIL)
def test_verdicts_stories_and_their_steps(text):
    def test(sim):
        def bump():
            held.append(text)
            held.append(text)

        held = []
        threads = [threading.Thread(target=bump, name=text) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        raise ValueError(text)

    verdict = simsock.explore(test, schedules=1)
    assert not bad_in(str(verdict))
    assert not any(bad_in(str(step), lines=False) for step in verdict.deviations)
    assert not any(bad_in(line, lines=False) for line in verdict.story.columns)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is looked at below)
        verdict.raise_if_failed()
    assert not bad_in("".join(caught.value.__notes__))
    assert caught.value.args == (text,)  # the program's own error stays what it was


@many
@given(nasty)
@example(EVIL)
def test_tables_of_tasks_and_sockets_and_what_a_world_warns_of(text):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with simsock.Simulation() as sim:
            task = sim.spawn(threading.Event().wait, name=text)
            with contextlib.suppress(simsock.UsageError):  # not every text can be a name
                sim.connect(sim.serve(BaseRequestHandler, host="".join(text.split())))
            assert not bad_in(str(sim.netstat()))
            assert not bad_in(task.path, lines=False)
            assert not bad_in(repr(task), lines=False)
    assert warned
    assert not any(bad_in(str(warning.message)) for warning in warned)


@many
@given(nasty)
@example(EVIL)
def test_a_deadlock_and_what_was_raised_besides(text):
    def fails():
        raise ValueError(text)

    with pytest.raises(simsock.Deadlock) as caught, simsock.Simulation() as sim:
        sim.spawn(fails, name=text)
        lock = threading.Lock()
        lock.acquire()
        sim.spawn(lock.acquire, name=text)
        threading.Event().wait()
    assert not bad_in(str(caught.value))
    assert not bad_in("".join(caught.value.__notes__))
    assert not bad_in(caught.value.facts["report"])


def complaint_of(call):
    try:
        call()
    except simsock.SimsockError as error:
        return str(error)
    return ""


@many
@given(nasty, st.sampled_from("stpho"))
@example(EVIL, "o")
def test_tokens_of_strangers(text, field):
    content = {"s": 1, "p": "3.12", "h": "random"} | {field: {text: 1} if field == "o" else text}
    packed = zlib.compress(json.dumps(content).encode(), 9)
    token = "simsock1." + base64.urlsafe_b64encode(blake2b(packed, digest_size=6).digest() + packed).rstrip(b"=").decode()
    for repeat in (lambda: simsock.replay(lambda sim: None, token), lambda: simsock.replay(lambda sim: None, text), lambda: simsock.Simulation(token=token)):
        assert not bad_in(complaint_of(repeat), lines=False)


@given(nasty)
@example(EVIL)
def test_the_command_line_says_and_complains(text):
    out = StringIO()
    say(text, out)
    assert not bad_in(out.getvalue())


def test_complaints_about_arguments_are_printable(capsys):
    for words in (["run", EVIL], ["replay", EVIL], ["explore", EVIL], ["scenarios", EVIL], ["doctor", EVIL], [EVIL], ["run", "x", f"--{EVIL}"]):
        code = simsock.cli.main(words)
        shown = capsys.readouterr()
        assert code == 2
        assert not bad_in(shown.err + shown.out)
    complain(EVIL)
    assert not bad_in(capsys.readouterr().err)


@given(text=nasty)
@example(text=EVIL)
def test_reports_on_disk(tmp_path_factory, text):
    paths = Reports(str(tmp_path_factory.mktemp("reports")), "1").write("x", text, lambda: {**FACTS, "title": text, "message": text})
    for path in paths:
        with open(path, encoding="utf-8", newline="") as file:
            assert not bad_in(file.read())


def test_a_capture_names_its_hosts_in_printable_words(tmp_path):
    with simsock.Simulation() as sim:
        sim.capture(tmp_path / "x.pcapng")
        sim.connect(sim.serve(BaseRequestHandler, host="bad\x1b[31m"))
    assert b"bad\\x1b[31m" in (tmp_path / "x.pcapng").read_bytes()


def test_a_servers_own_report_of_an_error(capsys):
    class Handler(BaseRequestHandler):
        def handle(self):
            raise ValueError(EVIL)

    with pytest.raises(ValueError), simsock.Simulation() as sim:  # noqa: PT011 (the text is not what is looked at)
        sim.connect(sim.serve(Handler))
        sim.settle()
    assert not bad_in(capsys.readouterr().err)
