"""Whether local variables of a running function hold plain values at this moment: the question before each line that only works on them.

PYTEST_DONT_REWRITE

Owns ``touches``. Does not know points. Laws:

* a variable that is not bound is not plain;
* looking changes nothing and keeps nothing alive. Before 3.13 ``f_locals`` is a copy that stays with the frame; on 3.11 it is even written back when a
  trace function returns, which takes back what other tasks have done to the function's cells in the meantime;
* on 3.11 and 3.12 the types are read where CPython keeps them: what 3.12 offers for one variable takes as long as four lines. The places are tried out
  on a function whose variables are known; where they are not as expected, variables are read by CPython's own functions.
"""

from __future__ import annotations

import ctypes
import sys
from types import CellType, CodeType, FrameType
from typing import TYPE_CHECKING, Any

from simsock.kernel.footprints import _UNKNOWN, PLAIN, local_value

if TYPE_CHECKING:
    from collections.abc import Callable

_WORD = 8
_HEADER = 2 * _WORD
"""Of every object: its count of references and its type. Debug builds have more."""
_FRAME_AT = 3 * _WORD
"""In a frame object: the address of the frame itself."""
_LOCALS_AT = 9 * _WORD
"""In a frame: the first variable."""
_PLAIN_ADDRESSES = frozenset(map(id, PLAIN))


def _by_name(names: tuple[str, ...], code: CodeType) -> tuple[str, ...]:
    return names


def _touch_by_name(names: tuple[str, ...], frame: FrameType) -> bool:
    for name in names:  # noqa: SIM110  # a generator takes longer than the look
        if type(local_value(frame, name)) not in PLAIN:
            return True
    return False


def _touch_in_view(names: tuple[str, ...], frame: FrameType) -> bool:
    values = frame.f_locals
    try:
        for name in names:
            if type(values[name]) not in PLAIN:
                return True
    except KeyError:
        return True
    return False


def forget_copy(frame: FrameType) -> None:
    """To be called after a look at ``f_locals`` of the frame that is running: on 3.11 nothing of that is written back later."""
    if sys.version_info < (3, 12):
        _write_back(frame, 1)  # while it is still true


def _touch_in_copy(names: tuple[str, ...], frame: FrameType) -> bool:
    touching = _touch_in_view(names, frame)
    forget_copy(frame)
    return touching


def _memory_from(address: int) -> Any:
    """The process's memory from ``address`` on, as whole numbers of 64 bits: what is at index i stands 8 i bytes further on."""
    everything: Any = (ctypes.c_uint64 * (1 << 59)).from_address(address)
    return memoryview(everything).cast("B").cast("Q")


_frames: Any
_types: Any


def _by_place(names: tuple[str, ...], code: CodeType) -> tuple[Any, ...]:
    """The memory from where the variables would be of a frame at address 0."""
    return tuple(_memory_from(_LOCALS_AT + _WORD * code.co_varnames.index(name)) for name in names)


def _touch_in_memory(variables: tuple[Any, ...], frame: FrameType) -> bool:
    at = _frames[id(frame) >> 3] >> 3
    for variable in variables:
        value = variable[at]
        if not value or _types[value >> 3] not in _PLAIN_ADDRESSES:
            return True
    return False


def _is_as_expected() -> bool:
    """Whether the variables of a function are where they are looked for."""
    frame = sys._getframe()
    number, text, other, nothing = 1, "", [frame], None
    if number < 0:
        unbound = 0
        return bool(unbound)
    at = _frames[id(frame) >> 3] >> 3
    found = [variable[at] for variable in _by_place(("number", "text", "other", "nothing", "unbound"), frame.f_code)]
    known = [number, text, other, nothing]
    return found == [*map(id, known), 0] and [_types[address >> 3] for address in found[:4]] == [id(type(value)) for value in known]


_is_read = False
if sys.version_info < (3, 13) and object.__basicsize__ == _HEADER and ctypes.sizeof(ctypes.c_void_p) == _WORD:
    _frames, _types = _memory_from(_FRAME_AT), _memory_from(_WORD)
    _is_read = _is_as_expected()
if sys.version_info < (3, 12):
    _write_back = ctypes.pythonapi.PyFrame_LocalsToFast
    _write_back.argtypes = [ctypes.py_object, ctypes.c_int]
    _write_back.restype = None


def variables_of(frame: FrameType) -> dict[str, Any]:
    """What the variables and cells of a function hold that runs, or stands; those that are bound. Looking keeps nothing alive."""
    code = frame.f_code
    names = dict.fromkeys((*code.co_varnames, *code.co_cellvars, *code.co_freevars))
    if sys.version_info < (3, 12) and _is_read:
        return _variables_in_memory(frame, list(names))
    return {name: value for name in names if (value := local_value(frame, name)) is not _UNKNOWN}


def _variables_in_memory(frame: FrameType, names: list[str]) -> dict[str, Any]:
    at = (_frames[id(frame) >> 3] + _LOCALS_AT - _WORD) >> 3  # as seen from where types are read
    found = {}
    for place, name in enumerate(names):
        if address := _types[at + place]:
            value = ctypes.cast(address, ctypes.py_object).value
            try:
                found[name] = value.cell_contents if type(value) is CellType else value
            except ValueError:  # not bound yet
                pass
    return found


_readers = {(3, 11): _touch_in_copy, (3, 12): _touch_by_name}
"""Where variables are not read in memory, nor ``f_locals`` is a view."""
operands: Callable[[tuple[str, ...], CodeType], tuple[Any, ...]] = _by_place if _is_read else _by_name
"""What ``touches`` wants to be told of these variables of a function."""
touches: Callable[[tuple[Any, ...], FrameType], bool] = _touch_in_memory if _is_read else _readers.get(sys.version_info[:2], _touch_in_view)
"""Whether one of them is not plain in a frame of that function."""

__all__ = ["forget_copy", "operands", "touches", "variables_of"]
