"""The files that ``simsock init`` writes: a scenario with words beside each line, a test, and a server for both if there is none yet.

Owns their texts and names. Does not write them. Law: what is written runs as it is, and passes with the server that comes with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from simsock.errors import UsageError
from simsock.scenario.loading import find, is_server
from simsock.world.servers import is_made_of_address, takes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal

    Kind = Literal["class", "handler", "function"]

NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

_SERVER = '''\
"""A server to begin with: put yours in its place."""

import socketserver


class Greeter(socketserver.StreamRequestHandler):
    """Answers each line with a greeting."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"hello, " + line)
'''

_SCENARIO = """\
# Two kinds of clients over a bad network: write here what the scenario is to show.
#
#     simsock run {path}           # look for a schedule in which something below does not hold
#     simsock run {path} --all     # run every schedule, and count what came of the clients
#     simsock run {path} --set link.loss=20%
#     {pytest} {folder}/  # the same as a test{beside_test}
#
# Every key, with its default: the page "Scenario files" of simsock's documentation.

[scenario]
name = "{name}"
about = "Clients that behave are served in time, beside others that send a byte at a time, over a link that loses packets."
expect = "inconclusive"  # no schedule fails. Of a bug that is known: "fails", and error = "a part of its message"

[server]
{server}

[link]  # between every two hosts, each way; `simsock profiles` lists links that have a name: profile = "flaky-wifi"
latency = "20ms"
loss = "1%"

[[populations]]
kind = "polite"  # says its request, hears the reply out, hangs up
count = 5
arrivals = "every 100ms"
request = "world\\n"

[[populations]]
kind = "slow-sender"  # the same, one byte after the other. All kinds: the page "Clients that misbehave"
count = 2
request = "world\\n"

[expectations]
served = {{ polite = "30s" }}  # at most so long; virtual time, which costs no real time
{replies}no_leaks = true  # no thread and no socket of the server is left when all clients are gone

[search]
schedules = 20
preempt = "lines"  # threads are switched between any two lines of your code; "calls": only where they call something simulated
"""

_TEST = '''\
"""{title} in a world: no real ports, no real time, and the order of threads is searched. `{pytest} {path}`"""

import pytest
{imports}


def visit(sim, served):
    with sim.connect(served) as client:
        client.sendall(b"world\\n")
        return client.recv(100)


def test_one_client(sim):
    served = sim.serve({made})
    assert {expected}


@pytest.mark.simsock(schedules=50, preempt="lines")
def test_clients_at_once(sim):
    served = sim.serve({made})
    tasks = [sim.spawn(visit, sim, served) for _ in range(3)]
    for task in tasks:
        assert {expected_of_task}
'''

_BESIDE: dict[str, str] = {
    "handler": 'a request handler class; or class = "module:Server", or function = "module:function", which is called with an address',
    "class": 'a server class that is made from an address; or handler = "module:Handler", or function = "module:function"',
    "function": 'called with an address, makes a server or serves there; or class = "module:Server", or handler = "module:Handler"',
}


def first_files(name: str, server: str | None, handler: str | None = None, folder: str = "scenarios") -> dict[str, str]:
    """By path, what is to be written. ``server``, ``handler``: ``"module:name"`` of one that there is.

    Raises ``UsageError`` when that is none, or ``name`` is none.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"init: expected a name of small letters, digits and underscores, got {name!r}")
    path, test, own = f"{folder}/{name}.toml", f"{folder}/test_{name}.py", f"{folder}/{name}_server.py"
    files = {}
    pytest = command_of_tests(server or handler)
    is_ours = server is None and handler is None
    named: dict[Kind, str] = {}
    if is_ours:
        named["handler"] = f"{name}_server:Greeter"
        files[own] = _SERVER
    if server is not None:
        named[_kind_of(server, handler)] = server
    if handler is not None:
        _check_handler(handler, server, named)
        named["handler"] = handler
    files[path] = _SCENARIO.format(
        path=path,
        folder=folder,
        pytest=pytest,
        beside_test="" if "function" in named else f", beside {test}",
        name=name,
        server="\n".join(_server_lines(named)),
        replies='replies = { polite = "hello, world\\n" }\n' if is_ours else '# replies = { polite = "hello, world\\n" }\n',
    )
    if "function" not in named:
        reply = "visit(sim, served)"
        names = [named[key].partition(":")[2] for key in ("class", "handler") if key in named]
        files[test] = _TEST.format(
            title="The server" if is_ours else " and ".join(f"`{one}`" for one in names),
            path=test,
            pytest=pytest,
            imports="\n".join(sorted(_imports(named.values()))),
            made=", ".join(names),
            expected=f'{reply} == b"hello, world\\n"' if is_ours else f'{reply}, "say here what the reply is to be"',
            expected_of_task='task.result() == b"hello, world\\n"' if is_ours else "task.result()",
        )
    return files


def command_of_tests(named: str | None) -> str:
    """What runs the tests: of code of one's own, which ``python -m`` finds in the working directory, where ``pytest`` does not look."""
    return "pytest" if named is None else "python -m pytest"


def _server_lines(named: dict[Kind, str]) -> list[str]:
    """What stands under ``[server]``; a word on what else may is beside a line alone."""
    if len(named) > 1:
        return [f'{key} = "{reference}"' for key, reference in named.items()]
    return [f'{key} = "{reference}"  # {_BESIDE[key]}' for key, reference in named.items()]


def _imports(references: Iterable[str]) -> list[str]:
    """Lines that import what is named, one for each module."""
    modules: dict[str, set[str]] = {}
    for reference in references:
        module, _, names = reference.partition(":")
        modules.setdefault(module, set()).add(names.partition(".")[0])
    return [f"from {module} import {', '.join(sorted(tops))}" for module, tops in modules.items()]


def _kind_of(server: str, handler: str | None) -> Kind:
    found = _find("--server", server)
    if is_server(found):
        if handler is None and not is_made_of_address(found):
            told = "it cannot be made from an address alone: name its request handler class, too (--handler MODULE:NAME)"
            raise UsageError(f"init: --server {server}: {told}, or a function that makes it")
        return "class"
    if isinstance(found, type):
        return "handler"
    if callable(found) and takes(found, 1):
        return "function"
    raise UsageError(f"init: --server {server}: expected a server class, a request handler class or a function of an address, found {found!r:.60}")


def _check_handler(handler: str, server: str | None, named: dict[Kind, str]) -> None:
    found = _find("--handler", handler)
    if not isinstance(found, type) or is_server(found):
        hint = f" (--server {handler})" if is_server(found) else ""
        raise UsageError(f"init: --handler {handler}: expected a request handler class, found {found!r:.60}{hint}")
    if server is not None and "class" not in named:
        raise UsageError(f"init: --handler {handler}: only a server class has a handler beside it, and --server {server} is none")
    if server is not None and not takes(_find("--server", server), 2):
        raise UsageError(f"init: --handler {handler}: {server} is made from an address alone, and brings its own handler: leave --handler out")


def _find(option: str, reference: str) -> Any:
    try:
        return find(reference)
    except LookupError as error:
        raise UsageError(f"init: {option} {reference}: {error}") from error.__cause__


__all__ = ["command_of_tests", "first_files"]
