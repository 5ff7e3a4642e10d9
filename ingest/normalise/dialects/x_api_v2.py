"""X's API v2: objects with what they refer to beside them, and events about posts and accounts.

Belongs here: X's shapes under both of their names, joining a tweet with what ``includes`` shows of it, X's events.
Does not belong here: what a tweet's fields mean (``mapping``), look-ups (``ingest.provider``).

A body is one envelope, or one in each line: ``{"data": Tweet or [Tweet, …], "includes": {users, tweets, media},
"matching_rules": [{id, tag}, …], "errors": […]}``. One tweet comes once, with all the rules it matched. Empty fields
are left out, so that an absent one is unknown. Positions are code points of the escaped text, end exclusive; only those
of ``annotations``, which are X's guesses and are left alone, include the last one.
Source: X's OpenAPI document 2.167, which renamed fields that its examples still call by their old names, and captured
payloads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from database import snowflake
from ingest.normalise import lenient, mapping, payload
from ingest.normalise.dialects.fallback import rejected
from ingest.normalise.dialects.protocol import Envelope, RuleName
from ingest.normalise.dialects.v1_1 import V1
from ingest.normalise.records import ComplianceEvent, Item, Rejection

Shape = TypeVar("Shape")

MAX_LINES = 100_000
"""Lines of one body; the front door takes fewer items. A body with more is no stream of envelopes."""

MAX_NESTING = 3
"""How deep originals are embedded in each other. ``includes`` shows the tweets that a delivered one refers to."""

TWEET_EVENTS = {name: name for name in ("delete", "withheld", "drop", "undrop", "tweet_edit")} | {
    "post_edit": "tweet_edit"
}
"""What the compliance stream says of tweets, under its names; ``delete`` is final, the others are not."""

USER_EVENTS = frozenset({
    "user_delete", "user_undelete", "user_protect", "user_unprotect", "user_suspend", "user_unsuspend", "user_withheld",
    "user_profile_modification", "scrub_geo",
})  # fmt: skip
"""What it says of accounts. The last two do not bear on being shown, and are kept."""

DATA, DELETION, STATUS, PROBLEM, PROBLEM_BESIDE_DATA, OTHER = "data", "deletion", "status", "problem", "beside", "other"
"""What the items of an envelope are."""

ACTIVITIES = {"tweet_create_events": STATUS, "tweet_delete_events": DELETION}
"""Lists of the account activity webhook that are about tweets; its tweets are v1.1 statuses."""

CONTROLS = frozenset({"meta", "__twarc", "for_user_id", "user_event"})
"""Fields of messages that hold no tweet: a page without results, a permission that was withdrawn."""

MAX_DETAIL = 500

MAX_KIND = 60
"""Characters of a kind of problem; X's longest has 27."""

MAX_VERSIONS = 50
"""Of one tweet; X allows five edits."""

_NUL = b"\\u0000"
"""What PostgreSQL does not store; strict decoding would let it through."""

_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Hashtag(Struct, gc=False):
    tag: str
    start: int | None = None
    end: int | None = None


class _Mention(Struct, gc=False):
    username: str
    id: str | None = None
    start: int | None = None
    end: int | None = None


class _Link(Struct, gc=False):
    url: str | None = None
    expanded_url: str | None = None
    unwound_url: str | None = None
    media_key: str | None = None
    start: int | None = None
    end: int | None = None


class _Entities(Struct, gc=False):
    hashtags: list[_Hashtag] | None = None
    mentions: list[_Mention] | None = None
    urls: list[_Link] | None = None


class _Note(Struct, gc=False):
    text: str | None = None
    entities: _Entities | None = None


class _Reference(Struct, gc=False):
    type: str
    id: str


class _Attachments(Struct, gc=False):
    media_keys: list[str] | None = None


class _Metrics(Struct, gc=False):
    retweet_count: int | None = None
    repost_count: int | None = None
    reply_count: int | None = None
    like_count: int | None = None
    quote_count: int | None = None
    bookmark_count: int | None = None
    impression_count: int | None = None


