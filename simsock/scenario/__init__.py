"""Scenario files: a server, its clients and what must come of them, as data."""

from simsock.scenario.running import Result, ScenarioTest, capture_failure, importable, run, target_of
from simsock.scenario.schema import Plan, read

SIMSOCK_ROOM = "outside"

__all__ = ["Plan", "Result", "ScenarioTest", "capture_failure", "importable", "read", "run", "target_of"]
