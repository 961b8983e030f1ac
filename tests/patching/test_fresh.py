"""``fresh=["package"]``: what a package made when it was imported before the world is made anew in each, and the old is back after it."""

from __future__ import annotations

import asyncio
import importlib
import socket
import sys
import textwrap
import threading
import types

import pytest

import simsock
from simsock import Fenced, Simulation, UsageError

SOURCES = {
    "bank/__init__.py": """
        from bank.pools import POOL, work
        from bank.server import ADDRESS, PORT, Handler, server
        from bank.loop import LOOP, answer
    """,
    "bank/pools.py": """
        import enum, queue, threading
        from concurrent.futures import ThreadPoolExecutor

        class Kind(enum.Enum):
            ONE = 1

        POOL = ThreadPoolExecutor(2)
        POOL.submit(len, "abc").result()
        JOBS, DONE = queue.Queue(), queue.Queue()

        def _work():
            while (job := JOBS.get()) is not None:
                DONE.put(job * 2)

        threading.Thread(target=_work, daemon=True).start()

        def work(number):
            JOBS.put(number)
            return DONE.get(timeout=5)
    """,
    "bank/server.py": """
        import socketserver, threading

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(self.rfile.readline().upper())

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        ADDRESS = server.server_address
        PORT = ADDRESS[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    """,
    "bank/loop.py": """
        import asyncio, selectors, socket, threading

        LOOP = asyncio.new_event_loop()
        SELECTOR = selectors.DefaultSelector()
        ENDS = socket.socketpair()
        SELECTOR.register(ENDS[0], selectors.EVENT_READ)
        threading.Thread(target=LOOP.run_forever, daemon=True).start()

        async def _answer():
            await asyncio.sleep(1)
            return 42

        def answer():
            return asyncio.run_coroutine_threadsafe(_answer(), LOOP).result(5)
    """,
    "till/__init__.py": "from bank.pools import work\nimport bank.server\n",
}
"""A package with a server, a pool, a thread with queues, an event loop with its thread, a selector and a pair of sockets; and one that uses it."""


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """The package ``bank``, imported for real; its threads end with the module's tests."""
    folder = tmp_path_factory.mktemp("program")
    for name, source in SOURCES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source))
    sys.path.insert(0, str(folder))
    made = importlib.import_module("bank")
    importlib.import_module("till")
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.POOL.shutdown()
    made.pools.JOBS.put(None)
    made.LOOP.call_soon_threadsafe(made.LOOP.stop)
    made.loop.SELECTOR.close()
    for end in made.loop.ENDS:
        end.close()
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("bank", "till")]:
        del sys.modules[name]


@pytest.fixture
def holder(bank, monkeypatch):
    """``holder(source)``: a module of the program that is executed with the real package; what it holds is its namespace."""

    def make(source):
        module = types.ModuleType("holder")
        module.__file__ = "/program/holder.py"
        monkeypatch.setitem(sys.modules, "holder", module)
        exec(textwrap.dedent(source), vars(module))
        return module

    return make


def shout(address):
    with socket.create_connection(address) as client:
        client.sendall(b"hello\n")
        return client.makefile("rb").readline()


def test_what_a_module_made_at_import_works_in_every_world_and_the_old_is_back_after_it(holder):
    module = holder("import bank, bank.loop\nfrom bank import PORT, work, server as the_server\nfrom bank.loop import LOOP")
    before = dict(vars(module)), {name: made for name, made in sys.modules.items() if name.startswith("bank")}
    digests = set()
    for _ in range(2):
        with Simulation(fresh=["bank"]) as sim:
            now = sys.modules["bank"]
            assert module.bank is now is not before[0]["bank"]
            assert module.the_server is now.server is not before[0]["the_server"]
            assert module.PORT == now.PORT == now.ADDRESS[1]
            assert module.work(21) == 42
            assert shout(("127.0.0.1", module.PORT)) == b"HELLO\n"
            assert now.POOL.submit(threading.get_ident).result() != threading.get_ident()
            assert module.bank.answer() == 42
            assert sim.now >= 1
            now.loop.ENDS[1].send(b"x")
            assert len(now.loop.SELECTOR.select(1)) == 1
            now.LOOP.call_soon_threadsafe(now.LOOP.stop)
            now.server.shutdown()
            now.POOL.shutdown()
        digests.add(sim.digest)
        assert dict(vars(module)) == before[0]
        assert {name: made for name, made in sys.modules.items() if name.startswith("bank")} == before[1]
        assert before[0]["bank"].work(1) == 2
    assert len(digests) == 1