class _UserMetrics(Struct, gc=False):
    followers_count: int | None = None
    following_count: int | None = None
    tweet_count: int | None = None
    post_count: int | None = None
    like_count: int | None = None
    media_count: int | None = None


class User(Struct, gc=False):
    """An account as X shows it."""

    id: str
    username: str | None = None
    name: str | None = None
    created_at: str | None = None
    description: str | None = None
    location: str | None = None
    profile_image_url: str | None = None
    profile_banner_url: str | None = None
    protected: bool | None = None
    verified: bool | None = None
    verified_type: str | None = None
    public_metrics: _UserMetrics | None = None


class Post(Struct, gc=False):
    """A tweet as X shows it."""

    id: str
    text: str
    author_id: str | None = None
    created_at: str | None = None
    lang: str | None = None
    source: str | None = None
    conversation_id: str | None = None
    in_reply_to_user_id: str | None = None
    public_metrics: _Metrics | None = None
    referenced_tweets: list[_Reference] | None = None
    referenced_posts: list[_Reference] | None = None
    edit_history_tweet_ids: list[str] | None = None
    edit_history_post_ids: list[str] | None = None
    note_tweet: _Note | None = None
    note_post: _Note | None = None
    entities: _Entities | None = None
    attachments: _Attachments | None = None

    def references(self) -> dict[str, str]:
        """Return the ids of the tweets that this one refers to, by kind."""
        found = self.referenced_tweets or self.referenced_posts or ()
        return {"retweeted" if reference.type == "reposted" else reference.type: reference.id for reference in found}

    def versions(self) -> list[str]:
        """Return the ids of all versions, the oldest first; each edit makes a tweet of its own."""
        return (self.edit_history_tweet_ids or self.edit_history_post_ids or [])[:MAX_VERSIONS]

    def other_versions(self) -> list[str]:
        """Return the ids of the versions but this one."""
        return [version for version in self.versions() if version != self.id]


class _Includes(Struct, gc=False):
    users: list[User] | None = None
    tweets: list[Post] | None = None
    posts: list[Post] | None = None


class _MatchingRule(Struct, gc=False):
    id: str | None = None
    tag: str | None = None


class _Retrieval(Struct, gc=False):
    retrieved_at: str | None = None


class _Target(Struct, gc=False):
    id: str | None = None
    author_id: str | None = None
    user_id: str | None = None
    edit_tweet_ids: list[str] | None = None
    edit_post_ids: list[str] | None = None


class _Notice(Struct, gc=False):
    tweet: _Target | None = None
    post: _Target | None = None
    user: _Target | None = None
    initial_tweet_id: str | None = None
    edit_tweet_ids: list[str] | None = None
    edit_post_ids: list[str] | None = None
    event_at: str | None = None
    withheld_in_countries: list[str] | None = None


class _Deletion(Struct, gc=False):
    status: _Target | None = None
    timestamp_ms: str | None = None


class _Problem(Struct, gc=False):
    title: str | None = None
    detail: str | None = None
    type: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    value: str | None = None


class Shown:
    """What ``includes`` shows beside tweets: other tweets and accounts, by id. What cannot be read is left out."""

    def __init__(self, users: Iterable[User], posts: Iterable[Post], *, is_sanitised: bool = False) -> None:
        self._users = {user.id: user for user in users}
        self._posts = {post.id: post for post in posts}
        self.is_sanitised = is_sanitised

    def author(self, user_id: str | None) -> payload.User | None:
        """Return an account; its id alone where it is not shown, ``None`` where there is no id."""
        if user_id is None:
            return None
        shown = self._users.get(user_id)
        return payload.User(id=user_id) if shown is None else user_of(shown)

    def people(self, user_ids: Iterable[str | None]) -> tuple[payload.User, ...]:
        """Return those of the accounts that are shown."""
        known = (self._users.get(user_id or "") for user_id in dict.fromkeys(user_ids))
        return tuple(user_of(user) for user in known if user is not None)

    def username(self, user_id: str | None) -> str | None:
        """Return the name of an account that is shown."""
        shown = self._users.get(user_id or "")
        return None if shown is None else shown.username

    def tweets(self, post_ids: Iterable[str | None], depth: int) -> tuple[payload.Tweet, ...]:
        """Return those of the tweets that are shown, with what they refer to, down to ``MAX_NESTING``."""
        if depth > MAX_NESTING:
            return ()
        known = (self._posts.get(post_id or "") for post_id in dict.fromkeys(post_ids))
        return tuple(tweet_of(post, self, depth) for post in known if post is not None)


