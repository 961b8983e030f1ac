"""The story of a failing run: which words are used for which deviation, and that listening changes nothing."""

import gc
import re
import weakref
from pathlib import Path

import pytest

import simsock
import simsock.socketserver
from simsock.choices import Deviation
from simsock.report.listening import Listener, Pick
from simsock.report.story import Story, Teller, Words, one_line
from simsock.search.runner import Runner
from simsock.socketserver import BaseRequestHandler, StreamRequestHandler, ThreadingTCPServer
from simsock.world.options import Options

HERE = Path(__file__).name


def line_with(text):
    """The number of the one line of this file that ends in a remark."""
    numbers = [number for number, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.endswith(f"# {text}")]
    assert len(numbers) == 1, (text, numbers)
    return numbers[0]


class Counting(StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        count = self.server.count  # read
        count += 1  # add
        self.server.count = count  # write
        self.wfile.write(b"%d\n" % count)


class CountingServer(ThreadingTCPServer):
    count = 0


def lost_update(sim):
    served = sim.serve(CountingServer, Counting)
    clients = [sim.connect(served) for _ in range(2)]
    for client in clients:
        client.sendall(b"hello\n")
    for client in clients:
        assert client.recv(10)
    sim.settle()
    assert served.server.count == 2  # check


def stale_read(sim):
    """Fails when the reader reads before the writer writes, and writes after it."""
    threading = sim.network.threading
    box = [0]
    lock = threading.Lock()

    def reader():
        seen = box[0]  # reader reads
        with lock:  # reader locks
            box[0] = seen + 1

    def writer():
        with lock:
            box[0] += 1

    threads = [threading.Thread(target=reader), threading.Thread(target=writer)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()  # joins
    assert box[0] == 2


class TenBytes(BaseRequestHandler):
    def handle(self):
        data = self.request.recv(100)
        assert len(data) == 10, data


def ten_bytes_in_time(sim):
    served = sim.serve(TenBytes)
    client = sim.connect(served)
    before = sim.now_ns
    client.sendall(b"0123456789")
    client.recv(1)
    took = sim.now_ns - before
    if not sim.errors:
        assert took == 10_000_000, took


def dull(sim):
    assert sim.now > 3


def told(test, deviations, **options):
    """The story of one run of a test, given its deviations, and that run's outcome."""
    with Runner(test, Options(**options)) as runner:
        teller = Teller()
        outcome = runner.run(0, tuple(Deviation(*deviation) for deviation in deviations), prepare=teller.listen)
        return teller.story(outcome.error, outcome.deviations), outcome


# -- words -------------------------------------------------------------------------------------------------------------------------------


def one_switch_each(test, label, count, **options):
    """The stories of runs in which one task is switched out once, at each of its first points, by the index of the point."""
    stories = {}
    for index in range(count):
        story, outcome = told(test, [(label, index, 1)], **options)
        if outcome.deviations:
            stories[index] = story, outcome
    return stories


def test_a_lost_update_is_told_in_one_plain_sentence():
    stories = one_switch_each(lost_update, "task server-1/handler-1 schedule", 12, preempt="lines")
    failing = [str(story.steps[0]) for story, outcome in stories.values() if outcome.error is not None]
    add, write = line_with("add"), line_with("write")
    assert failing == [f"task handler-2 ran between {HERE}:{add} and {HERE}:{write} of handler-1"], "adding touches nothing that others see"


def test_a_search_tells_a_lost_update_in_at_most_three_steps_one_of_them_between_reading_and_writing():
    verdict = simsock.explore(lost_update, schedules=200)
    assert verdict.failed
    assert len(verdict.deviations) <= 3
    read, add, write = (line_with(text) for text in ("read", "add", "write"))
    between = [
        match for step in verdict.deviations if (match := re.fullmatch(rf"task \S+ ran between {HERE}:(\d+) and {HERE}:(\d+) of handler-[12]", str(step)))
    ]
    assert any((int(match[1]), int(match[2])) in [(read, add), (add, write)] for match in between)
    assert all(str(step) in str(verdict) for step in verdict.deviations)


def test_a_step_has_the_deviation_beside_its_words():
    deviation = ("task server-1/handler-1 schedule", 4, 1)
    story, _ = told(lost_update, [deviation], preempt="lines")
    step = story.steps[0]
    assert (step.label, step.index, step.value) == deviation
    assert step.text == str(step)


def test_a_parked_task_is_told_with_what_it_waited_for_who_went_on_and_instead_of_whom():
    join = line_with("joins")
    texts = [str(story.steps[0]) for story, _ in one_switch_each(stale_read, "task main schedule", 8, preempt="calls").values()]
    assert f"when main waited (join, {HERE}:{join}), writer-1 went on instead of reader-1" in texts


def test_a_switch_at_a_simulated_call_names_the_call_and_its_line():
    locks = line_with("reader locks")
    texts = [str(story.steps[0]) for story, _ in one_switch_each(stale_read, "task reader-1 schedule", 6, preempt="calls").values()]
    assert f"task writer-1 ran before Lock.acquire of reader-1 ({HERE}:{locks})" in texts


def test_a_switch_in_code_that_is_not_the_programs_names_the_call_only():
    texts = [str(story.steps[0]) for story, _ in one_switch_each(lost_update, "task server-1 schedule", 30, preempt="calls").values()]
    assert any(re.fullmatch(r"task \S+ ran before Thread.start of server-1", text) for text in texts), texts
    assert not any("?" in text or ".py" in text for text in texts)


def test_a_switch_inside_a_line_is_told_as_such():
    locks = line_with("reader locks")
    texts = [str(story.steps[0]) for story, _ in one_switch_each(stale_read, "task reader-1 schedule", 12, preempt="instructions").values()]
    assert f"task writer-1 ran in the middle of {HERE}:{locks} of reader-1" in texts
    assert f"task writer-1 ran between {HERE}:{line_with('reader reads')} and {HERE}:{locks} of reader-1" in texts


def test_a_switch_between_two_rounds_of_one_line_is_told_as_before_it():
    pick = Pick("task one schedule", 0, 0, "line", "one", (__file__, 7), (__file__, 7), "", "two", "one", ())
    assert Words(Listener("lines")).of_pick(pick).startswith("task two ran before ")
    assert Words(Listener("lines")).of_pick(pick._replace(before=(__file__, 6))).startswith("task two ran between ")


def test_lines_of_the_server_framework_are_told_when_it_was_named_as_part_of_what_is_searched():
    options = {"preempt": "lines", "scope": [simsock.socketserver, __file__]}
    texts = [str(story.steps[0]) for story, _ in one_switch_each(lost_update, "task server-1 schedule", 60, **options).values()]
    assert any(re.fullmatch(r"task \S+ ran between \w+\.py:\d+ and base\.py:\d+ of server-1", text) for text in texts), texts


def test_a_task_that_had_ended_is_told_as_ended():
    def three(sim):
        tasks = [sim.spawn(lambda: None, name=name) for name in ("one", "two", "three")]
        for task in tasks:
            task.result()

    texts = [str(story.steps[0]) for story, _ in one_switch_each(three, "task one schedule", 4, preempt="calls").values()]
    assert texts == ["when one had ended, three went on instead of two"]


def test_a_task_that_only_let_others_go_first_is_told_as_giving_way():
    def polite(sim):
        def nap():
            sim.sleep(0)  # gives way

        tasks = [sim.spawn(nap, name=name) for name in ("one", "two", "three")]
        for task in tasks:
            task.result()

    texts = [str(story.steps[0]) for story, _ in one_switch_each(polite, "task one schedule", 4, preempt="calls").values()]
    assert f"when one gave way ({HERE}:{line_with('gives way')}), three went on instead of two" in texts


def test_a_lost_packet_is_counted_from_one_and_named_with_its_direction():
    story, outcome = told(ten_bytes_in_time, [("link client->server loss", 2, 1)], link=simsock.Link(latency="5ms", loss=0.1))
    assert [str(step) for step in story.steps] == ["packet 3 client->server was lost"]
    assert isinstance(outcome.error, AssertionError)


@pytest.mark.parametrize(("answer", "words"), [(2 * 3_000_000 - 1, "took 3 ms longer"), (2 * 1_500_000, "took 1.5 ms shorter"), (1, "took 1 ns longer")])
def test_jitter_is_told_as_time(answer, words):
    story, _ = told(ten_bytes_in_time, [("link client->server jitter", 1, answer)], link=simsock.Link(latency="5ms", jitter="4ms"))
    assert [str(step) for step in story.steps] == [f"packet 2 client->server {words}"]


def test_jitter_that_would_be_more_than_the_latency_is_told_as_what_it_came_to():
    story, _ = told(ten_bytes_in_time, [("link client->server jitter", 1, 2 * 4_000_000)], link=simsock.Link(latency="1ms", jitter="4ms"))
    assert [str(step) for step in story.steps] == ["packet 2 client->server took 1 ms shorter"]


def test_packets_have_one_number_whether_they_are_lost_or_late():
    deviations = [("link client->server loss", 1, 1), ("link client->server jitter", 1, 1)]
    story, _ = told(ten_bytes_in_time, deviations, link=simsock.Link(latency="5ms", jitter="4ms", loss=0.1))
    assert [str(step) for step in story.steps] == ["packet 2 client->server was lost", "packet 3 client->server took 1 ns longer"]


@pytest.mark.parametrize(
    ("deviation", "words"),
    [
        (("link client->server corrupt", 1, 1), "packet 2 client->server was damaged"),
        (("link client->server reorder", 1, 1), "packet 2 client->server overtook those before it"),
    ],
)
def test_damage_and_reordering_are_told_by_packet(deviation, words):
    story, _ = told(ten_bytes_in_time, [deviation], link=simsock.Link(latency="5ms", corrupt=0.1, reorder=0.1))
    assert [str(step) for step in story.steps] == [words]


def test_a_packet_after_lost_and_damaged_ones_has_its_number_among_all():
    deviations = [("link client->server loss", 0, 1), ("link client->server corrupt", 0, 1), ("link client->server jitter", 0, 1)]
    story, _ = told(ten_bytes_in_time, deviations, link=simsock.Link(latency="5ms", jitter="4ms", loss=0.1, corrupt=0.1))
    words = ["packet 1 client->server was lost", "packet 2 client->server was damaged", "packet 3 client->server took 1 ns longer"]
    assert [str(step) for step in story.steps] == words


def test_a_burst_of_losses_is_told_as_one():
    link = simsock.Link(latency="5ms", loss=simsock.GilbertElliott(0.1, 0.5))
    story, outcome = told(ten_bytes_in_time, [("link client->server burst", 1, 1), ("link client->server burst goes on", 0, 1)], link=link)
    assert [str(step) for step in story.steps] == ["a burst of losses client->server began", "the burst of losses client->server went on"]
    assert isinstance(outcome.error, AssertionError)


def test_a_duplicate_is_told_with_its_datagram():
    def twice(sim):
        inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
        for data in (b"one", b"two"):
            sender.sendto(data, inbox.getsockname())
        assert [inbox.recv(10) for _ in range(3)] != [b"one", b"two", b"two"]

    story, outcome = told(twice, [("link client->server duplicate", 1, 1)], link=simsock.Link(duplicate=0.1))
    assert [str(step) for step in story.steps] == ["datagram 2 client->server was sent twice"]
    assert isinstance(outcome.error, AssertionError)


def test_a_cut_recv_is_told_with_its_connection_and_size():
    story, outcome = told(ten_bytes_in_time, [("chunks server<-client #1", 0, 3)], chunks="random")
    assert [str(step) for step in story.steps] == ["recv 1 of connection #1 from client on server returned at most 3 bytes"]
    assert "b'012'" in str(outcome.error)


def test_a_run_that_fails_by_itself_says_that_nothing_was_needed():
    story, outcome = told(dull, [])
    assert story.steps == []
    assert "nothing unusual is needed" in story.text()


def test_a_deviation_that_the_run_did_not_ask_for_is_told_as_such():
    with Runner(dull, Options()) as runner:
        teller = Teller()
        unused = (Deviation("link a->b loss", 0, 1),)
        outcome = runner.run(0, unused, prepare=teller.listen)
        story = teller.story(outcome.error, unused)
    assert [str(step) for step in story.steps] == ["(not asked for in this run: link a->b loss, question 0, answer 1)".replace(", answer", ": answer")]


def test_steps_stand_in_the_order_in_which_they_happened():
    deviations = [("link server->client loss", 1, 1), ("link client->server loss", 0, 1)]
    story, _ = told(ten_bytes_in_time, deviations, link=simsock.Link(latency="5ms", loss=0.1))
    assert [str(step) for step in story.steps] == ["packet 1 client->server was lost", "packet 2 server->client was lost"]


def test_a_lock_that_somebody_waits_for_is_told_with_its_holder():
    def contended(sim):
        threading = sim.network.threading
        lock = threading.Lock()

        def holder():
            with lock:
                sim.sleep(2)

        def waiter():
            with lock:
                pass

        def racers():
            others = [threading.Thread(target=sim.sleep, args=(0,), name=name) for name in ("one", "two")]
            sim.sleep(1)
            for other in others:
                other.start()
            for other in others:
                other.join()

        threads = [threading.Thread(target=function) for function in (holder, waiter, racers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    story, _ = told(contended, [("task racers-1 schedule", index, 1) for index in range(3, 8)], preempt="calls")
    assert story.steps
    assert re.search(r"at that moment waiter-1 waits for Lock-\d+ \(lock\), held by holder-1", story.text())


def test_no_lock_is_mentioned_when_nobody_waits_for_one():
    verdict = simsock.explore(lost_update, schedules=200)
    assert "held by" not in str(verdict)


def test_a_story_of_very_many_steps_is_cut():
    steps = told(ten_bytes_in_time, [("link client->server loss", 1, 1)], link=simsock.Link(latency="5ms", loss=0.1))[0].steps
    text = Story(steps * 100, []).text()
    assert "… and 60 more" in text
    assert len(text.splitlines()) < 50


def test_an_error_in_one_line_has_its_class_and_the_first_line_of_its_text():
    assert one_line(ValueError("first\nsecond")) == "ValueError: first"
    assert one_line(ValueError()) == "ValueError"


# -- listening changes nothing -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preempt", ["calls", "lines", "instructions"])
@pytest.mark.parametrize("test", [lost_update, stale_read, ten_bytes_in_time])
def test_a_run_has_the_same_digest_with_and_without_a_listener(test, preempt):
    options = Options(strategy="random", preempt=preempt, link=simsock.Link(latency="5ms", jitter="1ms", loss=0.05), chunks="random", max_steps=200_000)
    with Runner(test, options) as runner:
        for seed in range(20):
            alone = runner.run(seed, digest=True)
            teller = Teller()
            heard = runner.run(seed, digest=True, prepare=teller.listen)
            again = Teller()
            replayed = runner.run(seed, alone.deviations, digest=True, prepare=again.listen)
            assert teller.story(heard.error, heard.deviations).steps or not heard.deviations
            for other in (heard, replayed):
                assert (other.digest, other.steps, other.deviations, other.signature) == (alone.digest, alone.steps, alone.deviations, alone.signature)


def test_listening_keeps_nothing_of_the_world_alive():
    kept = []

    class Thing:
        pass

    def with_thing(sim):
        thing = Thing()
        kept.extend([weakref.ref(thing), weakref.ref(sim._kernel)])
        sim.spawn(lambda: bool(thing)).result()
        raise RuntimeError

    with Runner(with_thing, Options(preempt="lines")) as runner:
        teller = Teller()
        runner.run(0, (), prepare=teller.listen)
        story = teller.story(None, ())
        runner.run(0, ())  # greenlet keeps what was switched with last, until the next switch
        gc.unfreeze()
        gc.collect()
        assert [reference() for reference in kept[:2]] == [None, None]
        assert teller is not None
        assert story.columns


def test_a_teller_that_heard_nothing_tells_the_bare_deviations():
    story = Teller().story(None, [Deviation("task main schedule", 4, 1)])
    assert [str(step) for step in story.steps] == ["task main schedule, question 4: answer 1"]


def datagrams_in_order(sim):
    """Fails when one is missing, or comes before another."""
    inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
    inbox.settimeout(5)
    for number in range(8):
        sender.sendto(b"%d" % number, inbox.getsockname())
    assert [inbox.recv(10) for _ in range(8)] == [b"%d" % number for number in range(8)]


def test_a_full_queue_is_told_although_nobody_asked_the_tape():
    story, outcome = told(datagrams_in_order, [], link=simsock.Link(rate="10kbit", queue=3))
    assert isinstance(outcome.error, TimeoutError)
    text = story.text().splitlines()
    assert text[:4] == [
        "nothing left to chance is needed: it fails with the plain schedule",
        "set up with link=Link(queue=3, rate=10000)",
        "what hurt besides:",
        "  - the queue of client->server was full and lost what came: 5 packets, the first after 0 s",
    ]


def test_packets_that_overtake_by_number_are_told():
    story, _ = told(datagrams_in_order, [], link=simsock.Link(latency="10ms", reorder_every=5))
    assert story.deeds == ["every so many packets one skipped the delay of client->server: 1 packet, after 0 s"]


def test_what_a_rule_did_is_told():
    def ruled(sim):
        with sim.rule(lambda packet: simsock.Drop if packet.data == b"3" else None):
            datagrams_in_order(sim)

    story, _ = told(ruled, [])
    assert story.deeds == ["a rule dropped what was sent client->server: 1 udp packet, after 0 s"]


def test_a_fault_that_the_test_orders_is_no_quiet_network():
    def cut(sim):
        sim.sleep(1)
        sim.link("client", "server", loss=1)
        datagrams_in_order(sim)

    story, _ = told(cut, [])
    assert story.text().startswith("nothing left to chance is needed")
    assert any("link client server Link(loss=1.0)" in line for line in story.columns)


def test_a_connection_that_suffers_is_told_with_what_it_suffers():
    def short(sim):
        from simsock.socketserver import StreamRequestHandler

        class Handler(StreamRequestHandler):
            def handle(self):
                self.rfile.read()

        client = sim.connect(sim.serve(Handler))
        sim.expect_errors(ConnectionResetError)
        for _ in range(3):
            client.sendall(b"0123456789")
            sim.sleep(1)

    story, outcome = told(short, [("link client->server toxicity", 0, 1)], link=simsock.Link(reset_after=15, toxicity="1%"))
    assert isinstance(outcome.error, (ConnectionError, AssertionError))
    assert [str(step) for step in story.steps] == ["connection 1 client->server was one that suffers: reset after 15 bytes"]
    assert any(deed.startswith("the link reset what it is set to: 1 connection, after ") for deed in story.deeds)


def test_a_damaged_datagram_is_counted_even_where_it_arrives():
    story, _ = told(datagrams_in_order, [("link client->server corrupt", 5, 1)], link=simsock.Link(corrupt="3%", checksum=False))
    assert str(story.steps[0]) == "packet 6 client->server was damaged"


def test_where_packets_cannot_be_counted_the_words_say_which_are():
    story, _ = told(datagrams_in_order, [("link client->server corrupt", 1, 1)], link=simsock.Link(corrupt="3%", rate="1kbit"))
    assert [str(step) for step in story.steps] == ["the 2nd packet client->server that got that far and could be damaged was damaged"]
