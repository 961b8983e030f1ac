"""Whatever asks the tape or writes a record is told in words, or listed as silent: read off the source, so that nobody has to remember it."""

from __future__ import annotations

import ast
import itertools
from collections import defaultdict
from pathlib import Path

import pytest

import simsock
from simsock.choices import Deviation, journal

ROOT = Path(simsock.__file__).parent
ASKS = ("stream", "choose", "chance", "amount")
"""Methods of a tape whose first argument is a label."""
ANYTHING = "\0"
"""Stands in a label for what is known only when it runs."""
SAMPLES = ("a->b", "a", "1", "temporary")
"""What that may be."""
PASSED_ON = {
    ("simsock/net/tcp/stream.py", "what"): ("reset", "close", "blackhole"),
    ("simsock/processes/proxy.py", "what"): ("recv", "send", "handshake", "encrypt", "decrypt"),
}
"""Kinds that reach a record by a timer, or from a child, so that no call says them: net/link/connections.py and processes/child_kernel.py name them."""


class Sources:
    """Some sources, as lists of what is looked for in them: calls, and in which function something stands."""

    def __init__(self, texts):
        self.within, self.files = {}, {}
        """The function that a node stands in, and the file that a function stands in, by their identities."""
        self.trees = {path: ast.parse(text) for path, text in texts.items()}
        self.calls, self.methods_called, self.functions_called = [], defaultdict(list), defaultdict(list)
        for path, tree in self.trees.items():
            self.visit(tree, path, None)

    def visit(self, node, path, function):
        self.within[id(node)] = function
        if isinstance(node, ast.FunctionDef):
            self.files[id(node)] = path
        if isinstance(node, ast.Call):
            self.calls.append((path, node))
            (self.methods_called if isinstance(node.func, ast.Attribute) else self.functions_called)[name_of(node.func)].append((path, node))
        for child in ast.iter_child_nodes(node):
            self.visit(child, path, node if isinstance(node, ast.FunctionDef) else function)

    @classmethod
    def of_simsock(cls):
        paths = [path for path in sorted(ROOT.rglob("*.py")) if path.parent.name != "choices"]
        return cls({f"simsock/{path.relative_to(ROOT).as_posix()}": path.read_text(encoding="utf-8") for path in paths})

    def labels(self):
        """Every label that a tape is asked under, as (path, label)."""
        for path, call in self.calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr in ASKS and name_of(call.func.value) == "tape":
                yield from ((path, label) for label in sorted(self.texts(call.args[0])))

    def kinds(self):
        """Every kind of record, as (path, whether it is a task's own, kind)."""
        for path, call in self.calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr == "append" and name_of(call.func.value) == "log":
                _, who, kind, *_ = call.args[0].elts
                texts = PASSED_ON.get((path, ast.unparse(kind))) or sorted(self.texts(kind))
                yield from ((path, ast.unparse(who).endswith("path"), text) for text in texts)

    def texts(self, node, depth=0):
        """The texts that an expression can be, as far as the source says; ``ANYTHING`` for what it does not."""
        if isinstance(node, ast.Constant):
            return {str(node.value)}
        if isinstance(node, ast.IfExp):
            return self.texts(node.body, depth) | self.texts(node.orelse, depth)
        if isinstance(node, ast.JoinedStr):
            parts = [self.texts(part.value if isinstance(part, ast.FormattedValue) else part, depth) for part in node.values]
            return {"".join(chosen) for chosen in itertools.product(*map(sorted, parts))}
        function = self.within.get(id(node))
        if isinstance(node, ast.Name) and depth < 5 and function is not None:
            return self.texts_given(node.id, function, depth) or self.texts_assigned(node.id, function, depth) or {ANYTHING}
        return {ANYTHING}

    def texts_given(self, name, function, depth):
        """What callers give for a parameter."""
        names = [argument.arg for argument in function.args.args]
        if name not in names:
            return set()
        is_method = names[0] == "self"
        place = names.index(name) - is_method
        calls = (self.methods_called if is_method else self.functions_called)[function.name]
        here = [call for path, call in calls if path == self.files[id(function)]]  # another file's function may have the same name
        found = set()
        for call in here or [call for _, call in calls]:
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            if name in given or place < len(call.args):
                found |= self.texts(given.get(name) or call.args[place], depth + 1)
            elif function.args.defaults and name == names[-1]:
                found |= self.texts(function.args.defaults[-1], depth + 1)
        return found

    def texts_assigned(self, name, function, depth):
        """What a variable is given in its function."""
        found = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and name in map(name_of, node.targets):
                found |= self.texts(node.value, depth + 1)
        return found


