"""The house rules, checked on every file: which floor may import which, how big things get, and where clocks and chance may come from.

Owns the reading of source code by its syntax tree; runs nothing of the package but two imports, in processes of their own. Laws of the file:

* imports go down only: those inside functions, those for type checkers and those by ``import_module("...")`` count like any other;
* files do not import each other in a circle;
* rooms of one floor do not know each other, except for the pairs in ``SIDEWAYS``; those of floor 7 may, without a cycle;
* an exception is an entry in a table of this file with its reason, and an entry that nothing needs any more is itself a failure;
* the checker is tested too, on small houses with one thing wrong.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

FLOORS = {
    "simsock.errors": 0,
    "simsock.escaping": 0,
    "simsock.hypothesis_time": 0,
    "simsock.harness": 0,
    "simsock.tuples": 0,
    "simsock.choices": 1,
    "simsock.supported": 1,
    "simsock.kernel": 2,
    "simsock.net": 3,
    "simsock.stdlib": 4,
    "simsock.oracles": 5,
    "simsock.network": 5,
    "simsock.processes": 5,
    "simsock.socketserver": 5,
    "simsock.stubs": 5,
    "simsock.patching": 6,
    "simsock.world": 6,
    "simsock.search": 7,
    "simsock.clients": 7,
    "simsock.strategies": 7,
    "simsock.talking": 7,
    "simsock.faker": 7,
    "simsock.fuzzing": 7,
    "simsock.testing": 7,
    "simsock.simulation": 7,  # where world/simulation.py was: a name for those who import it
    "simsock.scenario": 7,
    "simsock.report": 7,
    "simsock.cli": 8,
    "simsock.world_arguments": 7,
    "simsock.__main__": 8,
    "pytest_simsock": 8,
    "simsock": 9,  # the facade: knows everybody, and only the doors may know it
}
"""Every room of the house by its dotted name, and its floor. What is inside a room belongs to it."""

FACADE = "simsock"
FLOOR_OF_DOORS = 8
FLOOR_OF_NEIGHBOURS = 7
"""The one floor whose rooms may import each other, as long as no circle comes of it."""

SIDEWAYS = {
    ("simsock.errors", "simsock.escaping"): "the text of an error is printable from its birth",
    ("simsock.socketserver", "simsock.network"): "a server asks which network is in force",
    ("simsock.stubs", "simsock.socketserver"): "a canned server is one of the framework's",
    ("simsock.world", "simsock.patching"): "a world puts the stand-ins in and takes them out",
    ("simsock.__main__", "simsock.cli"): "python -m simsock is the command",
}

LIBRARY_FLOORS = {
    "greenlet": 2,
    "socket": 4,
    "ssl": 4,
    "select": 4,
    "selectors": 4,
    "socketserver": 5,
    "trio": 6,
    "faker": 7,
    "hypothesis": 7,
    "jinja2": 7,
    "markupsafe": 7,
    "pydantic": 7,
    "_pytest": 8,
    "pluggy": 8,
    "pytest": 8,
    "xdist": 8,
}
"""The lowest floor on which a library from outside may be known, at any level of nesting."""

CLOCKS_AND_CHANCE = re.compile(
    r"""time\.(time|monotonic|perf_counter|process_time|thread_time|clock_gettime)(_ns)? | time\.(sleep|localtime|gmtime|ctime)
      | datetime\.(datetime|date)\.(now|utcnow|today)
      | random\.(?!Random$)\w+ | secrets\.\w+ | os\.(urandom|getrandom) | uuid\.uuid[14]""",
    re.VERBOSE,
)
"""What below the doors decides nothing: real clocks, and chance that is not the tape's. ``random.Random(seed)`` is not chance."""

