"""What tables of tasks say of where each stands."""

from __future__ import annotations

import threading

import simsock
from simsock.kernel.task_table import task_rows


def test_a_thread_that_has_yet_to_come_to_its_first_line_stands_nowhere():
    seen = []
    with simsock.Simulation() as sim:
        thread = threading.Thread(target=seen.append, args=(1,))
        thread.start()
        rows = [row for row in task_rows(sim._kernel) if row[0] != "main"]
        thread.join()
    assert [row[1:3] for row in rows] == [("(runnable)", "-")]
