"""Many runs: searching schedules, replaying one, checking that a test is deterministic."""

from simsock.search.determinism import check_determinism
from simsock.search.exploring import explore, replay
from simsock.search.verdict import Verdict

SIMSOCK_ROOM = "outside"

__all__ = ["Verdict", "check_determinism", "explore", "replay"]