def test_names_of_other_packages_and_of_a_parent_that_stays_are_exchanged(holder):
    till = sys.modules["till"]
    old = [(till.work, till.bank)]
    with Simulation(fresh=["bank"]):
        assert till.work is sys.modules["bank.pools"].work is not old[0][0]
        assert till.bank is sys.modules["bank"]
    assert [(till.work, till.bank)] == old
    parent, before = sys.modules["bank"], [sys.modules["bank.server"], sys.modules["bank"].server]
    with Simulation(fresh=["bank.server"]):
        assert parent is sys.modules["bank"]
        assert parent.server is sys.modules["bank.server"].server
        assert importlib.import_module("bank.server") is not before[0]
    assert [sys.modules["bank.server"], parent.server] == before


def test_tables_closures_keyword_defaults_and_members_of_enumerations_are_exchanged(holder):
    module = holder("""
        from bank.pools import Kind, POOL, work
        ONE = Kind.ONE
        TABLE = {"work": [work]}
        class Mine:
            pool = POOL
        def outer(pool):
            return lambda: pool
        kept = outer(POOL)
        def by_keyword(*, pool=POOL):
            return pool
    """)
    old = [module.POOL]
    with Simulation(fresh=["bank"]):
        now = sys.modules["bank.pools"]
        assert module.ONE is now.Kind.ONE
        assert module.TABLE["work"][0] is now.work
        assert module.Mine.pool is module.kept() is module.by_keyword() is now.POOL is not old[0]
    assert module.Mine.pool is module.kept() is module.by_keyword() is module.TABLE["work"][0].__globals__["POOL"] is old[0]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("from bank import Handler\nclass Mine(Handler): pass", r"bank\.server\.Handler is held by holder\.Mine \(a base of the class\)"),
        ("import bank\nBOTH = (bank.Handler, 1)", r"bank\.server\.Handler is held by holder\.BOTH \(a tuple\)"),
        ("import bank\ndef call(pool=bank.POOL): pass", r"bank\.pools\.POOL is held by holder\.call \(a default argument\)"),
        ("import bank\nmade = bank.Handler.__new__(bank.Handler)", r"an object of bank\.server\.Handler is held by holder\.made"),
    ],
)
def test_what_cannot_be_exchanged_is_an_error_that_says_to_import_inside_the_test(holder, source, words):
    module = holder(source)
    before, names = dict(vars(module)), list(sys.modules)
    with pytest.raises(UsageError, match=rf"fresh=\['bank'\]: .*{words}.*Import it inside the test \(or make"), Simulation(fresh=["bank"]):
        pass
    assert dict(vars(module)) == before
    ours = {name for name in names if name.partition(".")[0] in ("bank", "holder")}
    assert {name for name in sys.modules if name.partition(".")[0] in ("bank", "holder")} == ours


def test_so_is_a_local_variable_of_the_function_that_enters_the_world(bank):
    with pytest.raises(UsageError, match=r"bank is a local variable of test_so_is_a_local_variable_\w+ \(bank\)"), Simulation(fresh=["bank"]):
        pass


