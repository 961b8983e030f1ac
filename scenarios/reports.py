"""A server that hands out a report, each in a process of its own."""

from simsock.socketserver import ForkingTCPServer, StreamRequestHandler

REPORT = b"all is well\n" * 43_690  # 512 KiB


class ReportHandler(StreamRequestHandler):
    timeout = 2
    """Seconds for the request, and for the whole of the report."""

    def handle(self):
        try:
            if self.rfile.readline():
                self.request.sendall(REPORT)
        except (TimeoutError, ConnectionError):
            pass  # too slow, or gone


class ReportServer(ForkingTCPServer):
    """A slow reader has a process for two seconds."""

    max_children = 3
    request_queue_size = 100

    def __init__(self, address, handler=ReportHandler):
        super().__init__(address, handler)


class PatientHandler(ReportHandler):
    timeout = None


class PatientServer(ReportServer):
    """The broken twin: a slow reader has a process for as long as it likes."""

    def __init__(self, address):
        super().__init__(address, PatientHandler)


def all_of_it(server, report):
    for outcome in report.outcomes["polite"]:
        assert outcome.reply == REPORT, f"{outcome.kind} got {len(outcome.reply)} bytes of {len(REPORT)}"
