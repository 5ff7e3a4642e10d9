"""The provider's JSON: tweets, users and webhook envelopes as bytes, field for field and quirk for quirk.

Rendering joins pieces that were encoded once, since a load test asks for thousands of tweets a second.

*Belongs here*: the shape of every object the provider shows.
*Does not belong here*: what is in the world, and who asks for it.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b

import msgspec

from ingest.standin.chance import mix, snowflake
from ingest.standin.curves import Counts, counted_at_ms, is_view_null
from ingest.standin.people import UNAVAILABLE_MESSAGES, Author
from ingest.standin.world import Tweet, World
from ingest.standin.writing import Media, Mention

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# A retweet of a quote is shown with the quoted tweet inside; nothing is nested deeper.
DEEPEST_NESTING = 2
# Numbers that stand in an encoded author for those that change, and are cut out of it.
HOLES = (-77_001, -77_002)

encode = msgspec.json.Encoder().encode


def created_at(at_ms: int) -> str:
    """Return a time as the platform writes it, to the second, always in UTC whatever the locale."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{WEEKDAYS[at.weekday()]} {MONTHS[at.month - 1]} {at:%d %H:%M:%S} +0000 {at.year}"


class Renderer:
    """Shows the tweets and authors of one world as JSON."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.people = world.people
        self._author_pieces = lru_cache(maxsize=30_000)(self._make_author_pieces)
        self._rendered = lru_cache(maxsize=4_000)(self._render)

    def tweet(self, tweet: Tweet, at_ms: int) -> bytes:
        """Return a tweet as shown at a time, with its author and the original it embeds."""
        return self._rendered(tweet.id, counted_at_ms(at_ms))

    def author(self, index: int, at_ms: int) -> bytes:
        """Return an author as embedded in a tweet at a time."""
        author = self.people.author(index)
        before, between, after = self._author_pieces(index, self.people.handle(index, at_ms))
        followers, statuses = self.people.followers(author, at_ms), self.people.statuses(author, at_ms)
        return b"%b%d%b%d%b" % (before, followers, between, statuses, after)

    def user(self, index: int, at_ms: int) -> bytes:
        """Return an author as the user look-ups show them: also protected, suspended or unavailable.

        A suspended account is a stub, an unavailable one keeps its fields, a protected one is marked.
        """
        state = self.people.state(index, at_ms)
        if state == "active":
            return self.author(index, at_ms)
        whole: dict[str, object] = msgspec.json.decode(self.author(index, at_ms))
        if state == "protected":
            return encode(whole | {"isProtected": True})
        message, reason = UNAVAILABLE_MESSAGES[state]
        if state == "suspended":
            whole = {name: whole[name] for name in ("type", "userName", "url", "id", "name")}
        return encode(whole | {"unavailable": True, "message": message, "unavailableReason": reason})

    def envelope(self, rule_id: str, rule_tag: str, rule_value: str, tweets: Iterable[Tweet], at_ms: int) -> bytes:
        """Return the body of one webhook delivery sent at *at_ms*."""
        rule = b'"rule_id": %b, "rule_tag": %b, "rule_value": %b' % (
            encode(rule_id),
            encode(rule_tag),
            encode(rule_value),
        )
        shown = b", ".join([self.tweet(tweet, at_ms) for tweet in tweets])
        return b'{"tweets": [%b], %b, "event_type": "tweet", "timestamp": %d}' % (shown, rule, at_ms)

    def _render(self, tweet_id: int, at_ms: int) -> bytes:
        tweet = self.world.tweet(tweet_id)
        if tweet is None:
            raise LookupError(f"there is no tweet {tweet_id} in this world")
        return self._nested(tweet, at_ms, 0)

    def _nested(self, tweet: Tweet, at_ms: int, depth: int) -> bytes:
        counts = self.world.counts_of(tweet, at_ms)
        embedded = self._embedded(tweet, at_ms, depth)
        is_retweet = tweet.kind == "retweet"
        return b"".join(
            (
                self._head(tweet, at_ms),
                _counted(tweet, counts),
                b',"createdAt":"',
                created_at(tweet.created_at_ms).encode(),
                b'","lang":"',
                tweet.lang.encode(),
                b'","bookmarkCount":%d' % counts.bookmark,
                self._reply_fields(tweet),
                b',"author":',
                self.author(tweet.author, at_ms),
                self._media(tweet, at_ms),
                b',"card":null,"place":{},"entities":',
                _entities(tweet),
                b',"quoted_tweet":',
                b"null" if is_retweet else embedded,
                b',"retweeted_tweet":',
                embedded if is_retweet else b"null",
                b',"isLimitedReply":false,"article":null}' if tweet.id >> 23 & 7 else b',"article":null}',
            )
        )

    def _embedded(self, tweet: Tweet, at_ms: int, depth: int) -> bytes:
        original = self.world.original(tweet)
        if original is None or depth == DEEPEST_NESTING or (depth and tweet.kind != "quote"):
            return b"null"
        if not self.world.is_visible(original, max(at_ms, original.created_at_ms)):
            return b"null"
        return self._nested(original, at_ms, depth + 1 if depth or tweet.kind == "retweet" else DEEPEST_NESTING)

    def _head(self, tweet: Tweet, at_ms: int) -> bytes:
        handle = self.people.handle(tweet.author, at_ms)
        return (
            f'{{"type":"tweet","id":"{tweet.id}","url":"https://x.com/{handle}/status/{tweet.id}",'
            f'"twitterUrl":"https://twitter.com/{handle}/status/{tweet.id}","text":'
        ).encode() + b'%b,"source":"%b"' % (encode(tweet.written.text), tweet.source.encode())

    def _reply_fields(self, tweet: Tweet) -> bytes:
        user_id, name = "null", "null"
        if tweet.reply_to_author is not None and not tweet.hidden_parent:
            user_id = f'"{self.people.id_of(tweet.reply_to_author)}"'
            name = f'"{self.people.handle(tweet.reply_to_author, tweet.created_at_ms)}"'
        parent = "null" if tweet.reply_to_id is None else f'"{tweet.reply_to_id}"'
        shown = "" if tweet.id >> 26 & 15 == 0 else _display_range(tweet)
        return (
            f',"isReply":{"true" if tweet.kind == "reply" else "false"},"inReplyToId":{parent},'
            f'"conversationId":"{tweet.conversation_id}"{shown},'
            f'"inReplyToUserId":{user_id},"inReplyToUsername":{name}'
        ).encode()

    def _media(self, tweet: Tweet, at_ms: int) -> bytes:
        if not tweet.written.media:
            return b',"extendedEntities":{}'
        handle = self.people.handle(tweet.author, at_ms)
        status = f"{handle}/status/{tweet.id}"
        shown = [_medium(medium, status, number) for number, medium in enumerate(tweet.written.media, 1)]
        return b',"extendedEntities":{"media":%b}' % encode(shown)

    def _make_author_pieces(self, index: int, handle: str) -> tuple[bytes, bytes, bytes]:
        whole = encode(_author(self.people.author(index), handle, mix(self.world.seed, 30, index)))
        before, _, rest = whole.partition(b"%d" % HOLES[0])
        between, _, after = rest.partition(b"%d" % HOLES[1])
        return before, between, after


def _display_range(tweet: Tweet) -> str:
    return f',"displayTextRange":[{tweet.written.display_start},{tweet.written.display_end}]'


def _counted(tweet: Tweet, counts: Counts) -> bytes:
    known = b',"retweetCount":%d,"replyCount":%d,"likeCount":%d,"quoteCount":%d' % (
        counts.retweet,
        counts.reply,
        counts.like,
        counts.quote,
    )
    if tweet.kind == "retweet":
        return known + b',"viewCount":[0]'
    if counts.view is not None:
        return known + b',"viewCount":%d' % counts.view
    return known + b',"viewCount":null' if is_view_null(tweet.id >> 3) else known


def _entities(tweet: Tweet) -> bytes:
    written = tweet.written
    present: dict[str, list[dict[str, object]]] = {
        "hashtags": [{"indices": [tag.start, tag.end], "text": tag.text} for tag in written.hashtags],
        "symbols": [],
        "timestamps": [],
        "urls": [
            {"display_url": link.display_url, "expanded_url": link.expanded_url}
            | {"indices": [link.start, link.end], "url": link.url}
            for link in written.links
        ],
        "user_mentions": [_mention(who) for who in written.mentions],
    }
    # One backend shows empty lists, another leaves them out.
    if tweet.id >> 24 & 1:
        present = {name: entries for name, entries in present.items() if entries}
    return encode(present)


def _mention(who: Mention) -> dict[str, object]:
    return {"id_str": who.id_str, "indices": [who.start, who.end], "name": who.name, "screen_name": who.screen_name}


def _medium(medium: Media, status: str, number: int) -> dict[str, object]:
    prefix = {"photo": "3", "video": "7", "animated_gif": "16"}[medium.kind]
    name = _letters(medium.number, 15)
    width, height = medium.width, medium.height
    shown: dict[str, object] = {
        "display_url": "pic.twitter.com/" + medium.url[-10:],
        "expanded_url": f"https://twitter.com/{status}/{'photo' if medium.kind == 'photo' else 'video'}/{number}",
        "ext_media_availability": {"status": "Available"},
        "features": {"large": {"faces": []}, "orig": {"faces": []}},
        "id_str": str(medium.number),
        "indices": [medium.start, medium.end],
        "media_key": f"{prefix}_{medium.number}",
        "media_results": {
            "id": "QXBpTWVkaWFSZXN1bHRzOg" + _letters(medium.number * 3, 34) + "==",
            "result": {
                "__typename": "ApiMedia",
                "id": "QXBpTWVkaWE6" + _letters(medium.number * 5, 36),
                "media_key": f"{prefix}_{medium.number}",
            },
        },
        "media_url_https": f"https://pbs.twimg.com/media/{name}.jpg",
        "original_info": {
            "focus_rects": [
                {"h": min(height, width * part // 16), "w": width, "x": 0, "y": 0} for part in (9, 16, 12, 20, 8)
            ],
            "height": height,
            "width": width,
        },
        "sizes": {"large": {"h": height, "w": width}},
        "type": medium.kind,
        "url": medium.url,
    }
    if medium.kind != "photo":
        shown["video_info"] = _video(medium, name)
    return shown


def _video(medium: Media, name: str) -> dict[str, object]:
    base = f"https://video.twimg.com/ext_tw_video/{medium.number}/pu"
    variants: list[dict[str, object]] = [
        {"bitrate": rate, "content_type": "video/mp4", "url": f"{base}/vid/{rate // 1000}/{name}.mp4?tag=12"}
        for rate in (256_000, 832_000, 2_176_000)
    ]
    variants.append({"content_type": "application/x-mpegURL", "url": f"{base}/pl/{name}.m3u8?tag=12"})
    return {"aspect_ratio": [16, 9], "duration_millis": 1000 + medium.number % 90_000, "variants": variants}


def _letters(number: int, count: int) -> str:
    digest = blake2b(number.to_bytes(12), digest_size=count * 3 // 4 + 1).digest()
    return urlsafe_b64encode(digest).decode()[:count]


def _author(author: Author, handle: str, draw: int) -> dict[str, object]:
    site = [
        {
            "display_url": f"{handle.lower()}.example",
            "expanded_url": f"https://www.{handle.lower()}.example/",
            "indices": [0, 23],
            "url": "https://t.co/" + _letters(draw, 10),
        }
    ]
    bio_entities: dict[str, object] = {"description": {"hashtags": [], "symbols": [], "urls": [], "user_mentions": []}}
    if author.has_site:
        bio_entities["url"] = {"urls": site}
    elif draw % 3 == 0:
        bio_entities = {"description": {}}
    return {
        "type": "user",
        "userName": handle,
        "url": f"https://x.com/{handle}",
        "twitterUrl": f"https://twitter.com/{handle}",
        "id": str(author.id),
        "name": author.name,
        "isVerified": False,
        "isBlueVerified": author.is_blue,
        "verifiedType": "government" if author.index % 2003 == 7 else None,
        "profilePicture": f"https://pbs.twimg.com/profile_images/{draw >> 3}/{_letters(draw, 8)}_normal.jpg",
        "coverPicture": f"https://pbs.twimg.com/profile_banners/{author.id}/{author.created_at_ms // 1000}"
        if author.has_cover
        else "",
        "description": "",
        "location": author.location,
        "followers": HOLES[0],
        "following": author.following,
        "status": "",
        "canDm": author.can_dm,
        "canMediaTag": True,
        "createdAt": created_at(author.created_at_ms),
        "entities": {"description": {"urls": []}, "url": {}},
        "fastFollowersCount": 0,
        "favouritesCount": author.favourites,
        "hasCustomTimelines": draw % 4 != 0,
        "isTranslator": False,
        "mediaCount": author.media,
        "statusesCount": HOLES[1],
        "withheldInCountries": [],
        "affiliatesHighlightedLabel": {},
        "possiblySensitive": False,
        "pinnedTweetIds": [str(snowflake(max(author.created_at_ms, 1_400_000_000_000) + draw % 10**10, draw))]
        if draw % 5 < 2
        else [],
        "profile_bio": {"description": author.bio, "entities": bio_entities},
        "isAutomated": author.is_automated,
        "automatedBy": None,
    }
