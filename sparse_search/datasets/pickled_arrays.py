"""Reads plain values and arrays out of a pickle without unpickling.

``pickle.load`` runs a small program that may import and call anything. This reader takes only the
list of instructions (``pickletools.genops``, a pure parser) and carries out itself the few that put
together numbers, strings, containers and numpy arrays. A file's instruction never leads to an
import, an attribute access or a call: a class or function that it names stays a name, and three
names have a meaning here. Every other instruction or name is refused. This is enough for the files
that Python 2 wrote (protocol 2), such as CIFAR-10's Python version.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


class RefusedPickleError(ValueError):
    """The pickle is damaged, or has more in it than plain values and arrays."""


@dataclass(frozen=True)
class _Name:
    """A class or function that the file names; never looked up."""

    text: str


@dataclass
class _Object:
    """A numpy dtype or array under construction: REDUCE makes it, BUILD gives it its state."""

    kind: str
    dtype_text: str = ""
    value: Any = None


_MARK = object()
_ARRAY = "numpy.core.multiarray _reconstruct"
_CLASS = "numpy ndarray"
_DTYPE = "numpy dtype"
_ELEMENTS = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
_BYTE_ORDERS: dict[str, Literal["<", ">", "="]] = {"<": "<", ">": ">", "|": "="}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("SHORT_BINSTRING", "BINSTRING", "BINUNICODE"),
}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickled_arrays(data: bytes) -> Any:
    """The value in a pickle: containers, numbers, strings (as latin-1 text) and numpy arrays.

    Raises:
        RefusedPickleError: An instruction or name that such a value does not need, or damage.
    """
    machine = _Machine()
    try:
        for operation, argument, position in pickletools.genops(data):
            machine.carry_out(operation.name, argument, position or 0)
    except RefusedPickleError:
        raise
    # The parser warns of a damaged escape, which is an error where warnings are errors.
    except (
        *(ValueError, IndexError, KeyError, TypeError, AttributeError),
        DeprecationWarning,
    ) as error:
        raise RefusedPickleError(f"damaged pickle: {error}") from error
    return machine.result()


class _Machine:
    """A stack and a memo, as pickle has them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self.stack) != 1:
            raise RefusedPickleError(f"damaged pickle: {len(self.stack)} values on the stack")
        return _finished(self.stack[0])

    def carry_out(self, name: str, argument: Any, position: int) -> None:
        stack = self.stack
        if name in ("PROTO", "STOP"):
            return
        if name == "MARK":
            stack.append(_MARK)
        elif name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name == "TUPLE" or name in _TUPLES:
            stack.append(tuple(self._pop(_TUPLES[name]) if name in _TUPLES else self._to_mark()))
        elif name in ("APPEND", "APPENDS"):
            items = self._pop(1) if name == "APPEND" else self._to_mark()
            _require_type(stack[-1], list).extend(map(_finished, items))
        elif name in ("SETITEM", "SETITEMS"):
            items = self._pop(2) if name == "SETITEM" else self._to_mark()
            pairs = zip(items[::2], map(_finished, items[1::2]), strict=True)
            _require_type(stack[-1], dict).update(pairs)
        elif name == "GLOBAL":
            stack.append(_Name(argument))
        elif name == "REDUCE":
            function, arguments = self._pop(2)
            stack.append(_reduce(function, arguments))
        elif name == "BUILD":
            (state,) = self._pop(1)
            _build(stack[-1], state)
        else:
            raise RefusedPickleError(f"instruction {name} at byte {position} is not allowed")

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise RefusedPickleError("damaged pickle: stack is empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _to_mark(self) -> list[Any]:
        position = max(i for i, item in enumerate(self.stack) if item is _MARK)
        items = self.stack[position + 1 :]
        del self.stack[position:]
        return items


def _require_type(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise RefusedPickleError(f"damaged pickle: expected a {kind.__name__}")
    return value


def _reduce(function: Any, arguments: Any) -> _Object:
    if function == _Name(_ARRAY) and arguments[:1] == (_Name(_CLASS),):
        return _Object("array")
    if function == _Name(_DTYPE):
        return _Object("dtype", dtype_text=_require_type(arguments[0], str))
    named = function.text if isinstance(function, _Name) else type(function).__name__
    raise RefusedPickleError(f"the call of {named!r} is not allowed")


def _build(target: Any, state: Any) -> None:
    if not isinstance(target, _Object):
        raise RefusedPickleError(f"state for a {type(target).__name__} is not allowed")
    if target.kind == "dtype":
        byte_order = state[1]
        if target.dtype_text not in _ELEMENTS or byte_order not in _BYTE_ORDERS:
            raise RefusedPickleError(f"an array of {target.dtype_text!r} is not allowed")
        target.value = np.dtype(target.dtype_text).newbyteorder(_BYTE_ORDERS[byte_order])
    else:
        target.value = _array(*state)


def _array(
    version: int, shape: tuple[int, ...], dtype: _Object, is_fortran: bool, raw: str
) -> NDArray[Any]:
    if version != 1 or not isinstance(dtype.value, np.dtype):
        raise RefusedPickleError(f"expected an array state of version 1, found {version}")
    data = raw.encode("latin-1")
    if len(data) != prod(shape) * dtype.value.itemsize:
        raise RefusedPickleError(f"{len(data)} bytes do not fill an array of shape {shape}")
    return np.frombuffer(data, dtype.value).reshape(shape, order="F" if is_fortran else "C")


def _finished(value: Any) -> Any:
    if isinstance(value, _Object):
        if value.value is None:
            raise RefusedPickleError("damaged pickle: an array without content")
        return value.value
    if isinstance(value, _Name):
        raise RefusedPickleError(f"the name {value.text!r} is not allowed as a value")
    return value
