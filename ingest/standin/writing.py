"""Putting a text together: words, tags, mentions and links, with the code-point position of each.

Positions are code-point offsets into the escaped text, end exclusive, as the provider gives them.

*Belongs here*: the text of a tweet and of a retweet wrapper, and where its entities sit.
*Does not belong here*: deciding who writes what.
"""

from collections.abc import Sequence
from random import Random

import msgspec

from ingest.standin.words import LANGUAGE_BY_CODE, plain_words, vocabulary

# A retweet's text is cut here, the last character being the ellipsis.
RETWEET_LENGTH = 140
ELLIPSIS = "…"
LINK_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
EMOJI = ("😀", "🎉", "🚋", "🌊", "💯", "👩‍🚀", "🇪🇺", "🫖", "❤️", "🧭")
ESCAPED = ("&amp;", "&lt;3", "&gt;&gt;", "R&amp;D", "5 &lt; 6")


class Hashtag(msgspec.Struct, frozen=True, gc=False):
    """One tag as written, without its sign."""

    text: str
    start: int
    end: int


class Mention(msgspec.Struct, frozen=True, gc=False):
    """One mentioned account; its id is "0" and its name empty where the provider does not know it."""

    id_str: str
    name: str
    screen_name: str
    start: int
    end: int


class Link(msgspec.Struct, frozen=True, gc=False):
    """One shortened address; *expanded_url* is None where the provider does not give it."""

    url: str
    display_url: str
    expanded_url: str | None
    start: int
    end: int


class Media(msgspec.Struct, frozen=True, gc=False):
    """One picture or film and the short address that stands for it in the text."""

    kind: str
    number: int
    url: str
    width: int
    height: int
    start: int
    end: int


class Written(msgspec.Struct, frozen=True):
    """A text with its entities; *display_start* is where it begins after the mentions of a reply."""

    text: str
    display_start: int
    display_end: int
    hashtags: tuple[Hashtag, ...]
    mentions: tuple[Mention, ...]
    links: tuple[Link, ...]
    media: tuple[Media, ...]


class Plan(msgspec.Struct, frozen=True):
    """What a text shall hold; *words* are drawn from the language unless they are given."""

    lang: str
    length: int
    tags: Sequence[str] = ()
    anchors: Sequence[str] = ()
    leading: Sequence[tuple[str, str, str]] = ()
    mentioned: Sequence[tuple[str, str, str]] = ()
    link_count: int = 0
    media: str = ""
    media_number: int = 0
    status_url: str = ""
    words: Sequence[str] | None = None