NOTHING = Shown((), ())


class XApiV2:
    """The dialect of X's API v2."""

    name = "x_api_v2"

    def __init__(self) -> None:
        self._decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
        self._decode_list = msgspec.json.Decoder(list[Raw]).decode
        self._decode_post = msgspec.json.Decoder(Post).decode
        self._decode_includes = msgspec.json.Decoder(_Includes).decode
        self._v1_1 = V1()
        self._latest = (b"", NOTHING)

    def split(self, body: bytes) -> Envelope:
        """Return the envelope of a body, or those of its lines. A line that is cut spares its neighbours.

        A body of nothing but line ends keeps the connection alive; it is a message without items.
        """
        if not body.strip():
            return Envelope()
        try:
            envelopes = self._envelopes(body)
        except lenient.Unreadable as error:
            envelopes = self._of_lines(body)
            if all(envelope.rejection is not None for envelope in envelopes):
                return Envelope(rejection=Rejection("envelope", "unreadable_body", str(error)))
        return envelopes[0] if len(envelopes) == 1 else Envelope(parts=tuple(envelopes))

    def read(self, item: bytes, envelope: Envelope, received_ms: int) -> Item:
        """Return the records of an item, which is what the kind of its envelope says."""
        observed_ms = received_ms if envelope.observed_ms is None else min(envelope.observed_ms, received_ms)
        if envelope.kind == DATA:
            return self._read_data(item, envelope, observed_ms, received_ms)
        if envelope.kind == STATUS:
            return self._v1_1.read(item, envelope, received_ms)
        if envelope.kind == DELETION:
            return _deleted(item, received_ms)
        if envelope.kind in (PROBLEM, PROBLEM_BESIDE_DATA):
            return _told_problem(item, observed_ms, is_alone=envelope.kind == PROBLEM)
        return Item(observed_ms=received_ms)

    def _of_lines(self, body: bytes) -> list[Envelope]:
        lines = [line for line in (raw.strip() for raw in body.split(b"\n", MAX_LINES)) if line]
        envelopes: list[Envelope] = []
        for line in lines if 1 < len(lines) <= MAX_LINES else ():
            try:
                envelopes += self._envelopes(line)
            except lenient.Unreadable as error:
                envelopes.append(Envelope(rejection=Rejection("envelope", "unreadable_line", str(error))))
        return envelopes

    def _envelopes(self, raw: bytes) -> list[Envelope]:
        """Return what one JSON value holds: tweets or notices, problems, activities. Raises ``Unreadable``."""
        fields = self._fields(raw)
        data, problems = self._elements(fields, "data"), self._elements(fields, "errors")
        envelopes = []
        if data:
            envelopes.append(
                Envelope(
                    items=data,
                    observed_ms=_retrieved_ms(fields),
                    rules=_rules(fields),
                    kind=DATA,
                    context=bytes(fields.get("includes", b"")),
                )
            )
        if problems:
            kind = PROBLEM_BESIDE_DATA if data else PROBLEM
            envelopes.append(Envelope(items=problems, observed_ms=_retrieved_ms(fields), kind=kind))
        envelopes += [
            Envelope(items=activities, kind=ACTIVITIES.get(name, OTHER))
            for name in fields
            if name.endswith("_events") and (activities := self._elements(fields, name))
        ]
        return envelopes or [_without_items(fields, raw)]

    def _fields(self, raw: bytes) -> dict[str, Raw]:
        try:
            return self._decode_fields(raw)
        except _BROKEN:
            value = lenient.parse(raw)
            return {name: lenient.raw(part) for name, part in value.items()} if isinstance(value, dict) else {}

    def _elements(self, fields: Mapping[str, Raw], name: str) -> tuple[bytes, ...]:
        """Return the values of a field, which holds one object or a list; none where it holds something else."""
        field = bytes(fields.get(name, b"")).strip()
        if field[:1] == b"{":
            return (field,)
        if field[:1] != b"[":
            return ()
        try:
            return tuple(bytes(element) for element in self._decode_list(field))
        except _BROKEN:
            return tuple(bytes(lenient.raw(element)) for element in lenient.parse(field))

    def _read_data(self, item: bytes, envelope: Envelope, observed_ms: int, received_ms: int) -> Item:
        is_sanitised = False
        try:
            if _NUL in item:
                raise msgspec.DecodeError
            post = self._decode_post(item)
        except _BROKEN:
            try:
                value, is_sanitised = lenient.parse_clean(item)
                notice = _noticed(value, received_ms)
                if notice is not None:
                    return notice
                bent = lenient.bend(value, Post)
            except lenient.Unreadable as error:
                return rejected("unreadable_item", str(error), received_ms)
            if bent is None:
                return rejected("not_a_tweet", "the item has no id or no text, and is no event", received_ms)
            post = bent
        shown = self._shown(envelope.context)
        mentions = post.entities.mentions if post.entities and post.entities.mentions else ()
        return mapping.item_of(
            tweet_of(post, shown),
            observed_ms=observed_ms,
            received_ms=received_ms,
            is_sanitised=is_sanitised or shown.is_sanitised,
            beside=shown.tweets((post.references().get("replied_to"), *post.other_versions()), depth=1),
            people=shown.people((post.in_reply_to_user_id, *(mention.id for mention in mentions))),
        )

    def _shown(self, context: bytes) -> Shown:
        """Return what an envelope shows beside its items. The latest is kept: the items of one come together."""
        if self._latest[0] is not context:
            self._latest = (context, self._read_includes(context) if context else NOTHING)
        return self._latest[1]

    def _read_includes(self, raw: bytes) -> Shown:
        try:
            if _NUL in raw:
                raise msgspec.DecodeError
            includes = self._decode_includes(raw)
        except _BROKEN:
            try:
                value, is_sanitised = lenient.parse_clean(raw)
                bent = lenient.bend(value, _Includes)
            except lenient.Unreadable:
                return NOTHING
            return _shown_in(bent or _Includes(), is_sanitised=is_sanitised)
        return _shown_in(includes, is_sanitised=False)


