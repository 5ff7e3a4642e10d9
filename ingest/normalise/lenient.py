"""Reading what the strict decoder refuses: wrong types, broken characters, fields of another kind.

Belongs here: cleaning text, and bending any JSON value into a typed shape without ever raising.
Does not belong here: what the fields mean.

The provider's back ends disagree: ``viewCount`` has been seen as ``[0]``, an empty object as ``[]``, a missing text
as ``""`` or ``null``. A field that cannot be bent is left out, which means *unknown*; only a missing id or text makes
a tweet unreadable.
"""

from __future__ import annotations

import json
import re
import types
import typing
from functools import cache
from typing import Any, TypeVar

import msgspec

Shape = TypeVar("Shape")

_MAX_BIGINT = (1 << 63) - 1

REPLACEMENT = "\ufffd"

_NUMBER = re.compile(r"\s*-?\d{1,20}\s*")

_SURROGATE = re.compile("[\ud800-\udfff]")


class Unreadable(ValueError):  # noqa: N818 -- a verdict about bytes, not an error of the program
    """The bytes hold no JSON value that could be read. The message says why, for a person."""


_TOO_DEEP = "the JSON is nested too deeply"


class _Unfit:
    """What a value becomes that fits its type in no way."""


_UNFIT = _Unfit()


def parse(raw: bytes) -> Any:
    """Return the JSON value in ``raw``, its texts as they are; bytes that are not UTF-8 become U+FFFD.

    Raises ``Unreadable``.
    """
    try:
        return json.loads(raw.decode("utf-8-sig", "replace"), strict=False)
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None
    except ValueError as error:
        raise Unreadable(f"not JSON: {error}") from None


def parse_clean(raw: bytes) -> tuple[Any, bool]:
    """Return the JSON value in ``raw`` with its texts cleaned, and whether there was anything to clean.

    Halves of surrogate pairs become U+FFFD, NUL is left out: PostgreSQL stores neither. Raises ``Unreadable``.
    """
    value = parse(raw)
    try:
        cleaned = _cleaned(value)
        return cleaned, cleaned != value or not _is_utf_8(raw)
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None


def _is_utf_8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def raw(value: Any) -> msgspec.Raw:
    """Return a value as JSON again. Raises ``Unreadable`` where it is nested deeper than can be followed."""
    try:
        return msgspec.Raw(json.dumps(value).encode())
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None


def clean(text: str) -> str:
    """Return ``text`` as PostgreSQL can store it."""
    return _SURROGATE.sub(REPLACEMENT, text.replace("\x00", ""))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    return value


def bend(value: Any, shape: type[Shape]) -> Shape | None:
    """Return ``value`` as ``shape``, leaving out what does not fit; ``None`` where a required field is missing.

    Raises ``Unreadable`` for a value that is nested deeper than the interpreter can follow.
    """
    try:
        bent = _bend(value, shape)
    except RecursionError:
        raise Unreadable(_TOO_DEEP) from None
    return None if isinstance(bent, _Unfit) else typing.cast("Shape", bent)


def _bend(value: Any, shape: Any) -> Any:
    origin = typing.get_origin(shape)
    if origin in (typing.Union, types.UnionType):
        return _bend_optional(value, shape)
    if origin is list:
        return _bend_list(value, typing.get_args(shape)[0])
    if origin is tuple:
        return _bend_indices(value)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return _bend_struct(value, shape)
    if shape is msgspec.Raw:
        return raw(value)
    return _SCALARS[shape](value)


def _bend_optional(value: Any, shape: Any) -> Any:
    inner = next(argument for argument in typing.get_args(shape) if argument is not types.NoneType)
    bent = _bend(value, inner)
    return None if isinstance(bent, _Unfit) else bent


def _bend_list(value: Any, item_shape: Any) -> Any:
    if not isinstance(value, list):
        return _UNFIT
    bent = (_bend(item, item_shape) for item in value)
    return [item for item in bent if not isinstance(item, _Unfit)]


def _bend_indices(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2 and all(type(item) is int for item in value):
        return tuple(value)
    return _UNFIT


def _bend_struct(value: Any, shape: type[msgspec.Struct]) -> Any:
    if not isinstance(value, dict):
        return _UNFIT
    fields = {}
    for field in _fields(shape):
        bent = _bend(value.get(field.encode_name), field.type)
        if isinstance(bent, _Unfit):
            if field.required:
                return _UNFIT
            continue
        fields[field.name] = bent
    return shape(**fields)


@cache
def _fields(shape: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a shape. msgspec evaluates the annotations anew each time: half of the time of bending."""
    return msgspec.structs.fields(shape)


def _bend_int(value: Any) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and abs(value) <= _MAX_BIGINT else _UNFIT


def _bend_str(value: Any) -> Any:
    if type(value) is int and abs(value) <= _MAX_BIGINT:
        return str(value)
    return value if isinstance(value, str) else _UNFIT


def _bend_bool(value: Any) -> Any:
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower())
    return bool(value) if value in (0, 1) and not isinstance(value, float) else _UNFIT


_SCALARS = {int: _bend_int, str: _bend_str, bool: _bend_bool}