class _Text:
    """A growing text that knows how many code points it has."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.glued = True
        self.hashtags: list[Hashtag] = []
        self.mentions: list[Mention] = []
        self.links: list[Link] = []

    def add(self, piece: str, *, glue: bool = False) -> int:
        """Append a piece, after a space unless both neighbours may touch, and return where it starts."""
        if not (self.glued and (glue or not self.parts)):
            self.parts.append(" ")
            self.length += 1
        start = self.length
        self.parts.append(piece)
        self.length += len(piece)
        self.glued = glue
        return start

    def tag(self, tag: str, style: float) -> None:
        """Append a tag; a few wear the full-width sign, a few touch emoji on both sides."""
        sign = "\uff03" if style < 0.03 else "#"
        if style > 0.94:
            before = EMOJI[int(style * 1000) % len(EMOJI)]
            start = self.add(f"{before}{sign}{tag}{before}") + len(before)
        else:
            start = self.add(sign + tag)
        self.hashtags.append(Hashtag(tag, start, start + 1 + len(tag)))

    def mention(self, who: tuple[str, str, str]) -> None:
        """Append a mention of (id, name, handle)."""
        start = self.add("@" + who[2])
        self.mentions.append(Mention(who[0], who[1], who[2], start, start + 1 + len(who[2])))

    def link(self, rng: Random) -> None:
        """Append a short address."""
        url = short_link(rng)
        start = self.add(url)
        expanded = expanded_link(rng)
        shown = expanded.removeprefix("https://")
        display = shown if len(shown) < 28 else shown[:26] + ELLIPSIS
        known = None if rng.random() < 0.01 else expanded
        self.links.append(Link(url, display, known, start, start + len(url)))


def short_link(rng: Random) -> str:
    """Return a short address as the platform makes them."""
    number = rng.getrandbits(60)
    return "https://t.co/" + "".join(LINK_ALPHABET[(number >> shift) % 62] for shift in range(0, 60, 6))


def expanded_link(rng: Random) -> str:
    """Return a full address under a reserved domain; paths mind their case and a few are very long."""
    words = plain_words()
    draw = rng.getrandbits(40)
    host = words[draw % 60]
    path = words[(draw >> 8) % len(words)].capitalize() + "/" + words[(draw >> 20) % len(words)] + str(draw % 997)
    if draw % 331 == 0:
        path += "?state=" + "aB3_" * 140
    return f"https://www.{host}.example/{path}"


def write(rng: Random, plan: Plan) -> Written:
    """Write a text that holds everything the plan asks for, specials strewn among the words."""
    uniform = rng.random
    text = _Text()
    for who in plan.leading:
        text.mention(who)
    display_start = text.length + 1 if plan.leading else 0
    has_spaces = LANGUAGE_BY_CODE[plan.lang].has_spaces if plan.lang in LANGUAGE_BY_CODE else True
    words = plan.words if plan.words is not None else _drawn_words(rng, plan)
    specials: list[tuple[float, int, object]] = [(uniform(), 0, anchor) for anchor in plan.anchors]
    specials += [(0.3 + 0.7 * uniform(), 1, tag) for tag in plan.tags]
    specials += [(uniform(), 2, who) for who in plan.mentioned]
    specials += [(0.5 + 0.5 * uniform(), 3, None) for _ in range(plan.link_count)]
    specials.sort(key=lambda special: special[0])
    _strew(rng, text, words, specials, glue=not has_spaces)
    media = _attach(rng, text, plan) if plan.media else ()
    end = media[0].start - 1 if media and media[0].start else text.length
    return Written(
        "".join(text.parts),
        min(display_start, max(end, 0)),
        max(end, 0),
        tuple(text.hashtags),
        tuple(text.mentions),
        tuple(text.links),
        media,
    )


def _drawn_words(rng: Random, plan: Plan) -> list[str]:
    words = vocabulary(plan.lang)
    size = len(words)
    uniform = rng.random
    drawn = [words[int(size * uniform() ** 3)] for _ in range(plan.length)]
    if drawn and uniform() < 0.08:
        drawn[len(drawn) // 2] = ESCAPED[int(uniform() * len(ESCAPED))]
    if drawn and uniform() < 0.18:
        drawn.append(EMOJI[int(uniform() * len(EMOJI))])
    return drawn


def _strew(
    rng: Random, text: _Text, words: Sequence[str], specials: list[tuple[float, int, object]], *, glue: bool
) -> None:
    waiting = 0
    total = len(words) + 1
    for number, word in enumerate(words):
        while waiting < len(specials) and specials[waiting][0] * total <= number:
            _special(rng, text, specials[waiting])
            waiting += 1
        text.add(word, glue=glue)
    for special in specials[waiting:]:
        _special(rng, text, special)


def _special(rng: Random, text: _Text, special: tuple[float, int, object]) -> None:
    _, kind, payload = special
    if kind == 0:
        text.add(str(payload))
    elif kind == 1:
        text.tag(str(payload), rng.random())
    elif isinstance(payload, tuple):
        text.mention(payload)
    else:
        text.link(rng)


def _attach(rng: Random, text: _Text, plan: Plan) -> tuple[Media, ...]:
    url = short_link(rng)
    start = text.add(url)
    width, height = ((1200, 675), (1080, 1350), (2048, 1536), (720, 1280))[rng.getrandbits(2)]
    many = 1 + (rng.random() < 0.1) * 2 if plan.media == "photo" else 1
    return tuple(
        Media(plan.media, plan.media_number + number, url, width, height, start, start + len(url))
        for number in range(many)
    )


def retweeted(handle: str, author_id: str, name: str, original: Written) -> Written:
    """Return the wrapper text "RT @handle: …" of an original, cut at 140 characters, with its entities moved along.

    An entity that begins before the cut and ends after it points at what is left of it, as the provider's do.
    """
    prefix = f"RT @{handle}: "
    whole = prefix + original.text
    text = whole if len(whole) <= RETWEET_LENGTH else whole[: RETWEET_LENGTH - 1] + ELLIPSIS
    shift, end = len(prefix), len(text)
    own = Mention(author_id, name, handle, 3, 4 + len(handle))
    return Written(
        text,
        0,
        end,
        tuple(
            Hashtag(tag.text, tag.start + shift, min(tag.end + shift, end))
            for tag in original.hashtags
            if tag.start + shift < end
        ),
        (
            own,
            *(
                Mention(who.id_str, who.name, who.screen_name, who.start + shift, min(who.end + shift, end))
                for who in original.mentions
                if who.start + shift < end
            ),
        ),
        tuple(
            Link(link.url, link.display_url, link.expanded_url, link.start + shift, min(link.end + shift, end))
            for link in original.links
            if link.start + shift < end
        ),
        (),
    )
