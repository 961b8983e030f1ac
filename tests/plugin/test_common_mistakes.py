"""The commonest mistakes under pytest: each failure says what it is and what to do, as docs/mistakes.md has it."""

from __future__ import annotations

import re

from tests.mistakes import read

TESTS = {
    "a server of a wider fixture": "def test_0(server, sim):\n    socket.create_connection(server)\n",
    "a marker without a world": "@pytest.mark.simsock(seed=1)\ndef test_1():\n    pass\n",
    "a marker with an option that is none": "@pytest.mark.simsock(latency=1)\ndef test_2(sim):\n    pass\n",
    "a wide fixture that asks for sim": "def test_3(wide):\n    pass\n",
    "schedules= under @given": "@pytest.mark.simsock(schedules=5)\n@hypothesis.given(hypothesis.strategies.none())\ndef test_4(sim, value):\n    pass\n",
}
FIXTURES = """
import hypothesis, pytest, socket

@pytest.fixture(scope="module")
def server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()

@pytest.fixture(scope="module")
def wide(sim):
    pass

"""


def test_each_says_what_the_page_of_common_mistakes_says(project):
    assert list(read("Under pytest")) == list(TESTS)
    project.write_plain(FIXTURES + "\n".join(TESTS.values()))
    told = [report.longreprtext for report in project.reports() if report.failed]
    assert len(told) == len(TESTS)
    for (mistake, message), text in zip(read("Under pytest").items(), told, strict=True):
        assert re.search(message, text, re.DOTALL), f"{mistake}: {text}"
