"""What tests of races share: functions that run at the same time."""

from __future__ import annotations

import threading


def together(*functions):
    """Run each in a thread of its own, and wait for all."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
