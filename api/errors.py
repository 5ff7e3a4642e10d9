"""What goes wrong with a request, and what keeps the service from starting.

Belongs here: the error types of this package.
Does not belong here: how they look over HTTP (``problems``).
"""

from __future__ import annotations

from collections.abc import Mapping


class ConfigurationError(RuntimeError):
    """The environment is not as it must be; the message names the variable, never its value."""


class Refused(Exception):  # noqa: N818 -- an answer to a request, not an error of the program
    """A request that is answered with a problem."""

    def __init__(self, status: int, slug: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.headers = dict(headers or {})