def tweet_of(post: Post, shown: Shown = NOTHING, depth: int = 0) -> payload.Tweet:
    """Return a tweet in the common shape, with the originals that are shown.

    A retweet's counters are its original's, and so unknown of itself.
    """
    references = post.references()
    note = post.note_tweet or post.note_post
    is_long = note is not None and bool(note.text)
    text, entities = (note.text, note.entities) if note is not None and is_long else (post.text, post.entities)
    keys = post.attachments.media_keys if post.attachments else None
    tweet = payload.Tweet(
        id=post.id,
        text=text or "",
        source=post.source,
        created_at=post.created_at,
        lang=post.lang,
        in_reply_to_id=references.get("replied_to"),
        in_reply_to_user_id=post.in_reply_to_user_id,
        in_reply_to_username=shown.username(post.in_reply_to_user_id),
        conversation_id=post.conversation_id,
        author=shown.author(post.author_id),
        entities=_entities(entities) if entities else None,
        extended_entities=payload.ExtendedEntities([Raw(b"{}")] * len(keys)) if keys else None,
        quote_id=references.get("quoted"),
        quoted_tweet=next(iter(shown.tweets((references.get("quoted"),), depth + 1)), None),
        retweet_id=references.get("retweeted"),
        retweeted_tweet=next(iter(shown.tweets((references.get("retweeted"),), depth + 1)), None),
        edit_history_tweet_ids=post.versions() or None,
    )
    return tweet if "retweeted" in references else msgspec.structs.replace(tweet, **_counts(post.public_metrics))


