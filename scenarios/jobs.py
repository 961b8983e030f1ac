"""A server that takes jobs, does them one after the other in a thread of its own, and can be told to stop."""

from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class JobHandler(StreamRequestHandler):
    """A line is a job. "accepted" is a promise that it will be done; after "stop" no job is accepted any more."""

    def handle(self):
        job = self.rfile.readline().strip()
        if job == b"stop":
            self.server.stop_working()
            self.wfile.write(b"stopped\n")
        else:
            self.wfile.write(b"accepted\n" if self.server.accept_job(job) else b"closing\n")


class JobServer(ThreadingTCPServer):
    """The worker goes home when it was told to stop and nothing is left to do."""

    request_queue_size = 100

    def __init__(self, address):
        super().__init__(address, JobHandler)
        self.more = self.network.threading.Condition()
        self.waiting, self.accepted, self.done = [], [], []
        self.stopping = False
        self.worker = self.network.threading.Thread(target=self.work, name="worker", daemon=True)
        self.worker.start()

    def accept_job(self, job):
        with self.more:
            if self.stopping:
                return False
            self.accepted.append(job)
            self.waiting.append(job)
            self.more.notify()
            return True

    def stop_working(self):
        with self.more:
            self.stopping = True
            self.more.notify()

    def work(self):
        while True:
            with self.more:
                while not self.waiting and not self.stopping:
                    self.more.wait()
                if self.is_over():
                    return
                job = self.waiting.pop(0)
            self.network.time.sleep(0.01)
            self.done.append(job)

    def is_over(self):
        return not self.waiting


class HastyServer(JobServer):
    """The usual mistake: told to stop, the worker goes home, whatever is still waiting."""

    def is_over(self):
        return self.stopping


def every_promise_is_kept(server, report):
    server.worker.join(10)
    assert not server.worker.is_alive(), "the worker is still there"
    promised = sum(outcome.reply == b"accepted\n" for outcome in report.outcomes["polite"])
    assert len(server.accepted) == promised, f"{promised} were told that their job is accepted, and {len(server.accepted)} were"
    assert server.done == server.accepted, f"{len(server.accepted)} jobs were accepted, {len(server.done)} were done"