def test_an_installed_package_is_the_programs_too(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "vault.py").write_text("import socket, time\nbegan = time.time()\nsocket.create_server(('127.0.0.1', 80))\nEND = socket.socket()\n")
    monkeypatch.syspath_prepend(str(folder))
    with Simulation(fresh=["vault"]) as sim:
        made = importlib.import_module("vault")
        assert made.END.fileno() >= 10_000
        assert made.began == sim.options.start_ns // 10**9
    assert "vault" not in sys.modules


def test_a_search_makes_them_for_each_of_its_worlds_and_a_token_says_which(holder):
    module = holder("import bank\nSEEN = []")

    def test(sim):
        module.SEEN.append(id(module.bank))
        assert module.bank.work(1) == 2
        module.bank.server.shutdown()
        assert len(module.SEEN) < 3

    verdict = simsock.explore(test, 5, preempt="calls", fresh=["bank"], shrink=False)
    assert verdict.status == "fails"
    assert verdict.schedules == 3
    assert simsock.choices.Token.decode(verdict.token).options["fresh"] == ["bank"]


def test_where_an_object_from_before_is_met_the_error_names_fresh_and_the_package(holder):
    module = holder("import bank")
    found = asyncio.new_event_loop
    calls = {
        r"bank\.POOL": lambda: module.bank.POOL.submit(len, ""),
        r"bank\.loop\.ENDS\[1\]": lambda: module.bank.loop.ENDS[1].send(b"x"),
        r"bank\.LOOP": lambda: module.bank.LOOP.call_soon_threadsafe(found),
        r"bank\.loop\.SELECTOR": lambda: module.bank.loop.SELECTOR.select(0),
        r"bank\.server\.socket": lambda: module.bank.server.socket.accept(),
    }
    for place, call in calls.items():
        with Simulation(), pytest.raises(Fenced, match=rf"kept by {place}: fresh=\['bank'\] imports that anew in each world"):
            call()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("bank", r"expected a list of packages that each world imports anew, such as \['bank'\], got 'bank'"),
        ([1], "expected a list of packages"),
        (["socket"], "'socket' is the standard library's"),
        (["pytest"], "'pytest' runs the tests"),
        (["no_such_package"], "no package or module called 'no_such_package'"),
    ],
)
def test_what_is_no_package_to_import_anew_is_told(given, words):
    with pytest.raises(UsageError, match=rf"fresh: .*{words}"), Simulation(fresh=given):
        pass
    with pytest.raises(UsageError, match="patched worlds only"):
        Simulation(fresh=["bank"], patch=False)


def test_what_a_package_raises_is_raised_with_a_note_and_everything_is_as_before(tmp_path, monkeypatch):
    (tmp_path / "shaky.py").write_text("import simsock.kernel.session as s\nif s.active is not None: raise OSError('not twice')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = importlib.import_module("shaky")
    with pytest.raises(OSError, match="not twice") as caught, Simulation(fresh=["shaky"]):
        pass
    assert "shaky was being imported anew inside the world" in caught.value.__notes__[0]
    assert sys.modules.pop("shaky") is made


def test_what_a_package_around_it_holds_by_the_name_of_a_module_that_the_world_puts_there_goes_with_the_world(tmp_path, modules_stay_as_they_are):
    """As Twisted does with its reactor, which is an object in the place of a module."""
    package = tmp_path / "machine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "engine.py").write_text("import sys, machine\n\nclass Engine:\n    pass\n\nsys.modules[__name__] = machine.engine = Engine()\n")
    sys.path.insert(0, str(tmp_path))
    machine = importlib.import_module("machine")
    made = []
    for _ in range(2):
        with Simulation(fresh=["machine.engine"]) as sim:
            assert not hasattr(machine, "engine")
            made.append(importlib.import_module("machine.engine"))
            sim._suspend()
            assert not hasattr(machine, "engine")
            sim._resume()
            assert machine.engine is made[-1]
        assert not hasattr(machine, "engine") and "machine.engine" not in sys.modules
    assert made[0] is not made[1]