CLOCKS_ALLOWED = {
    ("simsock/hypothesis_time.py", "time.perf_counter"): "tells Hypothesis how long simsock itself took, and decides nothing",
    ("simsock/kernel/file_times.py", "time.time_ns"): "tells what files there were before a world, whose real times are no part of the run",
    ("simsock/kernel/watchdog.py", "time.monotonic"): "breaks a run that blocks for real, and decides nothing else",
    ("simsock/stdlib/_openssl.py", "os.urandom"): "what other threads of the system get who draw while one of the world's is in OpenSSL",
    ("simsock/world/options.py", "time.time_ns"): 'start_time="now": read once in a process, and recorded in the token as what it was',
}
CLOCKS_TAKEN_OVER = (
    *("simsock/patching/chance.py", "simsock/patching/clocks.py", "simsock/patching/generator_state.py", "simsock/patching/imports.py"),
    "simsock/processes/child.py",
)
"""Files whose business it is to name the real ones, because they put others in their place."""

HEAVY = ("pytest", "_pytest", "hypothesis", "trio", "faker", "rich", "jinja2", "pydantic", "asyncio", "dataclasses", "inspect", "unittest")
"""What ``import simsock`` must not load."""

ROOM_MARKS = ("inside", "face", "outside", "bottom")
"""What a room may say of itself: may it be interrupted anywhere, are its functions simulated calls, does a world end below it?"""

FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 70


class Module(NamedTuple):
    """A source file of one of the two packages."""

    name: str
    path: str
    source: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """What relative imports start from."""
        return self.name if self.path.endswith("/__init__.py") else self.name.rpartition(".")[0]


class Import(NamedTuple):
    """One imported name. ``eager`` imports happen when the module is loaded, those ``for_types`` never; ``target`` is None when the name cannot be read
    off the code."""

    line: int
    target: str | None
    eager: bool
    for_types: bool


# Reading


def read_modules(root: Path) -> list[Module]:
    """Every module of the two packages under a project's root."""
    found = []
    for base, top in ((root, "simsock"), (root / "pytest_plugin", "")):
        for path in sorted((base / top).rglob("*.py")):
            name = ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")
            source = path.read_text(encoding="utf-8")
            found.append(Module(name, path.relative_to(root).as_posix(), source, ast.parse(source)))
    return found


def room_of(name: str) -> str | None:
    """The room that a dotted name lies in. A name of the facade, such as ``simsock.Simulation``, lies in the facade."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        room = ".".join(parts[:length])
        if room in FLOORS:
            return room
    return None


def imports_of(module: Module) -> Iterator[Import]:
    """Every import of a module, wherever it stands, with relative names made absolute."""

    def visit(node: ast.AST, eager: bool, for_types: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name, eager, for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, "." * node.level + (node.module or ""))
            yield from (Import(node.lineno, f"{base}.{alias.name}", eager, for_types) for alias in node.names)
        elif isinstance(node, ast.Call) and last_name(node.func) in ("import_module", "__import__"):
            name = dynamic_name(node)
            yield Import(node.lineno, name and absolute(module, name), eager, for_types)
        checking = isinstance(node, ast.If) and last_name(node.test) == "TYPE_CHECKING"
        late = checking or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, eager and not late, for_types or checking)

    return visit(module.tree, True, False)


def last_name(node: ast.expr) -> str:
    """``c`` of ``a.b.c``, ``c`` of ``c``, and nothing of anything else."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def dynamic_name(call: ast.Call) -> str | None:
    """The module that ``import_module(...)`` names: all of it, or the part in front of what is computed."""
    given = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
    node: ast.AST | None = given[0] if given else None
    whole = isinstance(node, ast.Constant)
    while isinstance(node, (ast.BinOp, ast.JoinedStr)):
        node = node.left if isinstance(node, ast.BinOp) else node.values[0] if node.values else None
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return None
    return node.value if whole else node.value.rpartition(".")[0] or None


def absolute(module: Module, name: str) -> str:
    """A name with leading dots, seen from a module, in full."""
    bare = name.lstrip(".")
    level = len(name) - len(bare)
    if not level:
        return name
    parts = module.package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *([bare] if bare else [])])


