"""How a tweet's counts move: a saturating curve over a daily rhythm, with purges and small falls.

*Belongs here*: the numbers of one tweet at a time, as a pure function.
*Does not belong here*: drawing the parameters of a tweet, showing the numbers as JSON.
"""

import math

import msgspec

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
# The share by which the daily rhythm speeds up the afternoon and slows down the night.
RHYTHM = 0.6
RADIANS_PER_MS = 2 * math.pi / DAY_MS
NEVER_MS = 1 << 62


class Counts(msgspec.Struct, frozen=True):
    """The six counts of a tweet as the provider shows them at a time; *view* is None where it leaves it out."""

    retweet: int
    reply: int
    like: int
    quote: int
    view: int | None
    bookmark: int


class Curve(msgspec.Struct, frozen=True):
    """What decides a tweet's counts: likes in the end, how fast they come, ratios of the rest, and its falls."""

    likes: float
    tau_ms: float
    retweets: float
    replies: float
    quotes: float
    bookmarks: float
    views: float
    purge_age_ms: int
    purge_share: float
    wobbles: bool


def counted_at_ms(at_ms: int) -> int:
    """Return the time whose counts are shown at *at_ms*: counts are kept for the whole minute they fall in."""
    return at_ms - at_ms % MINUTE_MS


def rhythm_ms(at_ms: int) -> float:
    """Return a clock that runs faster by day than by night and never stands still."""
    return at_ms - RHYTHM / RADIANS_PER_MS * math.sin(RADIANS_PER_MS * (at_ms % DAY_MS))


def counts(curve: Curve, created_at_ms: int, at_ms: int, noise: int) -> Counts:
    """Return the counts shown at *at_ms*.

    *noise* is the tweet's own number. Likes may fall: by a purge at one age, or by one for a few minutes.
    """
    shown_ms = counted_at_ms(at_ms)
    age_ms = shown_ms - created_at_ms
    if age_ms <= 0:
        return Counts(0, 0, 0, 0, _view(0, shown_ms, noise), 0)
    progress = 1.0 - math.exp(-(rhythm_ms(shown_ms) - rhythm_ms(created_at_ms)) / curve.tau_ms)
    likes = curve.likes * progress
    kept = 1.0 - curve.purge_share if age_ms >= curve.purge_age_ms else 1.0
    like = int(likes * kept)
    if curve.wobbles and like > 2 and (shown_ms // MINUTE_MS // 7 + noise) % 5 == 0:
        like -= 1
    return Counts(
        retweet=int(likes * curve.retweets * kept),
        reply=int(likes * curve.replies),
        like=like,
        quote=int(likes * curve.quotes),
        view=_view(int(likes * curve.views + 40 * progress), shown_ms, noise),
        bookmark=int(likes * curve.bookmarks),
    )


def is_view_null(noise: int) -> bool:
    """Say whether a view count left out is null rather than absent."""
    return noise % 2 == 0


def _view(views: int, shown_ms: int, noise: int) -> int | None:
    """Return the views, or None in the one hour in 41 in which the provider leaves them out."""
    return None if (noise // 7 + shown_ms // HOUR_MS) % 41 == 0 else views