def name_of(node):
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def fits(pattern, label):
    """Whether a label fits, with something in the place of what is known only when it runs."""
    first, *rest = label.split(ANYTHING)
    return any(
        pattern.fullmatch(first + "".join(sample + part for sample, part in zip(samples, rest, strict=True)))
        for samples in itertools.product(SAMPLES, repeat=len(rest))
    )


def shown(text):
    return repr(text.replace(ANYTHING, "…"))


def untold_labels(sources):
    """Labels that no pattern of the journal fits."""
    return sorted({f"{path}: {shown(label)}" for path, label in sources.labels() if not any(fits(kind.pattern, label) for kind in journal.LABELS)})


def untold_kinds(sources):
    """Kinds of records without words that are not listed as silent."""
    return sorted({f"{path}: {shown(kind)}" for path, own, kind in sources.kinds() if kind not in (journal.ACTS if own else journal.DEEDS)})


@pytest.fixture(scope="module")
def sources():
    return Sources.of_simsock()


@pytest.mark.once
def test_every_label_that_is_asked_is_told(sources):
    found = {label for _, label in sources.labels()}
    assert {f"link {ANYTHING} loss", f"link {ANYTHING} corrupt bit", "chunks talk"} <= found
    assert untold_labels(sources) == []


def test_every_kind_that_is_written_is_told_or_listed_as_silent(sources):
    found = {kind for _, _, kind in sources.kinds()}
    assert {"spawn", "bind", "partition", "crash", "queue full", "fast retransmit", "recv"} <= found
    assert untold_kinds(sources) == []


def test_the_journal_knows_nothing_that_nobody_writes(sources):
    own = {kind for _, own, kind in sources.kinds() if own}
    others = {kind for _, own, kind in sources.kinds() if not own}
    assert set(journal.ACTS) - own == set()
    assert set(journal.DEEDS) - others == set()
    assert set(journal.ACTS) >= journal.FAULTS
    labels = {label for _, label in sources.labels()} | {"task main schedule"}
    assert [kind.pattern.pattern for kind in journal.LABELS if not any(fits(kind.pattern, label) for label in labels)] == []


def test_a_new_impairment_that_nobody_told_is_caught():
    new = """
class Wire:
    def _questions(self, what):
        return self._kernel.tape.stream(f"link {self.name} {what}")
    def _happens(self, what, share):
        return self._questions(what).chance(share)
    def echoes(self):
        return self._happens("echo", self.link.echo)
    def stalls(self):
        self._kernel.log.append((self._kernel.now, f"link {self.name}", "stalled"))
"""
    sources = Sources({"simsock/net/link/wire.py": new})
    assert untold_labels(sources) == ["simsock/net/link/wire.py: 'link … echo'"]
    assert untold_kinds(sources) == ["simsock/net/link/wire.py: 'stalled'"]


class Unknown:
    """Facts of a run that nobody listened to."""

    def packet(self, link, what, index):
        return f"packet {index + 1} {link}"

    def delay(self, link, value):
        return f"{value} ns longer"

    def hurts(self, link):
        return ""

    def hostile(self, what, value):
        return ""

    def stood_still(self, task, index):
        return f"{task} stood still at its question {index}"

    def task(self, path):
        return path

    def held_back(self, task, index):
        return f"something in the loop of {task} ran later"

    def struck(self, signal, number):
        return f"{signal} came"

    def killed(self, number):
        return f"a process was killed at moment {number}"

    def collected(self, task, index):
        return f"the garbage collector ran in {task} at its question {index}"


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("chunks talk", "recv 3 of the handler returned at most 5 bytes"),
        ("chunks server<-client #1", "recv 3 of connection #1 from client on server returned at most 5 bytes"),
        ("link a->b loss in burst", "packet 3 a->b was lost in a burst"),
        ("link a->b jitter", "packet 3 a->b took 5 ns longer"),
        ("link a->b toxicity", "connection 3 a->b was one that suffers"),
        ("resolver www temporary", "the name www failed for the moment when it was asked for the 3rd time"),
        ("kill process-1 #2", "a process was killed at moment 2"),
        ("kill server #1 whom", "of the processes on server it was the 6th that was killed, the oldest being the 1st"),
        ("hostile link teapots", "the hostile link of this run has no teapots"),
        ("task main/worker schedule", "task main/worker schedule, question 2: answer 5"),
    ],
)
def test_deviations_in_words(label, words):
    assert journal.told(Deviation(label, 2, 5), Unknown()) == words


def test_a_story_of_talk_says_what_was_cut():
    from simsock.report.story import Teller

    story = Teller().story(None, (Deviation("chunks talk", 0, 1),))
    assert [str(step) for step in story.steps] == ["recv 1 of the handler returned at most 1 byte"]