# Rules: each yields its complaints, one line each


def misplaced_modules(modules: list[Module]) -> Iterator[str]:
    """Files that no floor is given for, and an ``__init__.py`` that would turn the plugin's source root into a package."""
    for module in modules:
        if module.path == "pytest_plugin/__init__.py":
            yield f"{module.path}: pytest_plugin is a source root and has no __init__.py"
        elif room_of(module.name) is None or (room_of(module.name) == FACADE and module.name != FACADE):
            yield f"{module.path}: {module.name} has no floor; give it one in FLOORS"


def imports_that_go_wrong(modules: list[Module]) -> Iterator[str]:
    """Imports of rooms and libraries that the importing room must not know."""
    for module in modules:
        room = room_of(module.name)
        if room is None:
            continue
        for found in imports_of(module):
            complaint = complaint_about(room, found)
            if complaint:
                yield f"{module.path}:{found.line}: {complaint}"


def complaint_about(room: str, found: Import) -> str | None:
    """What is wrong with one import in a room, or None."""
    floor = FLOORS[room]
    if found.target is None:
        return None if floor >= FLOOR_OF_NEIGHBOURS else f"{room} imports a module whose name cannot be read here"
    other = room_of(found.target)
    if other is None:
        lowest = LIBRARY_FLOORS.get(found.target.partition(".")[0], 0)
        return f"{room} (floor {floor}) must not know {found.target} (floor {lowest} and up)" if floor < lowest else None
    if room == other or (room, other) in SIDEWAYS:
        return None
    if other == FACADE:
        return None if floor == FLOOR_OF_DOORS else f"{room} (floor {floor}) imports the facade, which is above it: {found.target}"
    if room == FACADE:
        return f"the facade loads {found.target} eagerly" if found.eager and FLOORS[other] >= FLOOR_OF_NEIGHBOURS else None
    if FLOORS[other] == floor and floor != FLOOR_OF_NEIGHBOURS:
        return f"{room} imports {found.target}, a neighbour on floor {floor}"
    if FLOORS[other] > floor:
        return f"{room} (floor {floor}) imports {found.target} (floor {FLOORS[other]}): imports go down only"
    return None


def circles_of_rooms(modules: list[Module]) -> Iterator[str]:
    """Rooms that import each other in a circle."""
    edges: dict[str, set[str]] = {}
    for module in modules:
        room = room_of(module.name)
        others = {room_of(found.target) for found in imports_of(module) if found.target}
        if room is not None and room != FACADE:
            edges.setdefault(room, set()).update(other for other in others if other not in (None, room, FACADE))

    def circle_from(path: list[str]) -> list[str] | None:
        for other in sorted(edges.get(path[-1], ())):
            if other == path[0]:
                return [*path, other]
            # The lowest name of a circle tells it, so that each is told once.
            longer = circle_from([*path, other]) if other > path[0] and other not in path else None
            if longer:
                return longer
        return None

    for room in sorted(edges):
        circle = circle_from([room])
        if circle:
            yield f"a circle: {' -> '.join(circle)}"


def circles_of_files(modules: list[Module]) -> Iterator[str]:
    """Files that import each other in a circle, those that do so in functions included; what only type checkers import is no such import."""
    written = {module.name for module in modules if module.name != FACADE}
    edges: dict[str, list[str]] = {}
    for module in modules:
        found = {file_of(one.target, written) for one in imports_of(module) if one.target and not one.for_types}
        edges[module.name] = sorted(found - {module.name, ""})
    done: set[str] = set()

    def circle_from(path: list[str]) -> list[str] | None:
        for other in edges.get(path[-1], ()):
            if other in path:
                return [*path[path.index(other) :], other]
            if other not in done and (found := circle_from([*path, other])):
                return found
        done.add(path[-1])
        return None

    for name in sorted(written):
        if name not in done and (circle := circle_from([name])):
            yield f"a circle of files: {' -> '.join(circle)}"
            return


