"""The shape of a tweet as twitterapi.io sends it: what every dialect is turned into first.

Belongs here: the typed shape, for msgspec to decode into.
Does not belong here: reading other dialects, cleaning, mapping to rows.

The garbage collector need not look at these structs (``gc=False``): they hold no cycles, and a batch holds a hundred
thousand of them. Field names and deviations: docs.twitterapi.io and captured payloads. Everything but the id is
optional, since different back ends of the provider leave out different fields.
"""

from __future__ import annotations

from msgspec import Raw, Struct

Indices = tuple[int, int]


class Hashtag(Struct, gc=False):
    """A hashtag without its sign, and its code points in the text."""

    text: str
    indices: Indices | None = None


class Mention(Struct, gc=False):
    """A mentioned account. ``id_str`` is "0" or "" where the provider does not know it."""

    screen_name: str
    id_str: str | None = None
    indices: Indices | None = None


class Link(Struct, gc=False):
    """A link: ``url`` is the t.co form in the text, ``expanded_url`` where it leads."""

    url: str | None = None
    expanded_url: str | None = None
    indices: Indices | None = None


class Entities(Struct, gc=False):
    """What a text contains. Any list may be missing."""

    hashtags: list[Hashtag] | None = None
    user_mentions: list[Mention] | None = None
    urls: list[Link] | None = None
    media: list[Raw] | None = None


class ExtendedEntities(Struct, gc=False):
    """The media of a tweet; ``{}`` when there are none."""

    media: list[Raw] | None = None


class ProfileBio(Struct, gc=False):
    """Where the biography really is; ``author.description`` is often empty."""

    description: str | None = None


_SNAKE_CASE = frozenset({"profile_bio", "quoted_tweet", "retweeted_tweet"})


def provider_name(field: str) -> str:
    """Return the provider's spelling of a field: camel case, with three exceptions."""
    if field in _SNAKE_CASE:
        return field
    first, *rest = field.split("_")
    return first + "".join(word.capitalize() for word in rest)


class User(Struct, gc=False, rename=provider_name):
    """The author of a tweet, whole in every tweet."""

    id: str
    user_name: str | None = None
    name: str | None = None
    url: str | None = None
    profile_picture: str | None = None
    cover_picture: str | None = None
    description: str | None = None
    location: str | None = None
    is_verified: bool | None = None
    is_blue_verified: bool | None = None
    verified_type: str | None = None
    followers: int | None = None
    following: int | None = None
    statuses_count: int | None = None
    media_count: int | None = None
    favourites_count: int | None = None
    created_at: str | None = None
    is_automated: bool | None = None
    automated_by: str | None = None
    can_dm: bool | None = None
    possibly_sensitive: bool | None = None
    is_protected: bool | None = None
    profile_bio: ProfileBio | None = None


class Tweet(Struct, gc=False, rename=provider_name):
    """A tweet with its author and the tweets it embeds.

    Texts are HTML-escaped; indices are code points into the escaped text, end exclusive. Counts of ``None`` are
    unknown. On a retweet the counts are copies of the original's, and the views have been seen as ``[0]``.
    ``quote_id`` and ``retweet_id`` name an original that is not embedded. Each edit of a tweet has an id of its own;
    ``edit_history_tweet_ids`` lists them all, also this one.
    """

    id: str
    text: str
    source: str | None = None
    retweet_count: int | None = None
    reply_count: int | None = None
    like_count: int | None = None
    quote_count: int | None = None
    view_count: int | list[int] | None = None
    bookmark_count: int | None = None
    created_at: str | None = None
    lang: str | None = None
    is_reply: bool | None = None
    in_reply_to_id: str | None = None
    in_reply_to_user_id: str | None = None
    in_reply_to_username: str | None = None
    conversation_id: str | None = None
    author: User | None = None
    entities: Entities | None = None
    extended_entities: ExtendedEntities | None = None
    quote_id: str | None = None
    retweet_id: str | None = None
    quoted_tweet: Tweet | None = None
    retweeted_tweet: Tweet | None = None
    edit_history_tweet_ids: list[str] | None = None


COUNTS = tuple(field for field in Tweet.__struct_fields__ if field.endswith("_count"))
"""The counters of a tweet."""
