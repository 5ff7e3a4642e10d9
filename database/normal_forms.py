"""Normal forms of tags, mentions and links: what makes two spellings the same entity.

Belongs here: pure text functions that writing and reading must agree on to the letter.
Does not belong here: anything about tweets, payloads or SQL.

They are computed here and nowhere else: PostgreSQL and Python fold some letters differently (the Turkish dotted I is
two code points in one and one in the other).
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

MAX_NORMAL_FORM_BYTES = 1_000
"""Longer normal forms are cut: a btree entry holds at most 2,704 bytes. The longest real tag has 131 characters."""

_SCHEME_AND_HOST = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)")


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
    return _SCHEME_AND_HOST.sub(lambda match: match.group(0).lower(), link)


def url_host(link: str) -> str | None:
    """Return a link's host in lower case without ``www.`` and port; ``None`` where there is none."""
    try:
        host = urlsplit(link).hostname
    except ValueError:
        return None
    return _bounded(host.removeprefix("www.")) or None if host else None


def _bounded(text: str) -> str:
    if len(text) * 4 <= MAX_NORMAL_FORM_BYTES:
        return text
    return text.encode("utf-8")[:MAX_NORMAL_FORM_BYTES].decode("utf-8", "ignore")
