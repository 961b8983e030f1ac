"""The code that a scenario file names: found beside the file first, and gone from Python's tables afterwards."""

import sys

import pytest

from simsock.errors import ScenarioError
from simsock.scenario import ScenarioTest, importable, read, run
from simsock.scenario.loading import find, neighbours

WHERE = 'class = "counter:Server"\nhandler = "counter:Handler"'


def complaint(path, server=None):
    plan = read(path)
    with importable(plan, server), pytest.raises(ScenarioError) as caught:
        ScenarioTest(plan, server)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ('handler = "nowhere:Handler"', "server.handler = 'nowhere:Handler': there is no module 'nowhere'"),
        ('handler = "counter.deep:Handler"', "server.handler = 'counter.deep:Handler': there is no module 'counter.deep'"),
        ('handler = "counter:Nobody"', "server.handler = 'counter:Nobody': 'counter' has no 'Nobody'"),
        ('handler = "counter:Handler.Nobody"', "server.handler = 'counter:Handler.Nobody': 'counter.Handler' has no 'Nobody'"),
        ('handler = "counter:A_VALUE"', "server.handler = 'counter:A_VALUE': expected a request handler class, found 3"),
        (
            'handler = "counter:Server"',
            "server.handler = 'counter:Server': expected a request handler class, found <class 'counter.Server'>; should it be server.class?",
        ),
        ('class = "counter:check"', "server.class = 'counter:check': expected a server class, found <function check"),
        (
            'class = "counter:Handler"',
            "server.class = 'counter:Handler': expected a server class, found <class 'counter.Handler'>; should it be server.handler?",
        ),
        (
            'class = "counter:Server"',
            "server.class = 'counter:Server': it cannot be made from an address alone; name its request handler as server.handler",
        ),
        ('function = "counter:A_VALUE"', "server.function = 'counter:A_VALUE': expected a function that is called with an address, found 3"),
        ('function = "counter:Handler"', "server.function = 'counter:Handler': expected a function that is called with an address, found <class"),
        ('function = "counter:later"', "server.function = 'counter:later': expected a plain function, and it is an async one: have one call asyncio.run(...)"),
        ('function = "counter:client"', "server.function = 'counter:client': expected a function that is called with an address alone, found client(sim,"),
    ],
)
def test_a_server_that_cannot_be_used_is_named_with_its_key(scenario, server, message):
    assert complaint(scenario(server=server)).startswith(message)


def test_a_check_or_client_that_cannot_be_called_is_named_with_its_key(scenario):
    assert complaint(scenario(check="counter:A_VALUE")) == "check.function = 'counter:A_VALUE': expected a function, found 3"
    assert complaint(scenario(clients='client = "counter:A_VALUE"')) == "clients.client = 'counter:A_VALUE': expected a function, found 3"


def test_a_module_that_fails_while_it_is_imported_is_named_with_the_place(scenario):
    told = "check.function = 'counter:check': module 'counter' cannot be imported: NameError: name 'boom' is not defined (counter.py:2)"
    assert complaint(scenario(source="x = 1\nboom()\n")) == told
    assert "cannot be imported: ModuleNotFoundError: No module named 'absent_thing' (counter.py:1)" in complaint(scenario(source="import absent_thing\n"))
    assert "cannot be imported: SyntaxError: " in complaint(scenario(source="def\n"))


def test_a_server_given_on_the_command_line_is_named_as_such(scenario):
    path = scenario()
    assert complaint(path, "counter:Nobody") == "--server = 'counter:Nobody': 'counter' has no 'Nobody'"
    assert complaint(path, "counter:A_VALUE") == "--server = 'counter:A_VALUE': expected a server class, a request handler class or a function, found 3"
    assert complaint(path, "Server") == "--server = 'Server': expected \"module:name\", got 'Server'"


def test_a_module_with_the_name_of_a_standard_one_is_refused_rather_than_mixed_up(scenario, tmp_path):
    path = scenario(check="queue:check")
    (tmp_path / "queue.py").write_text("def check(server): pass\n")
    assert complaint(path) == "check.function = 'queue:check': queue.py next to the file has the name of a standard module; call it something else"


def test_pythons_tables_are_afterwards_as_they_were(scenario):
    plan = read(scenario())
    run(plan, schedules=1)  # what simsock loads for any world is loaded now
    path, modules = list(sys.path), set(sys.modules)
    run(plan, schedules=1)
    assert sys.path == path
    assert [name for name in set(sys.modules) - modules if not name.startswith("simsock")] == []


def test_they_are_so_also_after_an_error(scenario):
    plan = read(scenario(source="import sys\nraise SystemError\n"))
    path, modules = list(sys.path), set(sys.modules)
    with pytest.raises(ScenarioError):
        run(plan)
    assert sys.path == path
    assert "counter" not in set(sys.modules) - modules


def test_two_folders_may_have_modules_of_the_same_name(scenario):
    one = read(scenario("one/it.toml", server='class = "counter:Whole"', expect="inconclusive", check="counter:mine", source=SOURCE_OF.format(1)))
    two = read(scenario("two/it.toml", server='class = "counter:Whole"', expect="inconclusive", check="counter:mine", source=SOURCE_OF.format(2)))
    for plan, number in ((one, 1), (two, 2), (one, 1)):
        with importable(plan):
            assert ScenarioTest(plan).cast.check(None) == number


SOURCE_OF = """
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer

class Whole(ThreadingTCPServer):
    def __init__(self, address):
        super().__init__(address, StreamRequestHandler)

def mine(server):
    return {}
"""


def test_a_module_of_that_name_that_was_loaded_from_elsewhere_makes_room_and_comes_back(scenario, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "counter.py").write_text("ELSEWHERE = True\n")
    sys.path.insert(0, str(tmp_path / "elsewhere"))
    before = __import__("counter")
    plan = read(scenario("here/it.toml"))
    with importable(plan):
        assert not hasattr(ScenarioTest(plan).cast, "ELSEWHERE")
        assert not hasattr(sys.modules["counter"], "ELSEWHERE")
    assert sys.modules["counter"] is before


def test_a_module_beside_the_file_may_import_its_neighbours_also_while_it_runs(scenario, tmp_path):
    path = scenario()
    source = (tmp_path / "counter.py").read_text()
    (tmp_path / "counter.py").write_text(source.replace("    assert server", "    from helper import three\n    assert three == 3\n    assert server"))
    (tmp_path / "helper.py").write_text("three = 3\n")
    result = run(read(path))
    assert result.as_expected
    assert "counted" in str(result.verdict.error)


def test_what_is_found_may_lie_deeper(scenario):
    with importable(read(scenario())):
        assert find("counter:Server.count") == 0


def test_modules_of_the_working_directory_are_found_by_who_does_not_look_there(tmp_path, monkeypatch):
    """A plain ``pytest`` has it not in ``sys.path``."""
    (tmp_path / "below").mkdir()
    for name, where in (("beside_here", tmp_path / "below"), ("beside_here", tmp_path), ("only_here", tmp_path)):
        (where / f"{name}.py").write_text(f"WHERE = {where.name!r}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = [path for path in sys.path if path not in ("", str(tmp_path))]
    monkeypatch.setattr(sys, "path", list(before))
    with neighbours(str(tmp_path / "below"), {"beside_here", "only_here"}):
        found = find("beside_here:WHERE"), find("only_here:WHERE")
    assert sys.path == before
    for name in ("beside_here", "only_here"):
        sys.modules.pop(name, None)
    assert found == ("below", tmp_path.name)
