"""What strategies draw: valid things are valid, wrong ones have one thing wrong, and all of them shrink to little."""

from __future__ import annotations

import re
import subprocess
import sys
from random import Random

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import simsock
from simsock import socketserver, strategies
from simsock.errors import UsageError

quick = settings(max_examples=150, derandomize=True, database=None, deadline=None)


def least(strategy, predicate=lambda value: True):
    """The simplest value for which a predicate holds."""
    return find(strategy, predicate, settings=settings(max_examples=600, database=None, deadline=None), random=Random(0))


def http_is_valid(data):
    """Whether bytes are requests of HTTP/1.1 in a row, by the letter."""
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        first, *headers = head.split(b"\r\n")
        if not end or not re.fullmatch(rb"[A-Z]+ /[!-~]{0,8000} HTTP/1\.1", first):
            return False
        if not all(re.fullmatch(rb"[A-Za-z0-9-]+: [ -~]{0,8000}", header) for header in headers):
            return False
        names = [header.partition(b":")[0].lower() for header in headers]
        values = dict(zip(names, (header.partition(b": ")[2] for header in headers)))
        lengths = [name for name in names if name in (b"content-length", b"transfer-encoding")]
        if names.count(b"host") != 1 or len(lengths) > 1:
            return False
        if lengths == [b"content-length"]:
            if not values[b"content-length"].isdigit() or int(values[b"content-length"]) > len(data):
                return False
            data = data[int(values[b"content-length"]) :]
        elif lengths:
            size = -1
            while size:
                line, end, data = data.partition(b"\r\n")
                if not end or not re.fullmatch(rb"[0-9a-f]+", line):
                    return False
                size = int(line, 16)
                if data[size : size + 2] != b"\r\n":
                    return False
                data = data[size + 2 :]
    return True


def frames_are_valid(data, prefix=4, byteorder="big"):
    while data:
        size = int.from_bytes(data[:prefix], byteorder)
        if len(data) < prefix + size:
            return False
        data = data[prefix + size :]
    return True


@quick
@given(strategies.http_requests(max_requests=3), strategies.http_requests(wrong="always", max_requests=2))
def test_http_requests_are_valid_or_wrong(valid, wrong):
    assert valid and http_is_valid(valid)
    assert not http_is_valid(wrong)


@quick
@given(strategies.lines(min_lines=2, max_lines=3, min_length=1, max_length=5, end=b"\r\n"), strategies.lines(wrong="always"))
def test_lines_are_valid_or_wrong(valid, wrong):
    assert re.fullmatch(rb"([ -~]{1,5}\r\n){2,3}", valid)
    assert not re.fullmatch(rb"([ -~]{0,20}\n)+", wrong)
    assert re.fullmatch(rb"([ -~]{0,20}\n){0,4}[^\n]*\n?", wrong)  # all but the last are right


@quick
@given(st.data(), st.sampled_from([1, 2, 4, 8]), st.sampled_from(["big", "little"]))
def test_frames_are_valid_or_wrong(data, prefix, byteorder):
    valid = data.draw(strategies.frames(prefix=prefix, byteorder=byteorder, min_size=1, max_size=9, min_frames=1, max_frames=3))
    assert valid and frames_are_valid(valid, prefix, byteorder)
    wrong = data.draw(strategies.frames(prefix=prefix, byteorder=byteorder, max_frames=1, wrong="always"))
    size = int.from_bytes(wrong[:prefix], byteorder)
    assert len(wrong) < prefix or size != len(wrong) - prefix


@pytest.mark.exhaustive
@pytest.mark.parametrize("protocol", ["lines", "frames", "http"])
def test_requests_are_the_common_face(protocol):
    is_valid = {"lines": re.compile(rb"([ -~]{0,20}\n)*").fullmatch, "frames": frames_are_valid, "http": http_is_valid}[protocol]
    either = strategies.requests(protocol)
    assert is_valid(least(either, is_valid)) and not is_valid(least(either, lambda data: not is_valid(data)))
    assert is_valid(least(strategies.requests(protocol, wrong="never")))
    assert not is_valid(least(strategies.requests(protocol, wrong="always"), lambda data: not is_valid(data)))


@pytest.mark.exhaustive
def test_what_is_drawn_shrinks_to_the_thing():
    assert least(strategies.lines()) == b"\n"
    assert least(strategies.lines(wrong="always")) == b"x"
    assert least(strategies.lines(wrong="always", max_lines=5), lambda data: b"\xff" in data) == b"\xff\n"
    assert least(strategies.frames()) == bytes(4)
    assert least(strategies.frames(wrong="always"), lambda data: len(data) < 4) == bytes(3)
    assert least(strategies.frames(wrong="always"), lambda data: data.endswith(b"\xff\xff\xff\xff")) == b"\xff" * 4
    assert least(strategies.http_requests()) == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert least(strategies.http_requests(wrong="always")) == b"GET / HTTP/1.1\r\n\r\n"
    assert least(strategies.http_requests(wrong="always"), lambda data: b"-1" in data.split()) == b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"
    assert least(strategies.chunks(b"0123456789")) == [10]
    assert least(strategies.chunks(10), lambda sizes: len(sizes) == 2) == [1, 9]
    assert least(strategies.hostnames()) == "a"
    assert least(strategies.client_scripts()) == strategies.ClientScript([b"\n"])
    assert least(strategies.client_scripts(), lambda script: script.turns[0] == b"").turns == [b"", b"\n"]


