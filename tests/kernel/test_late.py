"""Modules of simsock's own that a world is the first to need find the originals, and cost that world nothing."""

from __future__ import annotations

import sys

import pytest

CODE = """
import os, sys
import simsock
from simsock.patching import late

real = id(os.fork), id(os.read)  # not themselves: a world would put stand-ins here as well
%s
with simsock.Simulation(seed=3) as sim:
    assert "simsock.processes.forking" not in sys.modules
    before = sim.now, sim.digest, sim._kernel.steps
    forking = late.import_module("simsock.processes.forking")
    assert (sim.now, sim.digest, sim._kernel.steps) == before
    assert id(forking._fork_really) == real[0]
    assert id(os.fork) != real[0] and id(os.read) != real[1]  # the program's are in place again
    assert simsock.kernel.session.active is sim._kernel
    import builtins, tokenize
    assert tokenize._builtin_open is builtins.open and id(open) != real_open  # a program can meet it
    assert late.import_module("simsock.processes.forking") is forking
assert (id(os.fork), id(os.read)) == real and tokenize._builtin_open is open and id(open) == real_open
print("as before the world")
"""


@pytest.mark.parametrize("session", ["", "session = simsock.session(); session.__enter__()\nwith simsock.Simulation(): pass"], ids=["alone", "in a session"])
def test_a_module_of_ours_finds_the_originals_and_the_program_its_stand_ins(python, session):
    code = CODE % ("real_open = id(open)\n" + session)
    if session:
        code = code.replace("assert (id(os.fork", "session.__exit__(None, None, None)\nassert (id(os.fork")
    assert python("-c", code) == "as before the world\n"


def test_an_error_of_such_a_module_leaves_the_stand_ins_in_place(sim, monkeypatch):
    import os

    from simsock.patching import late

    stand_in = os.read
    monkeypatch.setitem(sys.modules, "simsock.processes.missing", None)
    sys.modules.pop("simsock.processes.missing")
    with pytest.raises(ModuleNotFoundError):
        late.import_module("simsock.processes.missing")
    assert os.read is stand_in
    sim.sleep(1)
    assert sim.now == 1.0


def test_also_what_it_keeps_in_tables_and_defaults_is_the_original(python, tmp_path):
    (tmp_path / "probe.py").write_text("import os, time\nkept = {'read': os.read, 'sleep': time.sleep}\ndef read(read=os.read): return read\n")
    code = f"""
import os, sys, time
import simsock
from simsock import harness
from simsock.patching import late

sys.path.insert(0, {str(tmp_path)!r})
harness.extra.add("probe")  # as a module of simsock's
real = id(os.read), id(time.sleep)
with simsock.Simulation():
    probe = late.import_module("probe")
    assert (id(probe.kept["read"]), id(probe.kept["sleep"]), id(probe.read())) == (*real, real[0])
    assert id(os.read) != real[0]
print("originals")
"""
    assert python("-c", code) == "originals\n"
