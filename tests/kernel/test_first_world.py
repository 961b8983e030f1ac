"""The first world of a process is the run that its later ones are, also where a library makes something once and keeps it."""

from __future__ import annotations

import logging
import threading

import pytest

import simsock
from simsock.search.runner import Runner
from simsock.world.options import Options

PROGRAMS = {
    "a logger that is asked for the first time": "import logging\ndef act(sim): logging.getLogger('app').debug('nobody hears it')",
    "logging imported in the world": "def act(sim):\n    import logging\n    logging.getLogger('app').debug('nobody hears it')",
    "an event loop": "def act(sim):\n    import asyncio\n    asyncio.run(asyncio.sleep(0.1))",
    "an event loop, asyncio imported before": "import asyncio\ndef act(sim): asyncio.run(asyncio.sleep(0.1))",
    "the folder of temporary files": "import tempfile\ndef act(sim): tempfile.gettempdir()",
    "numbers drawn after that": "import random, tempfile\ndef act(sim):\n tempfile.gettempdir()\n sim.sleep(random.Random().random())",
    "a time that is parsed": "import time\ndef act(sim): time.strptime('2000', '%Y')",
    "processes": "import os\ndef act(sim):\n    pid = os.fork()\n    if not pid: os._exit(3)\n    os.waitpid(pid, 0)",
    "programs": "import subprocess, sys\ndef act(sim): subprocess.run([sys.executable, '-c', 'pass'], check=True)",
    "a server of the framework": "def act(sim):\n    from simsock.socketserver import ThreadingTCPServer\n    ThreadingTCPServer(('', 0), None).server_close()",
    "links with jitter": "def act(sim): sim.link('a', 'b', latency='1ms', jitter='1ms', distribution='normal')",
    "the threads of the network, unpatched": "OPTIONS = {'patch': False}\ndef act(sim): sim.network.threading.Lock()",
    "the queue of the framework, unpatched": "OPTIONS = {'patch': False}\ndef act(sim):\n    from simsock.stdlib import queue\n    queue.Queue()",
}
RUN = """
import simsock
OPTIONS = {}
%s
def run():
    with simsock.Simulation(seed=3, strategy="random", **OPTIONS) as sim:
        tasks = [sim.spawn(act, sim) for _ in range(3)]
        [task.result() for task in tasks]
        return sim.digest, sim._kernel.steps
print(run() == run() == run())
"""


@pytest.mark.parametrize("what", PROGRAMS)
def test_the_first_world_of_a_process_is_like_the_second(python, what):
    assert python("-c", RUN % PROGRAMS[what]) == "True\n"


def test_a_lock_of_the_standard_library_is_still_waited_for(sim):
    """It is no point while it is free; who finds it taken waits."""
    order = []

    def holds():
        with logging._lock, logging._lock:
            order.append("has it")
            sim.sleep(1)
            order.append("lets go")

    def waits():
        with logging._lock:
            order.append(sim.now)

    tasks = [sim.spawn(holds), sim.spawn(waits)]
    for task in tasks:
        task.result()
    assert order == ["has it", "lets go", 1.0]
    with pytest.raises(RuntimeError):
        logging._lock.release()


def test_a_world_of_a_search_and_one_alone_have_one_digest():
    """Garbage is collected at another time after them; what that closes is in neither."""

    def test(sim):
        one, other = sim.network.socket.socketpair()
        other.send(b"unread")
        holder = [one, other]
        holder.append(holder)

    with simsock.Simulation(seed=1) as sim:
        test(sim)
    with Runner(test, Options()) as runner:
        assert runner.run(1, digest=True).digest == sim.digest


def test_tables_of_waits_count_only_what_this_world_has_made():
    """What an earlier world left as garbage has the same numbers."""

    def test(sim):
        holder = [threading.Event(), threading.Event()]
        holder.append(holder)
        threading.Event().wait()

    with Runner(test, Options()) as runner:
        said = {str(runner.run(1).error) for _ in range(3)}
    assert len(said) == 1
    assert "Event-3" in said.pop()


def test_who_waited_in_vain_is_named_in_the_same_words_in_every_run():
    with (
        simsock.Simulation() as sim,
        pytest.raises(TimeoutError, match=r"run_until: test_who_waited_in_vain.*lambda>\(\) \(tests/kernel/test_first_world.py:\d+\) was still"),
    ):
        sim.run_until(lambda: False, timeout=1)