@quick
@given(st.data(), st.binary(max_size=30))
def test_chunks_add_up_to_the_data(data, whole):
    sizes = data.draw(strategies.chunks(whole, max_cuts=4))
    assert sum(sizes) == max(len(whole), 1) and 1 <= len(sizes) <= 5 and min(sizes) >= 1
    if len(whole) > 3:
        assert len(data.draw(strategies.chunks(len(whole), min_cuts=3, max_cuts=3))) == 4


@quick
@given(strategies.hostnames(), strategies.hostnames(min_labels=3, max_labels=4, max_length=6))
def test_hostnames_are_names(name, short):
    for given_name in (name, short):
        labels = given_name.split(".")
        assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", label) and len(label) <= 63 for label in labels)
        assert labels[-1][0].isalpha()
    assert name.count(".") <= 2 and len(name) <= 63
    assert 2 <= short.count(".") <= 3 and len(short) <= 6


def test_long_names_are_drawn_too():
    assert "-" in least(strategies.hostnames(), lambda name: "-" in name)
    assert len(least(strategies.hostnames(), lambda name: len(name) > 20)) > 20


@quick
@given(strategies.client_scripts(strategies.lines(), min_turns=2, max_turns=3))
def test_scripts_are_clients_for_talk(script):
    class Echo(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                self.wfile.write(line)

    assert 2 <= len([said for said in script.turns if said]) <= 3 and b"" not in script.turns[1:]
    assert simsock.talk(Echo, script).reply == b"".join(script.turns)
    assert eval(repr(script), {"ClientScript": strategies.ClientScript}) == script
    assert script != "a script"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: strategies.lines(min_lines=-1), "lines: min_lines: expected a whole number from 0, got -1"),
        (lambda: strategies.lines(max_lines=True), "lines: max_lines: expected a whole number from 0, got True"),
        (lambda: strategies.lines(min_length=9, max_length=8), "lines: min_length=9 is more than max_length=8"),
        (lambda: strategies.lines(end=b"|"), "lines: end: expected one of (b'\\n', b'\\r\\n', b'\\r', b'\\x00'), got b'|'"),
        (lambda: strategies.lines(wrong=True), "lines: wrong: expected 'never', 'maybe', 'always', got True"),
        (lambda: strategies.lines(contents=b"x"), "lines: contents: expected a Hypothesis strategy, got b'x'"),
        (lambda: least(strategies.lines(contents=st.just("x"))), "lines: contents: expected a strategy for bytes, which gave 'x'"),
        (lambda: strategies.frames(prefix=3), "frames: prefix: expected a length of 1, 2, 4, 8 bytes, got 3"),
        (lambda: strategies.frames(byteorder="middle"), "frames: byteorder: expected 'big' or 'little', got 'middle'"),
        (lambda: strategies.frames(prefix=1, max_size=256), "frames: max_size: expected a whole number from 0 to 255, got 256"),
        (lambda: least(strategies.frames(prefix=1, contents=st.just(bytes(256)))), "a frame with a prefix of 1 bytes holds 255 bytes, got 256"),
        (lambda: strategies.http_requests(methods=()), "http_requests: methods: expected names of methods, got ()"),
        (lambda: strategies.http_requests(max_body=-5), "http_requests: max_body: expected a whole number from 0, got -5"),
        (lambda: strategies.requests("gopher"), "requests: protocol: expected 'lines', 'frames', 'http', got 'gopher'"),
        (lambda: strategies.requests("lines", max_frames=1), "unexpected keyword argument 'max_frames'"),
        (lambda: strategies.chunks("text"), "chunks: expected bytes, or how many, got 'text'"),
        (lambda: strategies.chunks(-1), "got -1"),
        (lambda: strategies.chunks(b"abc", min_cuts=3), "chunks: min_cuts=3: 3 bytes can be cut at 2 places"),
        (lambda: strategies.hostnames(min_labels=0), "hostnames: min_labels: expected a whole number from 1 to 127, got 0"),
        (lambda: strategies.hostnames(max_length=254), "hostnames: max_length: expected a whole number from 1 to 253, got 254"),
        (lambda: strategies.hostnames(min_labels=3, max_length=4), "hostnames: min_length=5 is more than max_length=4"),
        (lambda: strategies.client_scripts(min_turns=6), "client_scripts: min_turns=6 is more than max_turns=5"),
        (lambda: least(strategies.client_scripts(st.just(None))), "client_scripts: words: expected a strategy for bytes, which gave None"),
        (lambda: strategies.client_scripts(b"x"), "client_scripts: words: expected a Hypothesis strategy, got b'x'"),
    ],
)
def test_options_that_make_no_sense_are_named(make, text):
    with pytest.raises(UsageError) as caught:
        make()
    assert text in str(caught.value)


def test_importing_simsock_does_not_import_hypothesis():
    code = "import sys, simsock; simsock.talk, simsock.Simulation; print('hypothesis' in sys.modules); simsock.strategies; print('hypothesis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
