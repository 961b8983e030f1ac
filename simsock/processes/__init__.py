"""Processes of a world: real ones, made by fork, whose simulated calls are answered by the one process that has the world.

PYTEST_DONT_REWRITE

Memory is forked by Linux, the world is not: it stays in the process that entered it (*home*). A simulated call of a child is a message to home, where a
task of the child's own (its *proxy*) makes the call with the child's descriptors. While a child computes, home waits for its next message, so one
thing runs at a time in the whole world.
"""

SIMSOCK_ROOM = "inside"