def file_of(target: str, written: set[str]) -> str:
    """The module that an imported name stands in; empty if it is none of ours."""
    while target and target not in written:
        target = target.rpartition(".")[0]
    return target


def clocks_and_chance_of(module: Module) -> Iterator[tuple[int, str]]:
    """Uses of real clocks and of chance in a module, as (line, what)."""
    meanings: dict[str, set[str]] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                meanings.setdefault(name, set()).add(alias.name if alias.asname else name)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                meanings.setdefault(alias.asname or alias.name, set()).add(f"{node.module}.{alias.name}")

    def meanings_of(node: ast.AST) -> set[str]:
        if isinstance(node, ast.Attribute):
            return {f"{meaning}.{node.attr}" for meaning in meanings_of(node.value)}
        return meanings.get(node.id, set()) if isinstance(node, ast.Name) else set()

    for node in ast.walk(module.tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            yield from ((node.lineno, meaning) for meaning in meanings_of(node) if CLOCKS_AND_CHANCE.fullmatch(meaning))
        elif isinstance(node, ast.Call) and "random.Random" in meanings_of(node.func) and not node.args:
            yield node.lineno, "random.Random()"
        elif isinstance(node, ast.Call) and len(node.args) == 2 and "simsock.kernel.originals.hidden" in meanings_of(node.func):
            named = {f"{meaning}.{ast.literal_eval(node.args[1])}" for meaning in meanings_of(node.args[0])}
            yield from ((node.lineno, meaning) for meaning in named if CLOCKS_AND_CHANCE.fullmatch(meaning))


def clocks_and_chance(modules: list[Module]) -> Iterator[str]:
    """Clocks and chance below the doors that no entry of ``CLOCKS_ALLOWED`` explains."""
    for module in modules:
        room = room_of(module.name)
        if room is not None and FLOORS[room] < FLOOR_OF_DOORS:
            for line, what in clocks_and_chance_of(module):
                if (module.path, what) not in CLOCKS_ALLOWED and module.path not in CLOCKS_TAKEN_OVER:
                    yield f"{module.path}:{line}: uses {what}; below the doors time is the clock's and chance is the tape's"


def undescribed_modules(modules: list[Module]) -> Iterator[str]:
    """Modules without a docstring."""
    for module in modules:
        if not ast.get_docstring(module.tree):
            yield f"{module.path}: has no docstring to say what it owns"


def rooms_that_say_nothing(modules: list[Module]) -> Iterator[str]:
    """Rooms whose package does not say what ``simsock.kernel.program_lines`` asks of it."""
    for room in FLOORS:
        if room == FACADE:
            continue
        for module in modules:
            if module.name == room and room_mark(module) not in ROOM_MARKS:
                yield f"{module.path}: says {room_mark(module)!r} as SIMSOCK_ROOM, one of {', '.join(ROOM_MARKS)} is wanted"


def room_mark(module: Module) -> object:
    """What a module says of its room."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and last_name(node.targets[0]) == "SIMSOCK_ROOM" and isinstance(node.value, ast.Constant):
            return node.value.value
    return None


def oversized(root: Path) -> Iterator[str]:
    """Files and functions that are too long, tests and scenarios included."""
    for top in ("simsock", "pytest_plugin", "tests", "scenarios"):
        for path in sorted((root / top).rglob("*.py")):
            shown, source = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
            lines = source.count("\n")
            if lines > FILE_LINES_MAX:
                yield f"{shown}: {lines} lines, {FILE_LINES_MAX} are the most"
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX:
                    yield f"{shown}:{node.lineno}: {node.name} has {length} lines, {FUNCTION_LINES_MAX} are the most"


def told(complaints: Iterator[str]) -> str:
    """All complaints of a rule as a text: empty when there are none."""
    return "\n".join(complaints)


# The house as it stands


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return read_modules(ROOT)


def test_every_file_has_a_floor(modules):
    assert {"simsock", "simsock.errors", "pytest_simsock"} <= {module.name for module in modules}
    assert told(misplaced_modules(modules)) == ""


def test_imports_go_down_only(modules):
    assert told(imports_that_go_wrong(modules)) == ""


def test_no_rooms_import_each_other_in_a_circle(modules):
    assert told(circles_of_rooms(modules)) == ""


def test_no_files_import_each_other_in_a_circle(modules):
    assert told(circles_of_files(modules)) == ""


def test_below_the_doors_nothing_reads_a_real_clock_or_draws_from_anything_but_the_tape(modules):
    assert told(clocks_and_chance(modules)) == ""


def test_every_module_says_what_it_owns(modules):
    assert told(undescribed_modules(modules)) == ""


def test_every_room_says_whether_it_may_be_interrupted(modules):
    assert told(rooms_that_say_nothing(modules)) == ""


def test_files_and_functions_stay_short():
    assert told(oversized(ROOT)) == ""


def test_no_exception_in_a_table_has_outlived_its_use(modules):
    used = {(module.path, what) for module in modules for _, what in clocks_and_chance_of(module)}
    used |= {(room_of(module.name), room_of(found.target)) for module in modules for found in imports_of(module) if found.target}
    written = {module.name for module in modules}
    pairs = {pair for pair in SIDEWAYS if written.issuperset(pair)}
    assert (pairs | CLOCKS_ALLOWED.keys()) - used == set()


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads in a fresh process, beyond those that Python loads by itself."""
    code = f"import json, sys; before = set(sys.modules); {statement}; print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_importing_simsock_loads_nothing_heavy():
    loaded = loaded_by("import simsock")
    assert "simsock" in loaded
    assert sorted(loaded.intersection(HEAVY)) == []


def test_loading_the_plugin_does_not_load_simsock_before_coverage_can_measure_it():
    loaded = loaded_by("import pytest_simsock")
    assert "pytest_simsock" in loaded
    assert sorted(name for name in loaded if name.partition(".")[0] == "simsock") == []


def test_every_public_name_can_be_had():
    import simsock

    assert len(simsock.__all__) == len(set(simsock.__all__))
    assert [name for name in simsock.__all__ if getattr(simsock, name, None) is None] == []


def test_the_version_has_one_source():
    from importlib.metadata import version

    import simsock

    assert simsock.__version__ == version("simsock")


def test_the_readme_gives_two_commands_in_one_block():
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Two commands\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\w*\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert [len(block.splitlines()) for block in blocks] == [2]


# The checker itself, on small houses


def house(root: Path, files: dict[str, str]) -> list[Module]:
    """The modules of a house with these files in it."""
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return read_modules(root)


@pytest.mark.parametrize(
    "source",
    [
        "from simsock.net import fabric",
        "import simsock.net.fabric",
        "def late():\n    from simsock.net.fabric import Fabric",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from simsock.net import Fabric",
        "from ..net.fabric import Fabric",
        "from .. import net",
        "class Lazy:\n    def get(self):\n        import importlib\n        return importlib.import_module('simsock.net')",
        "from importlib import import_module\nimport_module('..net', package=__package__)",
        "import_module(f'simsock.net.{name}')",
        "import_module(name='simsock.net.' + name)",
        "__import__('simsock.net')",
    ],
)
def test_an_import_that_goes_up_is_caught_however_it_is_written(tmp_path, source):
    found = told(imports_that_go_wrong(house(tmp_path, {"simsock/kernel/core.py": source})))
    assert re.fullmatch(r"simsock/kernel/core\.py:\d: simsock\.kernel \(floor 2\) imports simsock\.net\S* \(floor 3\): imports go down only", found)


@pytest.mark.parametrize(
    "source", ["from simsock import errors", "from . import core", "from .core import Kernel", "from ..choices import Tape", "import gc, time"]
)
def test_an_import_that_goes_down_or_stays_in_its_room_is_fine(tmp_path, source):
    assert told(imports_that_go_wrong(house(tmp_path, {"simsock/kernel/timers.py": source, "simsock/kernel/__init__.py": "from .core import Kernel"}))) == ""


@pytest.mark.parametrize("source", ["import simsock", "from simsock import Simulation", "from .. import Simulation"])
def test_only_the_doors_may_import_the_facade(tmp_path, source):
    modules = house(tmp_path, {"simsock/search/explore.py": source, "simsock/cli.py": "import simsock"})
    assert re.fullmatch(r"simsock/search/explore\.py:1: .* imports the facade, which is above it: simsock\S*", told(imports_that_go_wrong(modules)))


def test_the_facade_may_import_everything_as_long_as_the_upper_floors_come_late(tmp_path):
    late = "from simsock.world.simulation import Simulation\ndef __getattr__(name):\n    from simsock.search import explore"
    eager = "from simsock.search import explore"
    assert told(imports_that_go_wrong(house(tmp_path, {"simsock/__init__.py": late}))) == ""
    assert "the facade loads simsock.search.explore eagerly" in told(imports_that_go_wrong(house(tmp_path, {"simsock/__init__.py": eager})))


def test_neighbours_on_a_floor_do_not_import_each_other_unless_the_table_says_so(tmp_path):
    files = {
        "simsock/network.py": "def late():\n    import simsock.socketserver.base",
        "simsock/socketserver/base.py": "from simsock.network import in_force",
    }
    found = told(imports_that_go_wrong(house(tmp_path, files)))
    assert found == "simsock/network.py:2: simsock.network imports simsock.socketserver.base, a neighbour on floor 5"


def test_neighbours_on_the_seventh_floor_may_import_each_other_but_not_in_a_circle(tmp_path):
    chain = {"simsock/scenario/run.py": "from simsock.search import explore", "simsock/search/tell.py": "import simsock.report.story"}
    modules = house(tmp_path, chain)
    assert told(imports_that_go_wrong(modules)) == told(circles_of_rooms(modules)) == ""
    modules = house(tmp_path, {**chain, "simsock/report/story.py": "def late():\n    from simsock.scenario.run import run"})
    assert told(circles_of_rooms(modules)) == "a circle: simsock.report -> simsock.scenario -> simsock.search -> simsock.report"


@pytest.mark.parametrize(
    ("path", "library"),
    [
        ("simsock/world/simulation.py", "pytest"),
        ("simsock/talking.py", "_pytest.fixtures"),
        ("simsock/stdlib/socket.py", "hypothesis"),
        ("simsock/net/tcp/stream.py", "socket"),
        ("simsock/kernel/files.py", "selectors"),
        ("simsock/choices/tape.py", "greenlet"),
    ],
)
def test_a_library_that_a_floor_must_not_know_is_caught_inside_functions_too(tmp_path, path, library):
    modules = house(tmp_path, {path: f"def late():\n    import {library}"})
    assert f"{path}:2: " in told(imports_that_go_wrong(modules))
    assert f"must not know {library}" in told(imports_that_go_wrong(modules))


def test_a_module_name_that_cannot_be_read_is_caught_below_the_seventh_floor(tmp_path):
    modules = house(tmp_path, {"simsock/net/names.py": "import_module(name)", "simsock/scenario/load.py": "import_module(name)"})
    assert told(imports_that_go_wrong(modules)) == "simsock/net/names.py:1: simsock.net imports a module whose name cannot be read here"


def test_a_file_without_a_floor_is_caught(tmp_path):
    modules = house(tmp_path, {"simsock/attic.py": "", "pytest_plugin/helper.py": "", "pytest_plugin/__init__.py": "", "simsock/net/new.py": ""})
    found = told(misplaced_modules(modules))
    assert re.findall(r"^[^:]+", found, re.MULTILINE) == ["simsock/attic.py", "pytest_plugin/__init__.py", "pytest_plugin/helper.py"]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import time\nnow = time.monotonic()", "time.monotonic"),
        ("import time as clock\nnow = clock.time_ns", "time.time_ns"),
        ("def late():\n    from time import perf_counter as now\n    return now()", "time.perf_counter"),
        ('import time\nfrom simsock.kernel.originals import hidden\nnow = hidden(time, "time_ns")', "time.time_ns"),
        ("from datetime import datetime\ndatetime.now()", "datetime.datetime.now"),
        ("import random\nrandom.randrange(6)", "random.randrange"),
        ("from random import random\nrandom()", "random.random"),
        ("from random import Random\nRandom()", "random.Random()"),
        ("import random\nrandom.SystemRandom(1)", "random.SystemRandom"),
        ("import os\nos.urandom(8)", "os.urandom"),
        ("import uuid\nuuid.uuid4()", "uuid.uuid4"),
    ],
)
def test_a_clock_or_a_global_generator_below_the_doors_is_caught(tmp_path, source, what):
    assert f": uses {what}; below the doors" in told(clocks_and_chance(house(tmp_path, {"simsock/search/explore.py": source})))