def user_of(user: User) -> payload.User:
    """Return an account in the common shape."""
    metrics = user.public_metrics or _UserMetrics()
    return payload.User(
        id=user.id,
        user_name=user.username,
        name=user.name,
        url=f"https://x.com/{user.username}" if user.username else None,
        profile_picture=user.profile_image_url,
        cover_picture=user.profile_banner_url,
        description=user.description,
        location=user.location,
        is_verified=user.verified,
        is_blue_verified=None if user.verified_type is None else user.verified_type == "blue",
        verified_type=user.verified_type,
        is_protected=user.protected,
        followers=metrics.followers_count,
        following=metrics.following_count,
        statuses_count=metrics.tweet_count if metrics.tweet_count is not None else metrics.post_count,
        media_count=metrics.media_count,
        favourites_count=metrics.like_count,
        created_at=user.created_at,
    )


def _counts(metrics: _Metrics | None) -> dict[str, int | None]:
    if metrics is None:
        return {}
    return {
        "retweet_count": metrics.retweet_count if metrics.retweet_count is not None else metrics.repost_count,
        "reply_count": metrics.reply_count,
        "like_count": metrics.like_count,
        "quote_count": metrics.quote_count,
        "view_count": metrics.impression_count,
        "bookmark_count": metrics.bookmark_count,
    }


def _entities(entities: _Entities) -> payload.Entities:
    """Return what a text contains. Links to a tweet's own media are no links: other sources list them apart, too."""
    return payload.Entities(
        hashtags=[payload.Hashtag(tag.tag, _indices(tag)) for tag in entities.hashtags or ()],
        user_mentions=[
            payload.Mention(mention.username, mention.id, _indices(mention)) for mention in entities.mentions or ()
        ],
        urls=[
            payload.Link(link.url, link.expanded_url, _indices(link))
            for link in entities.urls or ()
            if link.media_key is None
        ],
    )


def _indices(entity: _Hashtag | _Mention | _Link) -> payload.Indices | None:
    return None if entity.start is None or entity.end is None else (entity.start, entity.end)


def _shown_in(includes: _Includes, *, is_sanitised: bool) -> Shown:
    posts = (*(includes.tweets or ()), *(includes.posts or ()))
    return Shown(includes.users or (), posts, is_sanitised=is_sanitised)


def _bent(field: Raw | None, shape: type[Shape]) -> Shape | None:
    """Return a field as a shape, strictly or else as far as it goes."""
    if field is None:
        return None
    try:
        if _NUL in bytes(field):
            raise msgspec.DecodeError
        return msgspec.json.decode(field, type=shape)
    except _BROKEN:
        try:
            return lenient.bend(lenient.parse_clean(bytes(field))[0], shape)
        except lenient.Unreadable:
            return None


def _rules(fields: Mapping[str, Raw]) -> tuple[RuleName, ...]:
    rules = _bent(fields.get("matching_rules"), list[_MatchingRule]) or []
    return tuple(RuleName(rule.id or None, rule.tag or None) for rule in rules if rule.id or rule.tag)


def _retrieved_ms(fields: Mapping[str, Raw]) -> int | None:
    """Return when an archived answer was fetched, where the tool that kept it (twarc) says so."""
    retrieval = _bent(fields.get("__twarc"), _Retrieval)
    told_ms = None if retrieval is None else mapping.parse_time(retrieval.retrieved_at)
    return told_ms if told_ms is not None and told_ms > snowflake.EPOCH_MS else None


