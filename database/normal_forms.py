"""Normal forms of tags, mentions and links: what makes two spellings the same entity.

Belongs here: pure text functions that writing and reading must agree on to the letter.
Does not belong here: anything about tweets, payloads or SQL.

They are computed here and nowhere else: PostgreSQL and Python fold some letters differently (the Turkish dotted I is
two code points in one and one in the other).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import urlsplit

MAX_NORMAL_FORM_BYTES = 1_000
"""Longer normal forms are cut: a btree entry holds at most 2,704 bytes. The longest real tag has 131 characters."""

_SCHEME_AND_HOST = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)")


@lru_cache(maxsize=20_000)
def hashtag(spelling: str) -> str:
    """Return the normal form of a hashtag, its sign left out: NFKC, then case folding.

    ``ＡＩ``, ``AI`` and ``ai`` are one tag; underscores and digits stay. The normal form of a normal form is itself:
    folding takes some letters apart, so NFKC puts them together again.
    """
    folded = unicodedata.normalize("NFKC", spelling).casefold()
    return _bounded(unicodedata.normalize("NFKC", folded).lstrip("#"))


def mention(username: str) -> str:
    """Return the normal form of a mentioned username given without its sign."""
    return _bounded(username.lstrip("@＠").casefold())


def url(link: str) -> str:
    """Return the normal form of a link: scheme and host in lower case, the rest as it is (paths are case-sensitive)."""
    match = _SCHEME_AND_HOST.match(link)
    return match[0].lower() + link[match.end() :] if match else link


def url_host(link: str) -> str | None:
    """Return a link's host in lower case without ``www.`` and port; ``None`` where there is none."""
    match = _SCHEME_AND_HOST.match(link)
    return _host_of(match[0] if match else link)


@lru_cache(maxsize=10_000)
def _host_of(beginning: str) -> str | None:
    """Return the host of a link that may end behind it: few hosts are in most links."""
    try:
        host = urlsplit(beginning).hostname
    except ValueError:
        return None
    return _bounded(host.removeprefix("www.")) or None if host else None


def _bounded(text: str) -> str:
    if len(text) * 4 <= MAX_NORMAL_FORM_BYTES:
        return text
    return text.encode("utf-8")[:MAX_NORMAL_FORM_BYTES].decode("utf-8", "ignore")
