"""A strategy of the tests' own, which stays the same when simsock's become better."""

from __future__ import annotations


class Walk:
    """At every question, any of the tasks that could go on, each as likely as the others."""

    def begin(self, run):
        self.state = int(run.seed) + 1

    def pick(self, task, runnable, preempting):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return runnable[(self.state >> 33) % len(runnable)]

    def end(self, run):
        """Nothing to do."""