def _without_items(fields: Mapping[str, Raw], raw: bytes) -> Envelope:
    """Return an envelope without tweets and events: a problem, a message of control, or something unknown."""
    if "title" in fields and "type" in fields:
        return Envelope(items=(raw,), kind=PROBLEM)
    if fields and fields.keys() <= CONTROLS:
        return Envelope()
    names = ", ".join(sorted(fields)[:10])[:200]
    detail = f"neither data nor an event, but {f'the fields {names}' if names else 'no object'}"
    return Envelope(rejection=Rejection("envelope", "unknown_event", lenient.clean(detail)))


def _noticed(value: Any, received_ms: int) -> Item | None:
    """Return what a message of the compliance stream says; ``None`` for anything else."""
    if not isinstance(value, dict) or "id" in value:
        return None
    name = next((name for name in (*TWEET_EVENTS, *sorted(USER_EVENTS)) if name in value), None)
    if name is None:
        return None
    notice = lenient.bend(value[name], _Notice) or _Notice()
    event_ms = _not_later(mapping.parse_time(notice.event_at), received_ms)
    is_lifted = name.endswith("withheld") and notice.withheld_in_countries == []
    if name in USER_EVENTS:
        return _user_event(notice.user, "user_unwithheld" if is_lifted else name, event_ms)
    target = notice.tweet or notice.post or _Target()
    # The specification has the versions beside the tweet, its examples within it.
    told = target.edit_tweet_ids or target.edit_post_ids or notice.edit_tweet_ids or notice.edit_post_ids or ()
    versions = mapping.versions_of((target.id, notice.initial_tweet_id, *told[:MAX_VERSIONS]))
    event_type = "unwithheld" if is_lifted else TWEET_EVENTS[name]
    return _event(target.id, event_type, event_ms, target.author_id, versions)


def _user_event(user: _Target | None, event_type: str, event_ms: int) -> Item:
    number = mapping.optional_id(user.id) if user else None
    if number is None:
        return rejected("unreadable_event", f"the event {event_type} names no account", event_ms)
    return Item(observed_ms=event_ms, event=ComplianceEvent(None, event_type, event_ms, number))


def _deleted(item: bytes, received_ms: int) -> Item:
    """Return the deletion that the account activity webhook tells."""
    deletion = _bent(Raw(item), _Deletion) or _Deletion()
    target = deletion.status or _Target()
    event_ms = _not_later(mapping.optional_id(deletion.timestamp_ms), received_ms)
    return _event(target.id, "delete", event_ms, target.user_id)


def _not_later(told_ms: int | None, received_ms: int) -> int:
    """Return when something is said to have happened; the receipt, where that is later or no time of this service."""
    return min(told_ms, received_ms) if told_ms is not None and told_ms > snowflake.EPOCH_MS else received_ms


def _event(
    tweet_id: str | None, event_type: str, event_ms: int, user_id: str | None, versions: tuple[int, ...] = ()
) -> Item:
    number = mapping.optional_id(tweet_id)
    if number is None:
        return rejected("unreadable_event", f"the event {event_type} names no tweet", event_ms)
    event = ComplianceEvent(number, event_type, event_ms, mapping.optional_id(user_id), versions)
    return Item(observed_ms=event_ms, event=event)


def _told_problem(item: bytes, observed_ms: int, *, is_alone: bool) -> Item:
    """Return what X says about something it does not show.

    Beside data it is about a tweet or an account that was referred to; of a tweet it is kept as an event. Alone it is
    the whole message, and a person should see it: a connection that was ended, a rule that was refused.
    """
    problem = _bent(Raw(item), _Problem) or _Problem()
    kind = (problem.type or "").rpartition("/")[2].replace("-", "_") or "unknown_problem"
    told = "; ".join(part for part in (kind, problem.title, problem.detail) if part)[:MAX_DETAIL]
    about = mapping.optional_id(problem.resource_id or problem.value)
    if is_alone or problem.resource_type is None:
        return rejected("provider_error", told, observed_ms)
    if problem.resource_type not in ("tweet", "post") or about is None:
        return Item(observed_ms=observed_ms)
    return Item(observed_ms=observed_ms, event=ComplianceEvent(about, kind[:MAX_KIND], observed_ms, None))
