"""The clock of files: what a world's tasks make, write and touch has the world's time, and what they do not is as old as it is."""

from __future__ import annotations

import calendar
import contextlib
import importlib
import io
import logging.handlers
import mailbox
import os
import pickle
import shutil
import socket
import sqlite3
import tempfile
import time
from pathlib import Path

import pytest

from simsock import Simulation
from simsock.kernel import file_times
from simsock.kernel.units import EPOCH_NS, NS

EPOCH = EPOCH_NS // NS
TICK_NS = 10_000_000
"""No system stamps files by longer ones."""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("other").write_text("something")


def by_open():
    with open("file", "w") as file:
        file.write("x")


def by_appending():
    with open("file", "ab", buffering=0) as file:
        file.write(b"x")


def by_descriptor():
    fd = os.open("file", os.O_WRONLY)
    os.write(fd, b"x")
    os.close(fd)


def by_emptying():
    os.close(os.open("file", os.O_WRONLY | os.O_TRUNC))


def by_one_of_the_others(name, *args):
    def act():
        fd = os.open("file", os.O_RDWR)
        getattr(os, name)(fd, *args)
        os.close(fd)

    act.__name__ = name
    return act


def by_sendfile():
    with open("other") as source, open("file", "r+") as target:
        os.sendfile(target.fileno(), source.fileno(), 0, 3)


def by_copy_file_range():
    with open("other") as source, open("file", "r+") as target:
        os.copy_file_range(source.fileno(), target.fileno(), 3)


def by_truncating():
    with open("file", "r+") as file:
        file.truncate(0)


def by_touching():
    Path("file").touch()


WAYS = [
    by_open, by_appending, by_descriptor, by_emptying, by_sendfile, by_copy_file_range, by_truncating, by_touching,
    by_one_of_the_others("writev", [b"a", b"b"]), by_one_of_the_others("pwrite", b"x", 0), by_one_of_the_others("pwritev", [b"x"], 0),
    by_one_of_the_others("ftruncate", 0), by_one_of_the_others("posix_fallocate", 0, 100),
]  # fmt: skip


