"""Tokens: what goes in comes out, what is damaged or hostile is refused in plain words and in bounded memory."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tracemalloc
import zlib
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simsock
import simsock.errors
from simsock.choices import Deviation, SeededSource, Tape, Token
from simsock.choices.tokens import QUESTIONS, TEXT_MAX, hashseed_here, python_here
from simsock.errors import BadToken, UsageError

SMALL = Token(7, {"strategy": "random", "loss": 0.25}, [("task main schedule", 3, 2), ("task main schedule", 9, 1)], "tests.x:race", "3.11", "0")

# Made by the first version that wrote tokens, whose worlds asked other questions.
PINNED = (
    "simsock1.CsJeYYxOeNoNy80KhDAMBOBXkTmHYhVZyKuIh2DLKv50abKwIr775jTDfMwNBb8IHzD6ECMIi9fWs4Bvq"
    "FWx_L58q3KmcjjsRf3Uhm54COZiWU3Dj6vM2T2BxxEmujWHrGej85LTd3fqqaOB4jQ9f9v1IvE"
)


def craft(content: object) -> str:
    """A token with a sound checksum around any content: JSON of an object, or bytes taken as the unpacked content."""
    if isinstance(content, dict):
        content = {"q": QUESTIONS, **content}
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return wrap(zlib.compress(data, 9))


def wrap(packed: bytes) -> str:
    return "simsock1." + base64.urlsafe_b64encode(blake2b(packed, digest_size=6).digest() + packed).rstrip(b"=").decode()


# -- round trips -------------------------------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(["", "link a->b loss", "\udc80", "\ud800\udc00", "\U00010000", '"', "\0"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = SCALARS | st.lists(SCALARS | st.lists(SCALARS, max_size=3), max_size=5)
DEVIATIONS = st.dictionaries(st.tuples(TEXTS, st.integers(0, 2**53 - 1) | st.integers(0, 300)), st.integers(1, 2**64 - 1) | st.integers(1, 3), max_size=40)


@settings(deadline=None)
@given(
    st.integers(-(2**255), 2**255) | TEXTS,
    st.dictionaries(TEXTS, VALUES, max_size=5),
    st.none() | DEVIATIONS,
    st.none() | TEXTS,
    st.sampled_from(["3.11", "3.12", "12.345"]),
    st.sampled_from(["0", "random", "4294967295"]),
)
def test_what_is_encoded_comes_back(seed, options, answers, target, python, hashseed):
    deviations = None if answers is None else [(label, index, value) for (label, index), value in answers.items()]
    token = Token(seed, options, deviations, target, python, hashseed)
    back = Token.decode(token.encode())
    assert back == token
    assert (back.seed, back.options, back.target, back.python, back.hashseed) == (seed, options, target, python, hashseed)
    assert type(back.seed) is type(seed)
    assert back.deviations == (None if deviations is None else tuple(sorted(deviations)))
    assert all(type(deviation) is Deviation for deviation in back.deviations or ())
    assert back.encode() == token.encode()


def test_deviations_are_sorted_by_label_and_index():
    token = Token(1, {}, [("b", 2, 1), ("a", 9, 5), ("a", 0, 3), ("b", 0, 1)])
    assert token.deviations == (("a", 0, 3), ("a", 9, 5), ("b", 0, 1), ("b", 2, 1))
    assert Token.decode(token.encode()).deviations == token.deviations


def test_no_deviations_and_deviations_unknown_are_two_things():
    assert Token.decode(Token(1, deviations=()).encode()).deviations == ()
    assert Token.decode(Token(1).encode()).deviations is None
    assert Token(1, deviations=()) != Token(1)


def test_tuples_in_options_become_lists_and_options_are_copied():
    sizes = [1, 2]
    options = {"chunks": (3, (4, 5)), "sizes": sizes}
    token = Token(1, options)
    sizes.append(3)
    assert token.options == {"chunks": [3, [4, 5]], "sizes": [1, 2]}
    assert Token.decode(token.encode()) == token


def test_tokens_differ_when_any_field_does():
    fields = {"seed": 8, "options": {}, "deviations": None, "target": None, "python": "3.12", "hashseed": "1"}
    for name, value in fields.items():
        other = Token(**{**{field: getattr(SMALL, field) for field in fields}, name: value})
        assert other != SMALL
        assert Token.decode(other.encode()) == other
    assert SMALL != "simsock1."
    with pytest.raises(TypeError):
        hash(SMALL)


def test_a_token_says_what_it_is():
    assert repr(SMALL) == "<Token seed=7 target='tests.x:race' 2 deviations, Python 3.11, hash seed 0>"
    assert "no deviations" in repr(SMALL.without_deviations())


def test_a_token_of_other_questions_is_an_error_that_does_not_blame_the_test():
    newer = craft({"q": 999, "s": 7, "p": "3.11", "h": "0"})
    for text, made in (
        (PINNED, r"an older simsock.*\(version 1; this one asks version \d+\)"),
        (newer, "a newer simsock"),
    ):
        with pytest.raises(BadToken, match=f"{made}.*says nothing about the test; search again"):
            Token.decode(text)
    with pytest.raises(BadToken, match="version of its questions is a whole number"):
        Token.decode(craft({"q": "2", "s": 7, "p": "3.11", "h": "0"}))
    with pytest.raises(BadToken, match="an older simsock"):
        simsock.replay(lambda sim: None, PINNED)
    with pytest.raises(BadToken, match="an older simsock"):
        simsock.Simulation(token=PINNED)


def test_a_token_may_be_pasted_with_blanks_and_line_breaks():
    text = SMALL.encode()
    assert text.isascii()
    assert text.startswith("simsock1.")
    assert "=" not in text
    broken = "\n".join(text[start : start + 20] + " \t" for start in range(0, len(text), 20))
    assert Token.decode(f"\r\n  {broken}\u00a0\n") == SMALL


def test_thousands_of_deviations_fit():
    tape = Tape(SeededSource(3))
    while len(tape.deviations) < 20_000:
        tape.choose(f"task main/handler-{len(tape.deviations) % 5} schedule", 4)
    token = Token(3, {}, tape.deviations)
    assert len(token.encode()) < 20_000
    assert Token.decode(token.encode()) == token


def test_a_token_that_would_be_too_long_says_so_and_its_short_form_works():
    tape = Tape(SeededSource(3))
    for _ in range(40_000):
        tape.choose("wide", 1 << 40)
    token = Token(3, {"link": "lossy"}, tape.deviations, "a:b")
    with pytest.raises(BadToken, match=r"too long.*40,000 deviations.*shrink.*without_deviations"):
        token.encode()
    short = token.without_deviations()
    assert short.deviations is None
    assert (short.seed, short.options, short.target, short.python, short.hashseed) == (3, {"link": "lossy"}, "a:b", token.python, token.hashseed)
    assert Token.decode(short.encode()) == short


def test_a_token_whose_content_would_be_too_large_is_not_written_either():
    with pytest.raises(BadToken, match=r"too long.*bytes unpacked"):
        Token(3, {}, [("x", index, 1) for index in range(300_000)]).encode()


# -- damage ------------------------------------------------------------------------------------------------------------------------------------


def test_any_changed_character_is_noticed_or_harmless():
    text = SMALL.encode()
    refused = 0
    for place, old in enumerate(text):
        for new in {"A", "B", "a", "q", "z", "0", "7", "9", "-", "_", ".", "=", "+", "/", "é", "\0"} - {old}:
            try:
                token = Token.decode(text[:place] + new + text[place + 1 :])
            except BadToken:
                refused += 1
            else:
                # Only the spare bits of the last character carry no meaning.
                assert token == SMALL
                assert place == len(text) - 1
    assert refused > 14 * len(text)


def test_any_missing_part_is_noticed():
    text = SMALL.encode()
    for place in range(len(text)):
        for damaged in (text[:place], text[place + 1 :], text[:place] + text[place + 1 :]):
            with pytest.raises(BadToken):
                Token.decode(damaged)
    for extra in ("A", "AAAA", text):
        with pytest.raises(BadToken):
            Token.decode(text + extra)


@pytest.mark.once
@settings(deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60).map(wrap) | st.binary(max_size=60).map(craft), st.booleans())
def test_no_text_does_worse_than_being_refused(text, prefixed):
    with pytest.raises(BadToken):
        Token.decode("simsock1." + text if prefixed else text)


JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*"sodtph"]) | TEXTS, inner, max_size=6), max_leaves=20
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*"sodtph"]), JSON, max_size=6) | JSON)
def test_no_content_does_worse_than_being_refused(content):
    try:
        token = Token.decode(craft(content))
    except BadToken:
        return
    assert Token.decode(token.encode()) == token


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no simsock token"),
        ("hello", "no simsock token: it begins with 'hello' instead of 'simsock1.'"),
        ("simsock1", "no simsock token"),
        ("simsock1.", r"cut off or mistyped \(nothing after the prefix\)"),
        ("simsock9.AAAA", "this is a version-9 token; this simsock reads version 1"),
        ("simsock1.AAAA!A", r"mistyped \('!' at character 14\)"),
        ("simsock1.AAAAA", r"cut off or mistyped \(length\)"),
        ("simsock1.AA", r"cut off or mistyped \(checksum\)"),
        (SMALL.encode()[:-3], r"cut off or mistyped"),
        (SMALL.encode() + "AAAA", r"cut off or mistyped \(checksum\)"),
        ("simsock1." + "A" * TEXT_MAX, "too long: 65,545 characters"),
        (" " * (5 * TEXT_MAX), "too long"),
        (b"simsock1.", "a token is text, not bytes"),
        (None, "a token is text, not NoneType"),
    ],
)
def test_damage_is_told_in_plain_words(text, says):
    with pytest.raises(BadToken, match=says):
        Token.decode(text)


SOUND = {"s": 7, "p": "3.11", "h": "0"}


def test_the_least_content_is_sound():
    assert Token.decode(craft(SOUND)) == Token(7, python="3.11", hashseed="0")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([], r"\[\] is not an object"),
        (3, "3 is not an object"),
        ({"p": "3.11", "h": "0"}, "seed is missing"),
        ({"s": 7, "h": "0"}, "python is missing"),
        ({"s": 7, "p": "3.11"}, "hashseed is missing"),
        ({**SOUND, "evil": 1}, "unknown field 'evil'"),
        ({**SOUND, "s": 1.5}, "seed is.*1.5"),
        ({**SOUND, "s": True}, "seed is.*True"),
        ({**SOUND, "s": [1]}, "seed is"),
        ({**SOUND, "s": ["x" * 5_000] * 50}, "seed is"),
        ({**SOUND, "s": 1 << 300}, "seed is.*many digits"),
        ({**SOUND, "s": "x" * 5_000}, "seed is text of at most 4,096"),
        ({**SOUND, "p": 3.11}, 'python is text such as "3.12", not 3.11'),
        ({**SOUND, "p": "3.11\n"}, "python"),
        ({**SOUND, "p": "three"}, "python"),
        ({**SOUND, "h": "abc"}, "hashseed is text such as"),
        ({**SOUND, "t": 5}, "target is text"),
        ({**SOUND, "t": "x" * 5_000}, "target is text of at most 4,096"),
        ({**SOUND, "o": []}, "is not an object"),
        ({**SOUND, "o": None}, "is not an object"),
        ({**SOUND, "o": {"a": {"b": 1}}}, "option 'a' is"),
        ({**SOUND, "o": {"a": [[[[[1]]]]]}}, "option 'a' is"),
        ({**SOUND, "o": {"a": 1 << 300}}, "option 'a' is.*many digits"),
        ({**SOUND, "o": {"a": "x" * 5_000}}, "option 'a' is text of at most"),
        ({**SOUND, "o": {"a": [0] * 10_001}}, "option 'a' is"),
        ({**SOUND, "o": {"x" * 5_000: 1}}, "an option's name is"),
        ({**SOUND, "o": {str(number): 1 for number in range(257)}}, "257 options, at most 256"),
        (b'{"q":%d,"s":7,"p":"3.11","h":"0","o":{"a":1e999}}' % QUESTIONS, "option 'a' is a finite number.*inf"),
        (b'{"q":%d,"s":7,"p":"3.11","h":"0","o":{"a":NaN}}' % QUESTIONS, "option 'a' is a finite number.*nan"),
        (b'{"q":%d,"s":7,"p":"3.11","h":"0","d":[["a",1.0,1]]}' % QUESTIONS, "'a': a step is a whole number from 0, not 1.0"),
        ({**SOUND, "d": None}, "deviations are a list, not None"),
        ({**SOUND, "d": {}}, "deviations are a list"),
        ({**SOUND, "d": [3]}, "its name and then pairs of numbers, not 3"),
        ({**SOUND, "d": [[]]}, "its name and then pairs"),
        ({**SOUND, "d": [["a"]]}, "its name and then pairs"),
        ({**SOUND, "d": [["a", 1]]}, "its name and then pairs"),
        ({**SOUND, "d": [["a", 1, 1, 1]]}, "its name and then pairs"),
        ({**SOUND, "d": [[5, 1, 1]]}, "label is text"),
        ({**SOUND, "d": [["x" * 5_000, 1, 1]]}, "label is text of at most 4,096"),
        ({**SOUND, "d": [["a", -1, 1]]}, "'a': a step is a whole number from 0, not -1"),
        ({**SOUND, "d": [["a", True, 1]]}, "'a': a step is"),
        ({**SOUND, "d": [["a", 1 << 53, 1]]}, "'a': a step is"),
        ({**SOUND, "d": [["a", (1 << 53) - 1, 1, 0, 1]]}, "'a': an index is a whole number"),
        ({**SOUND, "d": [["a", 0, 0]]}, "'a': a value is a whole number from 1.*not 0"),
        ({**SOUND, "d": [["a", 0, "1"]]}, "'a': a value is"),
        ({**SOUND, "d": [["a", 0, True]]}, "'a': a value is"),
        ({**SOUND, "d": [["a", 0, 1 << 64]]}, "'a': a value is"),
        ({**SOUND, "d": [["a", 0, 1], ["a", 0, 2]]}, "'a': two answers to question 0, 1 and 2"),
        ({**SOUND, "d": [[f"{number}", 0, 1] for number in range(20_001)]}, "20,001 labels, at most 20,000"),
        (b"[" * 500_000, "damaged"),
        (b'{"s":' + b"9" * 5_000 + b"}", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b'{"s":7', "damaged"),
        (b"cos\nsystem\n(S'true'\ntR.", "damaged"),
    ],
)
def test_hostile_content_is_refused_by_field(content, says):
    with pytest.raises(BadToken, match=says) as caught:
        Token.decode(craft(content))
    assert len(str(caught.value)) < 300


def test_a_bomb_is_refused_in_bounded_memory():
    bomb = wrap(zlib.compress(b" " * 40_000_000, 9))
    assert len(bomb) < TEXT_MAX
    tracemalloc.start()
    try:
        with pytest.raises(BadToken, match="too long: more than 1,048,576 bytes unpacked"):
            Token.decode(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


def test_packed_content_must_end_where_the_token_ends():
    packed = zlib.compress(json.dumps(SOUND).encode())
    for damaged in (packed[:-1], packed + b"x", packed + packed, packed[:4]):
        with pytest.raises(BadToken, match="damaged"):
            Token.decode(wrap(damaged))
    with pytest.raises(BadToken, match="cannot be unpacked"):
        Token.decode(wrap(b"no zlib"))


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": None},
        {"seed": 1.5},
        {"options": {"a": object()}},
        {"options": {"a": float("inf")}},
        {"options": {3: 1}},
        {"options": [1]},
        {"deviations": [("a", -1, 1)]},
        {"deviations": [("a", 0, 0)]},
        {"deviations": [("a", 0, 1), ("a", 0, 1)]},
        {"deviations": [("x" * 5_000, 0, 1)]},
        {"target": 3},
        {"python": "3"},
        {"hashseed": 0},
    ],
)
def test_a_token_that_could_not_be_read_again_cannot_be_made(fields):
    with pytest.raises(UsageError):
        Token(**{"seed": 7, **fields})


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        ({"seed": "x" * 4_096}, {"seed": "x" * 4_097}),
        ({"seed": (1 << 256) - 1}, {"seed": 1 << 256}),
        ({"target": "x" * 4_096}, {"target": "x" * 4_097}),
        ({"options": {"x" * 4_096: 1}}, {"options": {"x" * 4_097: 1}}),
        ({"options": {"a": "x" * 4_096}}, {"options": {"a": "x" * 4_097}}),
        ({"options": {"a": [[[[1]]]]}}, {"options": {"a": [[[[[1]]]]]}}),
        ({"options": {"a": [0] * 10_000}}, {"options": {"a": [0] * 10_001}}),
        ({"options": {str(number): 1 for number in range(256)}}, {"options": {str(number): 1 for number in range(257)}}),
        ({"deviations": [("x" * 4_096, 0, 1)]}, {"deviations": [("x" * 4_097, 0, 1)]}),
        ({"deviations": [("a", (1 << 53) - 1, 1)]}, {"deviations": [("a", 1 << 53, 1)]}),
        ({"deviations": [("a", 0, (1 << 64) - 1)]}, {"deviations": [("a", 0, 1 << 64)]}),
        ({"hashseed": "1234567890"}, {"hashseed": "12345678901"}),
    ],
)
def test_the_most_that_is_allowed_comes_back_and_no_more_is(fits, too_much):
    token = Token(**{"seed": 7, **fits})
    assert Token.decode(token.encode()) == token
    with pytest.raises(UsageError):
        Token(**{"seed": 7, **too_much})


# -- where it was made -------------------------------------------------------------------------------------------------------------------------


def test_a_token_records_this_python_unless_told_otherwise():
    token = Token(7)
    assert token.python == python_here() == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert token.hashseed == hashseed_here()
    assert token.differences_here() == []


def test_differences_from_this_process_are_told_in_plain_words(monkeypatch):
    monkeypatch.setattr("simsock.choices.tokens.python_here", lambda: "3.12")
    monkeypatch.setattr("simsock.choices.tokens.hashseed_here", lambda: "random")
    assert Token(7, python="3.11", hashseed="5").differences_here() == [
        "the token was made on Python 3.11, this is Python 3.12",
        "the token was made with PYTHONHASHSEED=5, here the hash seed is random",
    ]
    monkeypatch.setattr("simsock.choices.tokens.hashseed_here", lambda: "0")
    assert Token(7, python="3.12", hashseed="random").differences_here() == ["the token was made with a random hash seed, here PYTHONHASHSEED is 0"]


@pytest.mark.parametrize(
    ("environment", "flags", "expected"),
    [(None, [], "random"), ("random", [], "random"), ("0", [], "0"), ("5", [], "5"), ("007", [], "7"), ("5", ["-E"], "random"), ("0", ["-R"], "random")],
)
def test_the_hash_seed_of_a_process_is_recognised(environment, flags, expected):
    root = Path(simsock.errors.__file__).parent.parent
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    if environment is not None:
        environ["PYTHONHASHSEED"] = environment
    code = f"import sys; sys.path.insert(0, {str(root)!r}); from simsock.choices import Token; print(Token(1).hashseed)"
    done = subprocess.run([sys.executable, *flags, "-c", code], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == expected
