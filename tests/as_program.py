"""Which modules of simsock act as a program: they may make simulated calls; nothing else of simsock may.

The one table of the law that nothing of simsock's own runs on the world's clock, locks, chance or scheduler. ``conftest.py`` puts it in force for
every test; ``test_house.py`` looks that no entry is left over.
"""

AS_PROGRAM = {
    "simsock.socketserver": "a server framework",
    "simsock.stubs": "canned servers",
    "simsock.clients": "clients",
    "simsock.talking": "the client and the handler of one conversation",
    "simsock.world.servers": "runs a server in a task of its own, and shuts it down",
    "simsock.world.connecting.Connecting": "what a client does that connects, or a program that binds a socket",
    "simsock.world.striking.Striking.signal": "what a program does that sends itself a signal",
    "simsock.world.simulation.Simulation._wind_down": "closes what it has handed out, as a program that ends",
    "simsock.scenario.walking.Walk": "what somebody does by hand who walks through a world",
    "simsock.scenario.running.ScenarioTest._send": "what a scenario's own client does, request by request",
    "simsock.strategies.stateful": "the clients of a state machine, step by step",
    "pytest_simsock.searching.Search._phase": "calls pytest's hooks, in which the test runs",
    "pytest_simsock.coroutines._run_on_trio": "the loop that a test's coroutine runs in",
    "pytest_simsock.coroutines._run_on_asyncio": "likewise",
    "simsock.oracles.histories": "calls for the program what it has asked to have recorded",
    "simsock.faker.NetworkProvider.syslog_line": "asks the world's clock, for a line that a program of this world writes",
}
"""Packages, modules and functions, each with what it does as a program."""
