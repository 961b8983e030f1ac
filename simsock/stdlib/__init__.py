"""Stand-ins for standard modules, each named as the one that it stands in for and of the same shape.

Owns Python's side of a world: argument checks, error types and texts, CPython's names verbatim. Knows neither pytest nor Hypothesis.
"""

SIMSOCK_ROOM = "inside"
