"""Where ``Simulation`` could be imported from before it had a room of its own: ``from simsock import Simulation`` is the place."""

from simsock.world.simulation import Simulation

SIMSOCK_ROOM = "outside"

__all__ = ["Simulation"]
