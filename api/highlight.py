"""A tweet's text in pieces: plain, hashtag, mention and link.

Belongs here: cutting a text at its entities.
Does not belong here: HTML; the templates make it, and escape every piece.

Positions count code points of the text as it is stored, which is escaped as the provider sent it (``&amp;``): the text
is cut first and unescaped afterwards.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from datalayer.records import Entity, Tweet

_LONGEST_LINK = 40


@dataclass(frozen=True)
class Piece:
    """A part of a text. ``kind`` is text, hashtag, mention or url; ``target`` is what a link leads to."""

    kind: str
    text: str
    target: str = ""


def pieces(tweet: Tweet) -> Iterator[Piece]:
    """Yield the text in order. Entities without a place, beyond the text or overlapping another are left as text."""
    place = 0
    for entity in sorted(tweet.entities, key=lambda entity: (entity.start_index or 0, entity.end_index or 0)):
        start, end = entity.start_index, entity.end_index
        if start is None or end is None or not place <= start < end <= len(tweet.text):
            continue
        if start > place:
            yield Piece("text", html.unescape(tweet.text[place:start]))
        yield _piece(entity, html.unescape(tweet.text[start:end]))
        place = end
    if place < len(tweet.text):
        yield Piece("text", html.unescape(tweet.text[place:]))


def _piece(entity: Entity, shown: str) -> Piece:
    if entity.entity_type != "url":
        return Piece(entity.entity_type, shown, entity.normalized)
    if not entity.value.lower().startswith(("https://", "http://")):
        return Piece("text", shown)
    return Piece("url", _short(entity.value), entity.value)


def _short(link: str) -> str:
    try:
        parts = urlsplit(link)
    except ValueError:
        return link[:_LONGEST_LINK]
    shown = parts.netloc.removeprefix("www.") + parts.path.rstrip("/")
    return shown if len(shown) <= _LONGEST_LINK else shown[: _LONGEST_LINK - 1] + "…"
