"""What a request may say: declared once, for reading it and for documenting it.

Belongs here: kinds of values, their bounds, the error for a value that does not fit.
Does not belong here: what an endpoint does with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from api.errors import Refused

Kind = Literal["string", "integer", "boolean", "date-time"]

_LARGEST = (1 << 63) - 1


@dataclass(frozen=True)
class Parameter:
    """A value in the path or in the query of a request."""

    name: str
    description: str
    kind: Kind = "string"
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    example: Any = None
    in_path: bool = False
    is_id: bool = False

    def read(self, text: str | None) -> Any:
        """Return the value that ``text`` says. Raises ``Refused`` with the name, what was said and what fits."""
        if text is None or (text == "" and self.kind != "string"):
            if self.required:
                raise self._refusal("is missing")
            return self.default
        if self.kind == "integer":
            return self._integer(text)
        if self.kind == "boolean":
            return self._boolean(text)
        if self.kind == "date-time":
            return self._moment(text)
        if "\0" in text:
            raise self._refusal("holds a zero byte")
        if self.choices and text not in self.choices:
            raise self._refusal(f"is one of {', '.join(self.choices)}, not {text[:40]!r}")
        return text

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        if self.is_id:
            return {"type": "string", "pattern": "^[0-9]{1,19}$"}
        schema: dict[str, Any] = {"type": "string" if self.kind == "date-time" else self.kind}
        if self.kind == "date-time":
            schema["format"] = "date-time"
        bounds = {"minimum": self.minimum, "maximum": self.maximum, "default": self.default}
        schema |= {name: value for name, value in bounds.items() if value is not None}
        if self.choices:
            schema["enum"] = list(self.choices)
        return schema

    def _integer(self, text: str) -> int:
        if not text.lstrip("-").isdecimal() or not text.isascii() or len(text) > 20:
            raise self._refusal(f"is a whole number, not {text[:40]!r}")
        value = int(text)
        low = self.minimum if self.minimum is not None else 0
        high = self.maximum if self.maximum is not None else _LARGEST
        if not low <= value <= high:
            raise self._refusal(f"lies between {low} and {high}, not {value}")
        return value

    def _boolean(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise self._refusal(f"is true or false, not {text[:40]!r}")
        return text == "true"

    def _moment(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise self._refusal(f"is a time such as 2026-01-31T12:00:00Z, not {text[:40]!r}") from None
        if moment.tzinfo is None:
            raise self._refusal("has no time zone: add one, such as Z")
        return moment

    def _refusal(self, what: str) -> Refused:
        return Refused(400, "invalid-parameter", f"{self.name} {what}")


def read_all(parameters: tuple[Parameter, ...], path: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a request by name. A query that names anything else is refused: it may be misspelt."""
    known = {parameter.name for parameter in parameters}
    for name in query:
        if name not in known:
            raise Refused(
                400, "unknown-parameter", f"there is no parameter {name[:60]!r}; known: {', '.join(sorted(known))}"
            )
    return {
        parameter.name: parameter.read((path if parameter.in_path else query).get(parameter.name))
        for parameter in parameters
    }
