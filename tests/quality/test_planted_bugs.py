"""Handlers with one planted bug each: ``fuzz`` finds it for every seed and shrinks it to the bound written beside it; the healthy twin stays green."""

from __future__ import annotations

import re
import struct

import pytest

import simsock
from simsock import fuzz
from simsock.socketserver import BaseRequestHandler, StreamRequestHandler
from simsock.strategies import frames, lines

SEEDS = [*range(1, 6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 21))]
EXAMPLES = 500


class Frames(BaseRequestHandler):
    """Healthy: sends the contents of every whole frame back, a frame that is cut short ends the conversation."""

    def handle(self):
        kept = b""
        while data := self.request.recv(1000):
            kept += data
            while len(kept) >= 4 and len(kept) >= 4 + (size := int.from_bytes(kept[:4])):
                self.request.sendall(kept[4 : 4 + size])
                kept = kept[4 + size :]


class OneReceivePerMessage(BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(1000):
            while len(data) >= 4:
                size = int.from_bytes(data[:4])
                self.request.sendall(data[4 : 4 + size])
                data = data[4 + size :]


class ForgetsAPartialHeader(BaseRequestHandler):
    def handle(self):
        kept = b""
        while data := self.request.recv(1000):
            kept += data
            while len(kept) >= 4 and len(kept) >= 4 + (size := int.from_bytes(kept[:4])):
                self.request.sendall(kept[4 : 4 + size])
                kept = kept[4 + size :]
            if len(kept) < 4:
                kept = b""


class TrustsTheLength(StreamRequestHandler):
    def handle(self):
        while len(header := self.rfile.read(4)) == 4:
            size = int.from_bytes(header)
            if size < 1 << 20:
                (body,) = struct.unpack(f"{size}s", self.rfile.read(size))
                self.wfile.write(body)


class Words(StreamRequestHandler):
    """Healthy: replies with the first word of every line that has one."""

    def handle(self):
        for line in self.rfile:
            if words := line.split():
                self.wfile.write(words[0] + b"\n")


class StumblesOverEmptyLines(StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.split()[0] + b"\n")


class LosesDataOnHalfClose(BaseRequestHandler):
    def handle(self):
        kept = b""
        while data := self.request.recv(1000):
            *whole, kept = (kept + data).split(b"\n")
            for line in whole:
                if words := line.split():
                    self.request.sendall(words[0] + b"\n")


def every_word(request, talk):
    """What a healthy handler of words replies."""
    return talk.reply == b"".join(line.split()[0] + b"\n" for line in request.split(b"\n") if line.split())


BUGS = [
    # handler, what it is sent, check, what is said of it, bytes of the smallest request at most, cuts
    (OneReceivePerMessage, frames(), None, "does not reply the same however its bytes are cut", 5, 1),
    (ForgetsAPartialHeader, frames(), None, "does not reply the same however its bytes are cut", 5, 1),
    (TrustsTheLength, frames(wrong="maybe"), None, "raises error: unpack requires a buffer of", 4, 0),
    (StumblesOverEmptyLines, lines(wrong="maybe"), None, "raises IndexError", 1, 0),
    (LosesDataOnHalfClose, lines(wrong="maybe"), every_word, "does not pass the check", 1, 0),
]
HEALTHY = [(Frames, frames(wrong="maybe"), None), (Words, lines(wrong="maybe"), every_word)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("handler", "strategy", "check", "says", "size", "cuts"), BUGS, ids=[bug[0].__name__ for bug in BUGS])
def test_a_planted_bug_is_found_and_shrunk(handler, strategy, check, says, size, cuts, seed):
    with pytest.raises(AssertionError) as caught:
        fuzz(handler, strategy, check=check, examples=EXAMPLES, seed=seed)
    message = str(caught.value)
    assert message.startswith(f"{handler.__name__} {says}")
    found = re.search(rf"^    simsock\.talk\({handler.__name__}, (.*?)(?:, chunks=(\[.*\]))?\)$", message, re.MULTILINE)
    assert found is not None
    request, sizes = eval(found[1]), eval(found[2] or "None")
    assert len(request) <= size, message
    assert (len(sizes) - 1 if sizes else 0) == cuts, message
    # and the code shows it
    whole, cut = simsock.talk(handler, request), simsock.talk(handler, request, chunks=sizes or "whole")
    assert whole.error is not None or cut.reply != whole.reply or not check(request, whole)


@pytest.mark.parametrize(("seed", "examples"), [*((seed, EXAMPLES) for seed in range(1, 4)), pytest.param(4, 5_000, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize(("handler", "strategy", "check"), HEALTHY, ids=[twin[0].__name__ for twin in HEALTHY])
def test_its_healthy_twin_is_left_alone(handler, strategy, check, seed, examples):
    assert fuzz(handler, strategy, check=check, examples=examples, seed=seed) is None
