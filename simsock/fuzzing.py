"""A handler under Hypothesis: what must hold for every request, however it is cut.

Owns ``fuzz``. Does not know how requests are made up: strategies draw them. Laws: the same call does the same examples unless it is given a
seed; what fails is shrunk, and its message has the code that repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simsock.errors import Deadlock, Fenced, LimitExceeded, RealTimeLimit, SimsockError, Unsupported, UsageError
from simsock.kernel import session
from simsock.kernel.leaks import still_there
from simsock.kernel.units import Duration, duration_ns
from simsock.search.runner import Runner
from simsock.talking import REAL_SECONDS_MAX, BareServer, Talk, check_handler, talk
from simsock.world.options import Options

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from simsock.world.simulation import Simulation

SIMSOCK_ROOM = "outside"

STEPS_MAX = 200_000
"""Simulated calls in one world: a handler that has made so many for one request turns in circles."""


class _Insane(AssertionError):
    """A property that does not hold."""


def fuzz(
    handler: Callable[[Any, Any, Any], object],
    requests: SearchStrategy[Any],
    *,
    check: Callable[[Any, Talk], object] | None = None,
    server: Any = None,
    examples: int = 200,
    timeout: Duration = 60,
    seed: int | None = None,
) -> None:
    """Look for a request that a handler does not bear; ``AssertionError`` with the smallest one found and the code that repeats it.

    Must hold for everything that ``requests`` draws (bytes, or any other client of ``talk``): the handler raises nothing; it ends within
    ``timeout`` of virtual time once the client has half-closed; it leaves no task and no descriptor behind; and it replies the same however the
    bytes are cut. ``check(request, talk)`` may ask for more: it raises, or returns False, when something is wrong.
    The same examples come every time, other ones for each ``seed``.

    >>> from simsock.socketserver import StreamRequestHandler
    >>> from simsock.strategies import requests
    >>> class Upper(StreamRequestHandler):
    ...     def handle(self):
    ...         for line in self.rfile:
    ...             self.wfile.write(line.upper())
    >>> fuzz(Upper, requests("lines"), examples=20)
    """
    __tracebackhide__ = True  # what is wrong is the handler, and the error says it
    from hypothesis import strategies

    check_handler("fuzz", handler)
    if not isinstance(requests, strategies.SearchStrategy):
        raise UsageError(f"fuzz: requests: expected a Hypothesis strategy, got {requests!r}")
    if check is not None and not callable(check):
        raise UsageError(f"fuzz: check: expected a function of the request and the talk, got {check!r}")
    if isinstance(examples, bool) or not isinstance(examples, int) or examples < 1:
        raise UsageError(f"fuzz: examples: expected a whole number from 1, got {examples!r}")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise UsageError(f"fuzz: seed: expected a whole number or None, got {seed!r}")
    duration_ns(timeout, "timeout")
    if session.active is not None:
        raise UsageError("fuzz: inside a world: leave the world first")
    fuzzer = _Fuzzer(handler, check, server, timeout)
    with fuzzer.runner:
        failure = _search(fuzzer, requests, examples, seed)
    if failure is not None:
        raise AssertionError(str(failure)) from failure.__cause__


def _search(fuzzer: _Fuzzer, requests: SearchStrategy[Any], examples: int, seed: int | None) -> _Insane | None:
    """What Hypothesis finds, shrunk; None if it finds nothing."""
    import hypothesis
    from hypothesis import HealthCheck, errors

    def properties(case: _Case) -> None:
        fuzzer.example(case.request, case.sizes)

    settings = hypothesis.settings(
        max_examples=examples,
        derandomize=seed is None,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        print_blob=False,
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example, HealthCheck.nested_given],
    )
    test = settings(hypothesis.given(_cases(requests))(properties))
    if seed is not None:
        test = hypothesis.seed(seed)(test)
    try:
        test()
    except _Insane as found:
        return found
    except errors.Flaky as flaky:
        said = fuzzer.last or flaky
        unsteady = f"{fuzzer.name} does not treat one request the same every time: it keeps something from one client to the next, or asks a clock"
        failure = _Insane(f"{unsteady}.\nOnce this came of it: {said}")
        failure.__cause__ = said.__cause__
        return failure
    return None


class _Case:
    """A request, and how it is cut. Hypothesis prints cases that fail: without the request, which may be long and which our message has."""

    __slots__ = ("request", "sizes")

    def __init__(self, request: Any, sizes: list[int] | None = None) -> None:
        self.request = request
        self.sizes = sizes


def _cases(requests: SearchStrategy[Any]) -> SearchStrategy[_Case]:
    """Requests, and how they are cut."""
    from hypothesis import strategies

    from simsock.strategies import ClientScript, chunks

    @strategies.composite
    def cases(draw: DrawFn) -> _Case:
        request = draw(requests)
        if isinstance(request, (bytes, bytearray, memoryview)):
            return _Case(request, draw(chunks(request)))
        if isinstance(request, ClientScript):
            return _Case(request, draw(chunks(sum(map(len, request.turns)))))
        if callable(request):
            return _Case(request, draw(strategies.lists(strategies.integers(1, 100), min_size=1, max_size=5)))
        return _Case(request)

    return cases()


class _Fuzzer:
    """One handler and what must hold for it."""

    def __init__(self, handler: Any, check: Any, server: Any, timeout: Duration) -> None:
        self.handler = handler
        self.check = check
        self.server = server
        self.timeout = timeout
        self.name = getattr(handler, "__name__", None) or repr(handler)
        self.request: Any = None
        self.sizes: Any = None
        self.cut = False
        self.last: _Insane | None = None
        options = Options.from_keywords(max_steps=STEPS_MAX, max_real_time=REAL_SECONDS_MAX)
        self.runner = Runner(self.properties, options)

    def example(self, request: Any, sizes: Any) -> None:
        """One request in a world of its own."""
        self.request, self.sizes, self.cut = request, sizes, False
        error = self.runner.run(0).error
        if error is None:
            return
        try:
            if isinstance(error, (Deadlock, LimitExceeded, RealTimeLimit)):
                raise self.insane(f"does not end: {error}", error)
            if isinstance(error, (_Insane, Unsupported, UsageError, Fenced)) or not isinstance(error, Exception):
                raise error
            raise self.insane(f"raises in a task that it started: {type(error).__name__}: {error}", error)
        except _Insane as found:
            self.last = found
            raise

    def properties(self, sim: Simulation) -> None:
        """What must hold."""
        whole = self.talk(sim)
        if self.sizes is not None and len(self.sizes) > 1:
            self.cut = True
            cut = self.talk(sim)
            if cut.reply != whole.reply:
                self.cut = False
                if (again := self.talk(sim)).reply != whole.reply:
                    raise self.insane(f"does not reply the same twice: {shown(whole.reply)}, then {shown(again.reply)}", times=2)
                self.cut = True
                raise self.insane(f"does not reply the same however its bytes are cut: {shown(cut.reply)}, where whole it is {shown(whole.reply)}")
            self.cut = False
        if self.check is not None:
            try:
                verdict = self.check(self.request, whole)
            except Exception as error:
                raise self.insane(f"does not pass the check: {type(error).__name__}: {error}", error) from error
            if verdict is False:
                raise self.insane(f"does not pass the check: it replies {shown(whole.reply)}")

    def talk(self, sim: Simulation) -> Talk:
        """One talk, after which the handler has ended well."""
        server = self.server if self.server is not None else BareServer()  # what hangs on it lives until leaks have been looked for
        try:
            said = talk(self.handler, self.request, server=server, chunks=self.sizes if self.cut else "whole", timeout=self.timeout)
        except SimsockError:
            raise
        except Exception as error:
            raise self.insane(f"is spoken to by a client that raises {type(error).__name__}: {error}", error) from error
        wrong = said.error
        if isinstance(wrong, (Unsupported, UsageError, Fenced)):
            raise wrong
        if isinstance(wrong, TimeoutError) and str(wrong).startswith("the handler had not ended"):
            raise self.insane(f"does not end: {wrong}", wrong)
        if wrong is not None:
            raise self.insane(f"raises {type(wrong).__name__}: {wrong}", wrong)
        if said.leaks:
            sim.sleep(self.timeout)  # what it started may still come to its end
            assert sim._kernel is not None
            if still := still_there(sim._kernel, said.leaks):
                raise self.insane(f"leaves behind: {'; '.join(still)}")
        return said

    def insane(self, what: str, cause: BaseException | None = None, times: int = 1) -> _Insane:
        """What is wrong, and the code that shows it: one talk, or as many."""
        arguments = [self.name, shown(self.request)]
        if self.server is not None:
            arguments.append(f"server={_said_of(self.server)}")
        if self.cut:
            arguments.append(f"chunks={self.sizes!r}")
        if self.timeout != 60:
            arguments.append(f"timeout={self.timeout!r}")
        code = f"\n    simsock.talk({', '.join(arguments)})" * times
        found = _Insane(f"{self.name} {what}\nThis shows it:{code}")
        found.__cause__ = found.__context__ = cause  # by the context Hypothesis tells two failures apart
        return found


def _said_of(server: Any) -> str:
    """A server as code: a class or a function by its name, and anything else by the name of the argument that it was."""
    name = getattr(server, "__name__", None)
    return name if isinstance(name, str) and name.isidentifier() else "server"


def shown(value: Any) -> str:
    """A value as code, bytes that are many times the same as a product."""
    if not isinstance(value, (bytes, bytearray)) or len(value) < 200:
        return repr(value)
    parts, end = [], 0
    for run in re.finditer(rb"(.)\1{99,}", value, re.DOTALL):
        if run.start() > end:
            parts.append(repr(bytes(value[end : run.start()])))
        parts.append(f"{run[1]!r} * {len(run[0])}")
        end = run.end()
    if end < len(value):
        parts.append(repr(bytes(value[end:])))
    return " + ".join(parts)


__all__ = ["fuzz"]