def written(path="file"):
    """When a file was written, by everybody who tells it."""
    with os.scandir(os.path.dirname(path) or ".") as entries:
        entry = next(entry for entry in entries if entry.name == os.path.basename(path))
    with open(path) as file:
        found = [os.stat(path), os.lstat(path), os.fstat(file.fileno()), os.stat(file.fileno()), Path(path).stat(), entry.stat()]
    told = {(each.st_mtime, each.st_mtime_ns, each[8]) for each in found} | {(os.path.getmtime(path), found[0].st_mtime_ns, found[0][8])}
    assert len(told) == 1
    seconds, ns, whole = told.pop()
    assert (seconds, whole) == (ns / NS, ns // NS)
    return seconds - EPOCH


@pytest.mark.parametrize("act", WAYS, ids=lambda act: act.__name__)
def test_a_file_was_written_when_the_world_s_clock_says(act):
    with Simulation() as sim:
        sim.sleep(1)
        Path("file").write_text("before")
        sim.sleep(9)
        act()
        sim.sleep(10)
        assert written() == 10
        assert os.stat("file").st_ctime == EPOCH + 10


def test_a_write_counts_when_it_reaches_the_system_also_through_a_file_from_before_the_world():
    with open("file", "w") as file, Simulation() as sim:
        sim.sleep(5)
        file.write("x")
        sim.sleep(5)
        file.flush()
        sim.sleep(5)
        assert written() == 10


def test_a_new_file_has_one_time_and_so_has_its_directory():
    with Simulation() as sim:
        sim.sleep(3)
        os.mkdir("folder")
        assert os.stat("folder").st_mtime == EPOCH + 3
        sim.sleep(3)
        Path("folder/file").touch()
        found = os.stat("folder/file")
        assert {found.st_atime, found.st_mtime, found.st_ctime, os.stat("folder").st_mtime} == {EPOCH + 6}
        sim.sleep(3)
        os.rename("folder/file", "moved")
        assert (os.stat("moved").st_mtime, os.stat("moved").st_ctime, os.stat("folder").st_mtime) == (EPOCH + 6, EPOCH + 9, EPOCH + 9)
        sim.sleep(3)
        os.unlink("moved")
        os.symlink("other", "link")
        assert os.stat(".").st_mtime == os.lstat("link").st_mtime == EPOCH + 12
        os.chmod("other", 0o600)
        assert os.stat("other").st_ctime == EPOCH + 12 > EPOCH == os.stat("other").st_mtime
        with socket.socket(socket.AF_UNIX) as server:
            sim.sleep(3)
            server.bind("socket")
        assert os.stat("socket").st_mtime == EPOCH + 15


def test_temporary_files_and_copies_have_the_world_s_time():
    with Simulation() as sim:
        sim.sleep(4)
        with tempfile.NamedTemporaryFile(dir=".") as file, tempfile.TemporaryFile(dir=".") as nameless:
            assert os.stat(file.name).st_mtime == os.fstat(nameless.fileno()).st_mtime == EPOCH + 4
        folder = tempfile.mkdtemp(dir=".")
        assert os.stat(folder).st_mtime == EPOCH + 4
        assert os.stat(shutil.copyfile("other", "copy")).st_mtime == EPOCH + 4
        assert os.stat(shutil.copy2("other", "twin")).st_mtime_ns == os.stat("other").st_mtime_ns


def test_a_time_that_a_program_sets_is_kept_as_it_said():
    with Simulation() as sim:
        Path("file").touch()
        sim.sleep(7)
        os.utime("file", (1_000_000_000, 1_100_000_000.5))
        found = os.stat("file")
        assert (found.st_atime, found.st_mtime, found.st_ctime) == (1_000_000_000, 1_100_000_000.5, EPOCH + 7)
        os.utime("file")
        assert (os.stat("file").st_atime, os.stat("file").st_mtime) == (EPOCH + 7, EPOCH + 7)
        os.utime("file", ns=(5, EPOCH_NS + 60 * NS))
    assert os.stat("file").st_mtime_ns == EPOCH_NS + 60 * NS, "outside it is what was set"


def test_what_was_there_before_is_as_old_when_the_world_begins_as_it_really_is():
    os.utime("other", ns=(EPOCH_NS, file_times.first_begin() - 3600 * NS))
    with Simulation() as sim:
        sim.sleep(100)
        told = os.stat("other")
        assert told.st_mtime == EPOCH - 3600
        assert told.st_ctime == EPOCH, "what came after the first world's begin was just there"
        with open("other") as file:
            file.read()
        assert os.stat("other").st_atime <= EPOCH, "reading leaves no trace in the world"


def test_worlds_of_one_process_tell_the_same_of_what_they_did_not_touch():
    told = []
    for _ in range(3):
        with Simulation():
            told.append(os.stat(__file__).st_mtime_ns)
        time.sleep(0.001)
    assert len(set(told)) == 1
    assert told[0] <= EPOCH_NS


def test_what_changes_behind_the_world_s_back_changes_when_somebody_looks():
    with Simulation() as sim:
        began = file_times._real_ns()
        while file_times._real_ns() <= began + TICK_NS:
            pass
        sim.sleep(1)
        with contextlib.closing(sqlite3.connect("base")) as base:  # C code that writes by itself
            base.execute("create table a (b)")
        sim.sleep(4)
        assert written("base") == 5
        sim.sleep(5)
        assert written("base") == 5


def test_outside_the_world_files_have_their_real_times():
    before = time.time()
    with Simulation() as sim:
        sim.sleep(1000)
        Path("file").write_text("x")
        told = os.stat("file")
    assert before - 60 < os.stat("file").st_mtime < before + 3600
    assert told.st_mtime == EPOCH + 1000
    assert type(told) is os.stat_result
    assert pickle.loads(pickle.dumps(told)) == told
    assert (told.st_size, told.st_mode, told.st_blksize) == (1, os.stat("file").st_mode, os.stat("file").st_blksize)


def test_the_clock_of_the_writer_s_host_counts():
    with Simulation() as sim:
        late = sim.host("late", clock_skew=-100)
        sim.sleep(1)
        late.spawn(lambda: Path("file").write_text("x"))
        sim.settle()
        assert written() == -99


def test_compiled_modules_are_known_by_their_sources_real_times(monkeypatch):
    Path("made_here.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(os.getcwd())
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    module = importlib.import_module("made_here")
    (compiled,) = Path("__pycache__").iterdir()
    real = compiled.stat().st_mtime_ns
    with Simulation(keep_imports=True):
        importlib.reload(module)
    assert compiled.stat().st_mtime_ns == real, "it was good, and not written anew"


def test_logs_rotate_by_the_world_s_clock():
    for day in range(2):
        with Simulation(start_time=f"2026-03-0{day + 1}T12:00:00+00:00") as sim:
            handler = logging.handlers.TimedRotatingFileHandler("log", when="midnight", utc=True)
            log = logging.Logger("rotating")
            log.addHandler(handler)
            log.warning("at noon")
            sim.sleep("23h")
            log.warning("at eleven")
            handler.close()
            again = logging.handlers.TimedRotatingFileHandler("log", when="midnight", utc=True)
            assert again.rolloverAt == calendar.timegm((2026, 3, day + 3, 0, 0, 0))
            again.close()


def test_a_maildir_sees_letters_come():
    with Simulation() as sim:
        box = mailbox.Maildir("box", create=True)
        sim.sleep(10)
        assert len(box) == 0
        key = mailbox.Maildir("box").add("Subject: hello\n\n")
        sim.sleep(10)
        assert list(box.keys()) == [key]
        box.close()


def test_methods_in_c_are_what_they_were_after_the_session():
    kind = io.FileIO
    before = [vars(kind)["write"], vars(kind)["truncate"], vars(os.DirEntry)["stat"]]
    with Simulation():
        assert vars(kind)["write"] is not before[0]
    assert [vars(kind)["write"], vars(kind)["truncate"], vars(os.DirEntry)["stat"]] == before
