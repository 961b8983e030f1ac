"""Python programs that a world's program starts: they find what a fresh interpreter finds, and take part in the world."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

import simsock
from simsock import Fenced, Unsupported
from simsock.kernel.files import FIRST_DESCRIPTOR

PYTHON = sys.executable
counted = 0


def run(*words, **options):
    return subprocess.run([PYTHON, *words], capture_output=True, text=True, **options)


def test_a_program_speaks_through_pipes_on_the_worlds_clock_and_starts_without_its_starters_memory(world, tmp_path):
    global counted
    counted = 7
    (tmp_path / "program.py").write_text(
        "import sys, time, os\n"
        "time.sleep(3600)\n"
        "print(__name__, sys.argv, sys.path[0], __file__, os.environ['WORD'], os.getcwd())\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('pytest', 'tests', 'conftest')))\n"
        "print(sys.stdin.read().upper(), file=sys.stderr)\n"
        "import counter; print(counter.counted)\n"
        "sys.exit(3)\n"
    )
    (tmp_path / "counter.py").write_text("counted = 0\n")
    script = str(tmp_path / "program.py")
    done = run(script, "a", "b", input="words", env={**os.environ, "WORD": "here"}, cwd=tmp_path)
    assert done.returncode == 3
    first, *rest = done.stdout.splitlines()
    assert first == f"__main__ {[script, 'a', 'b']} {tmp_path} {script} here {tmp_path}"
    assert rest == ["[]", "0"]
    assert done.stderr == "WORDS\n"
    assert round(world.now) == 3600


def test_a_guard_over_functions_of_files_sees_no_look_of_the_worlds_own(world, tmp_path, monkeypatch):
    """A guard over calls that block an event loop, say, which asks in which code it is called."""

    def guarded(function):
        def call(*args, **kwargs):
            if sys._getframe(1).f_globals.get("__name__", "").startswith("simsock"):
                asked.append(function.__name__)
            return function(*args, **kwargs)

        return call

    asked = []
    (tmp_path / "script").write_text(f"#!{PYTHON}\nprint(1)\n")
    (tmp_path / "script").chmod(0o755)
    for name in ("stat", "lstat", "access", "readlink", "listdir", "scandir", "getcwd", "open", "read", "close"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name)))
    for name in ("isdir", "isfile", "exists", "realpath", "abspath", "samefile", "samestat"):
        monkeypatch.setattr(os.path, name, guarded(getattr(os.path, name)))
    assert run("-c", "print(1)", cwd=tmp_path).stdout == "1\n"
    assert subprocess.run([tmp_path / "script"], capture_output=True).stdout == b"1\n"
    with pytest.raises(Fenced, match=r"ls is no Python program"):
        subprocess.run(["ls"])
    assert asked == []


def test_the_ways_to_name_a_program(world, tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "__main__.py").write_text("import sys; print(__package__, sys.argv[1:])\n")
    (tmp_path / "script").write_text("#!/usr/bin/env python3\nimport sys; print(sys.argv[1:])\n")
    (tmp_path / "script").chmod(0o755)
    inside = {"cwd": tmp_path, "env": {**os.environ, "PATH": f"{os.path.dirname(PYTHON)}:{os.environ['PATH']}"}}
    assert run("-m", "package", "x", **inside).stdout == "package ['x']\n"
    assert subprocess.check_output([tmp_path / "script", "y"], **inside) == b"['y']\n"
    assert run("-c", "import sys; print(sys.argv)", "z").stdout == "['-c', 'z']\n"
    assert run("-", input="print(__name__)").stdout == "__main__\n"
    assert run(str(tmp_path / "package")).stdout == " []\n"
    assert run("--version").stdout == f"Python {sys.version.split()[0]}\n"
    assert subprocess.getoutput(f"{PYTHON} -c 'print(5)'") == "5"
    assert subprocess.run(["python", "-c", "print(6)"], stdout=subprocess.PIPE, **inside).stdout == b"6\n"


def test_how_programs_end_is_their_exit_status(world):
    done = run("-c", "def wrong():\n    1 / 0\nwrong()")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith('  File "<string>", line 3, in <module>')
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert run("-c", "raise SystemExit('gone')").stderr == "gone\n"
    assert run("-c", "import os; print('lost'); os._exit(9)").returncode == 9
    assert run("-c", "import atexit; atexit.register(print, 'last'); print('first')").stdout == "first\nlast\n"
    missing = run("/no/such/file.py")
    assert (missing.returncode, missing.stderr) == (2, f"{PYTHON}: can't open file '/no/such/file.py': [Errno 2] No such file or directory\n")
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.check_call([PYTHON, "-c", "raise SystemExit(1)"])


def test_a_program_that_hangs_is_timed_out_terminated_and_killed(world):
    code = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(5))\nprint('ready', flush=True)\ntime.sleep(100)"
    with subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        assert process.poll() is None
        process.terminate()
        assert process.wait() == 5
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen([PYTHON, "-c", "import time; time.sleep(100)"], stderr=subprocess.DEVNULL)
        time.sleep(1)
        process.send_signal(number)
        assert process.wait() == -number
    with pytest.raises(subprocess.TimeoutExpired):
        run("-c", "import time; time.sleep(100)", timeout=20)
    assert 33 <= world.now < 34


def test_streams_go_where_they_are_sent(world, tmp_path):
    with open(tmp_path / "out", "w") as out:
        subprocess.run([PYTHON, "-c", "import sys; print(1); print(2, file=sys.stderr)"], stdout=out, stderr=subprocess.STDOUT, check=True)
    assert sorted((tmp_path / "out").read_text().split()) == ["1", "2"]
    both = subprocess.run([PYTHON, "-u", "-c", "import sys; print(1); print(2, file=sys.stderr)"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert both.stdout == b"1\n2\n"
    reading, writing = os.pipe()
    code = f"import os; os.write({writing}, b'passed'); os.write(1, b'low'); os.fstat({reading})"
    with subprocess.Popen([PYTHON, "-c", code], pass_fds=[writing], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert os.read(reading, 10) == b"passed"
        out, errors = process.communicate()
    assert out == "low"
    assert errors.endswith("OSError: [Errno 9] Bad file descriptor\n")


def test_a_started_server_is_reached_over_the_worlds_network(world):
    code = (
        "import socket\n"
        "with socket.create_server(('127.0.0.1', 80)) as server:\n"
        "    print('listening', flush=True)\n"
        "    conn, _ = server.accept()\n"
        "    conn.sendall(conn.recv(100).upper())\n"
    )
    with subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "listening\n"
        with socket.create_connection(("127.0.0.1", 80)) as conn:
            conn.sendall(b"hello")
            assert conn.recv(100) == b"HELLO"
    assert process.returncode == 0


def test_asyncio_starts_programs(world):
    async def main():
        process = await asyncio.create_subprocess_exec(
            PYTHON, "-c", "import sys, time; time.sleep(5); print(sys.stdin.read()[::-1])", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate(b"abc")
        return out, await process.wait()

    assert asyncio.run(main()) == (b"cba\n", 0)


@pytest.mark.parametrize("command", [["true"], ["sh", "-c", "echo $HOME"], ["sh", "-c", "exit 3"], ["env", "no-such-program"], [PYTHON, "-O", "-c", "pass"]])
def test_what_cannot_take_part_is_refused_by_name(world, command):
    with pytest.raises(Fenced, match=r"subprocess\.Popen.*only Python programs"):
        subprocess.run(command)


def test_other_users_are_refused_and_errors_of_the_system_are_its_own(world):
    with pytest.raises(Unsupported, match="user=65534 changes who the process is"):
        run("-c", "", user=65534)
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        subprocess.run(["no-such-program"])
    with pytest.raises(FileNotFoundError, match="'/no/folder'"):
        run("-c", "", cwd="/no/folder")
    with pytest.raises(NotADirectoryError) as caught:
        run("-c", "", cwd=__file__)
    assert caught.value.filename == __file__


def test_a_program_is_looked_for_in_the_folder_that_it_is_started_in(world, tmp_path):
    (tmp_path / "script").write_text(f"#!{PYTHON}\nimport os, sys; print(sys.argv, os.getcwd())\n")
    (tmp_path / "script").chmod(0o755)
    assert subprocess.check_output(["./script", "x"], cwd=tmp_path, text=True) == f"['./script', 'x'] {tmp_path}\n"


def test_a_program_begins_with_the_umask_and_in_the_group_that_its_starter_says(world):
    code = "import os; print(os.umask(0), os.getpgrp() == os.getpid())"
    assert run("-c", code, umask=0o27).stdout == f"{0o27} False\n"
    assert run("-c", code, umask=0, start_new_session=True).stdout == "0 True\n"
    sleeps = [PYTHON, "-c", "import time; time.sleep(100)"]
    leader = subprocess.Popen(sleeps, process_group=0)
    follower = subprocess.Popen(sleeps, process_group=leader.pid)
    os.killpg(leader.pid, signal.SIGTERM)
    assert (leader.wait(), follower.wait()) == (-signal.SIGTERM, -signal.SIGTERM)


BOTH = "import os; os.write(1, b'out '); os.write(2, b'err ')"


def test_a_stream_may_be_one_that_another_one_takes_the_place_of(world, capfd):
    assert subprocess.run([PYTHON, "-c", BOTH], stdout=subprocess.PIPE, stderr=1).stdout == b"out "
    assert capfd.readouterr() == ("err ", "")
    subprocess.run([PYTHON, "-c", BOTH], stdout=2, stderr=1)
    assert capfd.readouterr() == ("err ", "out ")
    reading, writing = os.pipe()
    pid = os.posix_spawn(PYTHON, [PYTHON, "-c", BOTH], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, 1, 2)])
    os.close(writing)
    assert os.waitpid(pid, 0) == (pid, 0)
    assert os.read(reading, 100) == b"out err "


def test_a_descriptor_that_is_not_open_is_not_given_to_a_program(world):
    real = os.open(os.devnull, os.O_RDONLY)
    os.close(real)
    for fd in (real, FIRST_DESCRIPTOR + 500):
        for options in ({"stdin": fd}, {"pass_fds": [fd]}):
            with pytest.raises(OSError, match="Bad file descriptor"):
                subprocess.run([PYTHON, "-c", "pass"], **options)


def test_a_program_that_closes_its_streams_is_told_of_its_sockets_by_their_numbers(world):
    code = (
        "import os, select, socket, sys\n"
        "os.close(0)\n"
        "os.close(1)\n"
        "socks = [end for _ in range(6) for end in socket.socketpair()]\n"
        "poll = select.poll()\n"
        "for sock in socks:\n"
        "    sock.send(b'x')\n"
        "    poll.register(sock, select.POLLIN)\n"
        "print(sorted(fd for fd, _ in poll.poll()) == sorted(sock.fileno() for sock in socks), file=sys.stderr)\n"
    )
    assert run("-c", code, input="").stderr == "True\n"


def test_what_threads_of_a_program_raise_is_on_its_standard_error_and_fails_no_test(world):
    done = run(
        "-c",
        "import threading, _thread, time\n"
        "def wrong(): 1 / 0\n"
        "thread = threading.Thread(target=wrong, name='worker')\n"
        "thread.start()\n"
        "thread.join()\n"
        "_thread.start_new_thread(wrong, ())\n"
        "time.sleep(1)\n"
        "print('end')\n",
    )
    assert (done.returncode, done.stdout) == (0, "end\n")
    assert done.stderr.startswith("Exception in thread worker:\nTraceback (most recent call last):\n")
    assert "Exception ignored in thread started by" in done.stderr
    assert done.stderr.count("ZeroDivisionError: division by zero\n") == 2
    assert "simsock" not in done.stderr


def test_what_a_handler_of_a_started_server_raises_fails_the_test():
    code = (
        "import socket, socketserver\n"
        "class Handler(socketserver.BaseRequestHandler):\n"
        "    def handle(self): raise LookupError('in a handler')\n"
        "with socketserver.TCPServer(('127.0.0.1', 0), Handler) as server:\n"
        "    client = socket.create_connection(server.server_address)\n"
        "    server.handle_request()\n"
    )
    with pytest.raises(LookupError, match="in a handler"), simsock.Simulation():
        assert "LookupError: in a handler" in run("-c", code).stderr


def test_an_error_of_the_worlds_own_in_a_thread_of_a_program_fails_the_test():
    with pytest.raises(Unsupported, match=r"socket\.setdefaulttimeout"), simsock.Simulation():
        assert "socket.setdefaulttimeout" in run("-c", "import socket, threading; threading.Thread(target=socket.setdefaulttimeout, args=(1,)).start()").stderr


def test_a_standard_output_that_is_gone_changes_the_exit_status_as_really(world):
    assert run("-c", "import sys; sys.stdout = None; sys.exit('words')").stderr == "words\n"
    for end in ("", "1 / 0", "sys.exit(3)", "sys.exit('words')"):
        code = f"import sys, time; time.sleep(1); sys.stdout.reconfigure(line_buffering=False, write_through=False); print('x'); {end}"
        with subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={}, text=True) as process:
            process.stdout.close()
            assert "BrokenPipeError" in process.stderr.read()
        assert process.returncode == 120


def test_the_os_of_a_worlds_network_starts_programs_as_os_does_and_refuses_the_others_by_name(world):
    calls = world.network.os
    assert calls.waitpid(calls.posix_spawn(PYTHON, [PYTHON, "-c", "raise SystemExit(3)"], os.environ), 0)[1] == 3 << 8
    with pytest.raises(Unsupported, match=r"os\.system: it is not simulated; Python programs that subprocess or os\.posix_spawn starts"):
        calls.system("true")


COUNTS = """
import socket, sys
reading, writing = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
seen = int(reading.recv(10, socket.MSG_PEEK))
reading.recv(10)
writing.sendall(b"%d" % (seen + 1))
"""


def two_programs_count(sim):
    counter = socket.socketpair()
    counter[1].sendall(b"0")
    fds = [end.fileno() for end in counter]
    processes = [subprocess.Popen([PYTHON, "-c", COUNTS, *map(str, fds)], pass_fds=fds) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert counter[0].recv(10) == b"2"


def test_a_race_between_programs_is_found_and_repeated():
    verdict = simsock.explore(two_programs_count, schedules=20, shrink=False)
    assert verdict.status == "fails"
    with pytest.raises(AssertionError):
        simsock.replay(two_programs_count, verdict.token)


def test_a_program_is_the_same_run_again_and_is_gone_with_its_world():
    def left():
        with simsock.Simulation(seed=5) as sim:
            run("-c", "import random, uuid; print(random.random(), uuid.uuid4())")
            context = multiprocessing.get_context("spawn")
            context.Process(target=time.sleep, args=(100,)).start()
            sim.sleep(1)
        return sim.digest

    def digest():
        with pytest.warns(simsock.LeakWarning):
            return left()

    open_before = os.listdir("/proc/self/fd")
    assert digest() == digest()
    assert os.listdir("/proc/self/fd") == open_before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_world_in_a_program_of_a_world_is_refused_by_name():
    with pytest.raises(Unsupported, match="a world within a world"), simsock.Simulation():
        run("-c", "import simsock\nwith simsock.Simulation(): print('never')")


def test_programs_start_programs(world, tmp_path):
    (tmp_path / "parent.py").write_text(
        "import os, subprocess, sys\n"
        "words = 'import os, sys; print(os.getpid(), os.getppid(), os.getcwd(), sys.stdin.read())'\n"
        "print(subprocess.check_output([sys.executable, '-c', words], input='in', cwd='/', text=True), end='', flush=True)\n"
        "subprocess.run([sys.executable, '-c', 'print(\"inherited\")'])\n"
        "with open('file', 'w') as file:\n"
        "    file.write('one ')\n"
        "    file.flush()\n"
        "    subprocess.run([sys.executable, '-c', 'print(\"two\")'], stdout=file)\n"
        "    file.write('three')\n"
    )
    done = run("parent.py", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("5000002 5000001 / in\ninherited\n", "")
    assert (tmp_path / "file").read_text() == "one two\nthree"


def test_a_descriptor_of_a_process_tells_its_end(world):
    process = subprocess.Popen([PYTHON, "-c", "import time; time.sleep(100)"])
    fd = os.pidfd_open(process.pid)
    assert select.select([fd], [], [], 1)[0] == []
    signal.pidfd_send_signal(fd, signal.SIGTERM)
    assert select.select([fd], [], [], 1)[0] == [fd]
    assert os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOWAIT).si_status == signal.SIGTERM
    assert process.wait() == -signal.SIGTERM


def test_a_race_between_threads_of_a_program_is_found_among_its_lines(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import threading\n"
        "counter = 0\n"
        "def count():\n"
        "    global counter\n"
        "    seen = counter\n"
        "    counter = seen + 1\n"
        "threads = [threading.Thread(target=count) for _ in range(2)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "print(counter)\n"
    )

    def counted(seed):
        with simsock.Simulation(seed=seed, strategy="random", preempt="lines", scope=[tmp_path]):
            return subprocess.check_output([PYTHON, program])

    assert any(counted(seed) == b"1\n" for seed in range(20))


def test_the_standard_librarys_own_server_is_a_program_in_the_world(world, tmp_path):
    (tmp_path / "page.txt").write_text("words")
    command = [PYTHON, "-u", "-m", "http.server", "8000", "--directory", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("Serving HTTP on")
        assert urllib.request.urlopen("http://127.0.0.1:8000/page.txt").read() == b"words"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate()
    assert "Keyboard interrupt received" in out
    assert "GET /page.txt" in errors
