"""``redis-py`` with the tiny Redis of this folder."""

from __future__ import annotations

import threading
import time

import pytest

from .servers import Resp, ThreadingServer, serving

redis = pytest.importorskip("redis")


def running(sim):
    """The tiny Redis on its host; its context."""
    with sim.host("server"):
        server = ThreadingServer(Resp, data={}, lists={}, changed=threading.Condition())
    return serving(server, sim.host("server"))


def connect(port, **options):
    """A client that waits as long as the network needs."""
    return redis.Redis("server", port, **{"protocol": 2, "socket_timeout": None, **options})


def test_values_expire_in_virtual_time_and_counters_count(run_everywhere):
    def program(sim):
        with running(sim) as port, sim.host("client"), connect(port, decode_responses=True) as client:
            seen = [client.ping(), client.set("a", "value"), client.get("a"), client.get("b")]
            client.set("short", "x", ex=60)
            seen.append(client.get("short"))
            time.sleep(61)
            seen += [client.get("short"), client.get("a")]
            seen += [client.incr("n") for _ in range(3)]
            with pytest.raises(redis.ResponseError, match="unknown command"):
                client.execute_command("NOTHING")
            pipeline = client.pipeline(transaction=False)
            for number in range(50):
                pipeline.set(f"key{number}", "v" * number)
            pipeline.get("key49")
            seen.append(pipeline.execute()[-1])
        return seen

    assert run_everywhere(program) == [True, True, "value", None, "x", None, "value", 1, 2, 3, "v" * 49]


def test_a_worker_waits_for_its_list(run_everywhere):
    def program(sim):
        def work():
            with sim.host("worker"), connect(port) as mine:
                while (item := mine.blpop(["jobs"], timeout=0)) and item[1] != b"stop":
                    done.append(item[1])

        done = []
        with running(sim) as port, sim.host("client"), connect(port) as client:
            worker = threading.Thread(target=work)
            worker.start()
            for number in range(5):
                client.rpush("jobs", f"job {number}")
                time.sleep(30)
            client.rpush("jobs", "stop")
            worker.join()
        return done

    assert run_everywhere(program) == [b"job %d" % number for number in range(5)]


def test_counting_from_many_threads_loses_nothing(run_everywhere):
    def program(sim):
        def count():
            for _ in range(5):
                client.incr("n")

        with running(sim) as port, sim.host("client"), connect(port) as client:
            threads = [threading.Thread(target=count) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return client.get("n")

    assert run_everywhere(program) == b"20"


def test_a_server_that_does_not_answer_in_time(run):
    class Silent(Resp):
        def handle(self):
            time.sleep(100)

    def program(sim):
        with sim.host("server"):
            server = ThreadingServer(Silent)
        with serving(server, sim.host("server")) as port, sim.host("client"), connect(port, socket_timeout=5, retry=None) as client:
            before = time.monotonic()
            with pytest.raises(redis.TimeoutError):
                client.ping()
            return time.monotonic() - before

    assert run(program) == pytest.approx(5)