def test_a_seeded_generator_and_a_stand_in_clock_are_fine_and_so_is_a_clock_at_a_door(tmp_path):
    seeded = "from random import Random\nfrom simsock.stdlib import time\ndraw = Random(7).random\nnow = time.monotonic()"
    files = {"simsock/search/explore.py": seeded, "simsock/cli.py": "import time\ntime.perf_counter()"}
    assert told(clocks_and_chance(house(tmp_path, files))) == ""


def test_what_is_too_long_is_caught_and_what_just_fits_is_not(tmp_path):
    house(tmp_path, {"simsock/net/long.py": "def fits():\n" + "    pass\n" * 69 + "def long():\n" + "    pass\n" * 70, "tests/test_long.py": "\n" * 701})
    assert told(oversized(tmp_path)) == ("simsock/net/long.py:71: long has 71 lines, 70 are the most\ntests/test_long.py: 701 lines, 700 are the most")


def test_a_module_without_a_docstring_is_caught(tmp_path):
    modules = house(tmp_path, {"simsock/net/a.py": '"""Owns a."""', "simsock/net/b.py": "# Owns b."})
    assert told(undescribed_modules(modules)) == "simsock/net/b.py: has no docstring to say what it owns"


def test_a_room_that_says_nothing_of_itself_is_caught(tmp_path):
    said = '"""Owns."""\nSIMSOCK_ROOM = "inside"'
    modules = house(tmp_path, {"simsock/net/__init__.py": said, "simsock/faker.py": "", "simsock/world/__init__.py": 'SIMSOCK_ROOM = "attic"'})
    found = told(rooms_that_say_nothing(modules))
    assert re.findall(r"^(\S+): says (\S+) as", found, re.MULTILINE) == [("simsock/world/__init__.py", "'attic'"), ("simsock/faker.py", "None")]


@pytest.mark.parametrize(
    ("back", "circle"),
    [
        ("def late():\n    from simsock.net.link.wire import Wire", True),
        ("from simsock.net.link import wire", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from simsock.net.link.wire import Wire", False),
    ],
)
def test_a_circle_of_files_is_caught_also_when_an_import_is_late(tmp_path, back, circle):
    files = {"simsock/net/fabric.py": "from simsock.net.ports import PortTable", "simsock/net/ports.py": back, "simsock/net/link/__init__.py": ""}
    modules = house(tmp_path, {**files, "simsock/net/link/wire.py": "import simsock.net.fabric"})
    names = ["simsock.net.fabric", "simsock.net.ports", "simsock.net.link.wire", "simsock.net.fabric"]
    assert told(circles_of_files(modules)) == (f"a circle of files: {' -> '.join(names)}" if circle else "")
