"""Programs on few lines, and how many points each has: the same numbers on every Python, in every call, in every world of a process."""

# ruff: noqa: E701, E702, E731, C400
# fmt: off

from __future__ import annotations


def a_for_loop():
    out = []
    for number in range(5): out.append(number)


def a_while_loop():
    left = [1, 2, 3]
    while left: left.pop()


def a_loop_with_two_conditions():
    left = [1, 2, 3, 4]
    while left and left[0] == 1: left.pop()


def a_loop_that_only_waits():
    answers = iter([1, 1, 1, 0])
    while next(answers): pass


def a_loop_that_ends_by_an_error():
    answers = [1, 2]
    try:
        while True: answers.pop()
    except IndexError:
        pass


def a_list():
    return [str(number) for number in range(5)]


def a_list_with_two_loops():
    return [str(one + other) for one in range(3) for other in range(3)]


def a_list_in_a_list():
    return [[str(one) for one in range(2)] for _ in range(3)]


def a_list_with_a_condition():
    return [str(number) for number in range(6) if str(number) != "3"]


def a_dict():
    return {str(number): number for number in range(4)}


def a_set():
    return {str(number) for number in range(4)}


def a_generator_expression():
    return list(str(number) for number in range(4))


def any_of_a_generator_expression():
    return any(str(number) == "9" for number in range(4))


def a_generator():
    def numbers(): yield 1; yield 2
    return list(numbers())


def a_generator_with_a_loop():
    def numbers():
        for number in range(3): yield str(number)
    return list(numbers())


def a_generator_of_another():
    def numbers(): yield from [1, 2, 3]
    return list(numbers())


def a_lambda():
    text = lambda value: str(value)
    return text(1), text(2)


def a_lambda_on_two_lines():
    text = (lambda value:
            str(value))
    return text(1)


def the_key_of_sorted():
    return sorted([3, 1, 2], key=lambda value: str(value))


def a_function():
    def text(): return str(1)
    text()
    text()
    text()


def a_function_that_calls_itself():
    def down(number): return down(number - 1) if number else str(number)
    down(3)


def a_function_that_begins_on_its_first_line():
    def texts(number): found = [str(number),
        str(number)]; return found
    texts(3)
    texts(3)


def a_method():
    class Thing:
        def text(self): return str(self)
    Thing().text()


def a_closure():
    shared = [0]
    def add(): shared[0] += 1
    add(); add()


def a_with_block():
    class Context:
        def __enter__(self): return str(1)
        def __exit__(self, *error): return None
    with Context(): str(1)


def two_statements(): str(1); str(2)


def a_coroutine():
    async def text(): return str(1)
    running = text()
    try: running.send(None)
    except StopIteration: pass


def a_line_that_writes_what_it_has_read():
    hits = {}
    def hit(): hits["/"] = hits.get("/", 0) + 1
    hit(); hit()


def a_line_that_adds_what_a_call_returns():
    class Counter:
        value = 0
    for _ in range(3): Counter.value += int("1")


def a_line_that_looks_before_it_changes():
    waiting = [1, 2]
    while len(waiting) and waiting.pop(): pass


def a_comprehension_in_a_line_that_writes_what_it_has_read():
    class Room:
        peers = (1, 2)
    Room.peers = [str(peer) for peer in Room.peers]


COUNTS = {
    a_for_loop: 8,
    a_while_loop: 5,
    a_loop_with_two_conditions: 6,
    a_loop_that_only_waits: 6,
    a_loop_that_ends_by_an_error: 6,
    a_list: 8,
    a_list_with_two_loops: 15,
    a_list_in_a_list: 12,
    a_list_with_a_condition: 9,
    a_dict: 7,
    a_set: 7,
    a_generator_expression: 8,
    any_of_a_generator_expression: 8,
    a_generator: 4,
    a_generator_with_a_loop: 7,
    a_generator_of_another: 4,
    a_lambda: 5,
    a_lambda_on_two_lines: 4,
    the_key_of_sorted: 6,
    a_function: 8,
    a_function_that_calls_itself: 8,
    a_function_that_begins_on_its_first_line: 12,
    a_method: 7,
    a_closure: 6,
    a_with_block: 8,
    two_statements: 3,
    a_coroutine: 6,
    a_line_that_writes_what_it_has_read: 8,
    a_line_that_adds_what_a_call_returns: 12,
    a_line_that_looks_before_it_changes: 6,
    a_comprehension_in_a_line_that_writes_what_it_has_read: 9,
}


def count(body, calls):
    """How many points the last of so many calls has, with the line of the call."""
    import simsock

    with simsock.Simulation(strategy="random", preempt="lines", scope=[__file__]) as sim:
        first = sim._kernel.first
        for _ in range(calls):
            before = first.points
            body()
            after = first.points
    return after - before


if __name__ == "__main__":  # a process that has imported nothing but this and simsock
    for number in range(1, 101):
        if number in (1, 2, 100):
            print(*(count(body, 1) for body in COUNTS))
        else:
            count(a_function, 1)
