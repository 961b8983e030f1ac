"""``simsock init``: what it writes runs, and nothing is written over."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from simsock import cli
from simsock.scenario.schema import read

APP = """
import socketserver

class Shout(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())

class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, address):
        super().__init__(address, Shout)

class Bare(socketserver.ThreadingTCPServer):
    pass

class PassesOn(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.words = {}

class Ready(Server):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

def serve(address):
    return Server(address)

LIMIT = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "shouts.py").write_text(APP)
    yield tmp_path
    sys.modules.pop("shouts", None)


def files(folder):
    return sorted(path.name for path in (folder / "scenarios").iterdir() if path.is_file())


def run_tests(folder):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:faker", "scenarios"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_what_is_written_is_a_scenario_and_tests_that_pass(here, capsys):
    assert cli.main(["init"]) == 0
    assert files(here) == ["first.toml", "first_server.py", "test_first.py"]
    assert capsys.readouterr().out.splitlines()[:3] == ["wrote scenarios/first_server.py", "wrote scenarios/first.toml", "wrote scenarios/test_first.py"]
    assert cli.main(["run", "scenarios/first.toml"]) == 0
    assert "as expected: inconclusive" in capsys.readouterr().out
    done = run_tests(here)
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout


def test_what_the_scenario_expects_is_asked(here, capsys):
    cli.main(["init"])
    server = here / "scenarios" / "first_server.py"
    server.write_text(server.read_text().replace("hello, ", "good bye, "))
    assert cli.main(["run", "scenarios/first.toml"]) == 1
    assert run_tests(here).returncode == 1


@pytest.mark.parametrize(
    ("server", "key", "written"),
    [("Shout", "handler", ["test_ours.py"]), ("Server", "class", ["test_ours.py"]), ("serve", "function", [])],
)
def test_a_server_of_ones_own_is_served_and_tested(here, capsys, server, key, written):
    assert cli.main(["init", "ours", "--server", f"shouts:{server}"]) == 0
    assert files(here) == ["ours.toml", *written]
    assert read("scenarios/ours.toml").table("server")[key] == f"shouts:{server}"
    assert cli.main(["run", "scenarios/ours.toml", "--schedules", "3"]) == 0
    done = run_tests(here)
    assert done.returncode == 0 and f"{1 + 2 * len(written)} passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("arguments", "server", "made"),
    [
        (("--handler", "shouts:Shout"), {"handler": "shouts:Shout"}, "Shout"),
        (("--server", "shouts:Bare", "--handler", "shouts:Shout"), {"class": "shouts:Bare", "handler": "shouts:Shout"}, "Bare, Shout"),
    ],
)
def test_a_handler_of_ones_own_is_served_and_tested(here, capsys, arguments, server, made):
    assert cli.main(["init", "ours", *arguments]) == 0
    assert {key: value for key, value in read("scenarios/ours.toml").table("server").items() if key in ("class", "handler") and value} == server
    assert "as tests:    python -m pytest scenarios/\n" in capsys.readouterr().out, "pytest alone does not find what stands in the working directory"
    assert f"sim.serve({made})" in (here / "scenarios" / "test_ours.py").read_text()
    done = run_tests(here)
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("server", ['class = "shouts:PassesOn"\nhandler = "shouts:Shout"', 'class = "shouts:Ready"'])
def test_a_server_that_hands_on_what_it_is_given_is_made_as_the_one_above_it(here, capsys, server):
    assert cli.main(["init", "ours", "--server", "shouts:Shout"]) == 0
    path = here / "scenarios" / "ours.toml"
    path.write_text(path.read_text().replace('handler = "shouts:Shout"', server).replace('expect = "inconclusive"', ""))
    assert cli.main(["run", "ours", "--schedules", "1"]) == 0, "found by its name, and without a word on what is expected"
    assert "as expected: inconclusive" in capsys.readouterr().out


def test_nothing_is_written_over_nor_beside(here, capsys):
    (here / "scenarios").mkdir()
    (here / "scenarios" / "test_first.py").write_text("mine")
    assert cli.main(["init"]) == 2
    told = "simsock: init: there is scenarios/test_first.py already, and nothing is written over: call yours something else (simsock init NAME)\n"
    assert capsys.readouterr().err == told
    assert files(here) == ["test_first.py"] and (here / "scenarios" / "test_first.py").read_text() == "mine"
    assert cli.main(["init", "second"]) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["../evil"], "expected a name of small letters, digits and underscores, got '../evil'"),
        (["Über"], "expected a name of small letters, digits and underscores, got 'Über'"),
        (["ours", "--server", "nowhere:Server"], "--server nowhere:Server: there is no module 'nowhere'"),
        (["ours", "--server", "shouts:Missing"], "--server shouts:Missing: 'shouts' has no 'Missing'"),
        (["ours", "--server", "shouts"], "--server shouts: expected \"module:name\", got 'shouts'"),
        (["ours", "--server", "shouts:Bare"], "address alone: name its request handler class, too (--handler MODULE:NAME), or a function"),
        (["ours", "--server", "shouts:PassesOn"], "it cannot be made from an address alone"),
        (["ours", "--handler", "shouts:Server"], "expected a request handler class, found <class 'shouts.Server'> (--server shouts:Server)"),
        (["ours", "--handler", "shouts:serve"], "--handler shouts:serve: expected a request handler class, found <function"),
        (["ours", "--server", "shouts:serve", "--handler", "shouts:Shout"], "only a server class has a handler beside it, and --server shouts:serve is none"),
        (["ours", "--server", "shouts:Server", "--handler", "shouts:Shout"], "made from an address alone, and brings its own handler: leave --handler out"),
        (["ours", "--server", "shouts:LIMIT"], "expected a server class, a request handler class or a function of an address, found 3"),
    ],
)
def test_what_is_no_name_and_no_server_is_told_and_nothing_is_written(here, capsys, arguments, told):
    assert cli.main(["init", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not (here / "scenarios").exists()


def test_a_folder_that_cannot_be_made_is_told(here, capsys):
    (here / "scenarios").write_text("a file")
    assert cli.main(["init"]) == 2
    assert "simsock: init: cannot write scenarios/first_server.py: " in capsys.readouterr().err


def test_json_has_a_line_for_each_file(here, capsys):
    assert cli.main(["init", "--json"]) == 0
    made = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert [one.get("path") for one in made] == ["scenarios/first_server.py", "scenarios/first.toml", "scenarios/test_first.py", None]
    assert made[-1]["event"] == "end" and made[0]["event"] == "file"
