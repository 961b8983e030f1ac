"""What must hold in a run, also where no assertion of the program looks.

Owns the oracles that a test asks for, each in a file of its own. Does not know searches, nor what a story is. Laws:

* an oracle watches (``kernel/watchers.py``) and changes no run: the digest is the same with it and without, and a world without it pays nothing;
* what it finds is a ``Finding``: it fails the world, and two findings are the same one if they say so.
"""

from simsock.oracles.models import ANY, Counter, Lock, Map, Model, NotNow, OneOf, Queue, Register

SIMSOCK_ROOM = "inside"

__all__ = ["ANY", "Counter", "Lock", "Map", "Model", "NotNow", "OneOf", "Queue", "Register"]
