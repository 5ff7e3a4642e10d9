"""Every endpoint: its path, its parameters, what it answers, and the read behind it.

Belongs here: one entry for each question of the data layer; the documentation is made from the same entries.
Does not belong here: queries, HTTP, exports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from api.errors import Refused
from api.parameters import Parameter
from api.reading import Reading, Result
from datalayer import engagement, entities, freshness, profiles, rules, trending, tweets, zones
from datalayer.analytics import KEPT_WINDOWS, TopUser, VolumePoint, ZoneSummary
from datalayer.cache import Answer
from datalayer.engagement import ViralTweet
from datalayer.entities import CoOccurringHashtag, EntityCount
from datalayer.freshness import MartFreshness, NewestTweet
from datalayer.profiles import ProfileInfluence, ProfileSnapshot
from datalayer.records import Observation, Profile, Tweet
from datalayer.rules import Rule
from datalayer.trending import HashtagHour, TrendingEntity, TrendingHashtag
from datalayer.tweets import Filters, RawTweet, ThreadTweet
from datalayer.windows import Span
from datalayer.zones import Zone

Handler = Callable[..., Result]

ZONE_STATS = "twitter_zone_stats_hourly"
TOP_PROFILES = "twitter_top_profiles_by_zone"
TRENDING = "twitter_trending_hashtags"
TOP_TWEETS = "twitter_top_engaged_tweets"
TRENDING_ENTITIES = "twitter_trending_entities"


@dataclass(frozen=True)
class ZoneFreshness:
    """How fresh a zone's answers are: its newest tweet, and each mart."""

    newest_tweet: NewestTweet | None
    marts: tuple[MartFreshness, ...]


@dataclass(frozen=True)
class Endpoint:
    """``model`` is the mart that the answer's version is of: an answer that the reader has need not be read again."""

    path: str
    summary: str
    returns: Any
    handler: Handler
    parameters: tuple[Parameter, ...] = ()
    tag: str = "zones"
    model: str | None = None
    is_list: bool = True


def _zone() -> Parameter:
    return Parameter("zone", "Name or id of a zone", required=True, in_path=True, example="news")


def _limit(default: int, maximum: int = 200) -> Parameter:
    return Parameter("limit", "Rows at most", "integer", default, minimum=1, maximum=maximum, example=default)


def _hours(default: int | None, description: str, maximum: int = 9600) -> Parameter:
    return Parameter("hours", description, "integer", default, minimum=1, maximum=maximum, example=24)


def _choice(name: str, description: str, default: str, *choices: str) -> Parameter:
    return Parameter(name, description, default=default, choices=choices, example=default)


_CURSOR = Parameter("cursor", "next_cursor of the page before", example=None)
_SINCE = Parameter("since", "Not before this time", "date-time", example="2026-01-31T00:00:00Z")
_UNTIL = Parameter("until", "Before this time", "date-time", example="2026-02-01T00:00:00Z")
_PAGE = (_limit(20), _CURSOR, _SINCE, _UNTIL)
_TWEET = Parameter(
    "tweet_id", "Id of a tweet", "integer", required=True, in_path=True, is_id=True, example="1460323737035677698"
)
_PROFILE = Parameter(
    "profile", "Id of an account, or @ and its username", required=True, in_path=True, example="@example"
)
_HASHTAG = Parameter("hashtag", "A hashtag in any spelling, without #", required=True, in_path=True, example="news")


def _cached(answer: Answer[Any]) -> Result:
    return Result(answer.value, version=answer.version or None, is_stale=answer.is_stale)


def _span(given: dict[str, Any]) -> Span:
    return Span(given.get("since"), given.get("until"))


def list_zones(reading: Reading) -> Result:
    """Answer with the zones that the reader's key opens."""
    answer = reading.cached.get_zones()
    return Result(tuple(zone for zone in answer.value if reading.reader.may_read(zone.name)), is_stale=answer.is_stale)


def _one_zone(reading: Reading, zone: str) -> Result:
    return Result(reading.zone(zone))


def _volume(reading: Reading, zone: str, hours: int, days: int | None, timezone: str | None) -> Result:
    found = reading.zone(zone)
    if days is None:
        return _cached(reading.cached.get_volume_chart(found.zone_id, hours=hours))
    return _cached(reading.cached.get_daily_volume_chart(found.zone_id, days=days, timezone=timezone or found.timezone))


def _summary(reading: Reading, zone: str, hours: int) -> Result:
    return _cached(reading.cached.get_zone_summary(reading.zone(zone).zone_id, hours=hours))


def _top_users(reading: Reading, zone: str, limit: int, order_by: Any, hours: int | None, window: Any) -> Result:
    zone_id = reading.zone(zone).zone_id
    if window is not None:
        cached = reading.cached
        return _cached(cached.get_top_users_of_kept_window(zone_id, window, limit=limit, order_by=order_by))
    if hours is None:
        return _cached(reading.cached.get_top_users(zone_id, limit=limit, order_by=order_by))
    return _cached(reading.cached.get_top_users_of_window(zone_id, hours=hours, limit=limit, order_by=order_by))


def _trending(reading: Reading, zone: str, limit: int, window: Any, order_by: Any) -> Result:
    zone_id = reading.zone(zone).zone_id
    return _cached(reading.cached.get_trending_hashtags(zone_id, limit=limit, window=window, order_by=order_by))


def _trending_entities(reading: Reading, zone: str, entity_type: Any, limit: int, window: Any, order_by: Any) -> Result:
    zone_id = reading.zone(zone).zone_id
    cached = reading.cached
    return _cached(cached.get_trending_entities(zone_id, entity_type, limit=limit, window=window, order_by=order_by))


def _hashtag_history(reading: Reading, zone: str, hashtag: str, hours: int) -> Result:
    zone_id = reading.zone(zone).zone_id
    with reading.connection() as connection:
        return Result(trending.get_hashtag_history(connection, zone_id, hashtag, now=reading.clock(), hours=hours))


def _co_occurring(reading: Reading, zone: str, hashtag: str, limit: int, **span: Any) -> Result:
    zone_id = reading.zone(zone).zone_id
    with reading.connection() as connection:
        return Result(entities.get_co_occurring_hashtags(connection, zone_id, hashtag, limit=limit, span=_span(span)))


def _entities(reading: Reading, zone: str, entity_type: Any, limit: int, **span: Any) -> Result:
    zone_id = reading.zone(zone).zone_id
    with reading.connection() as connection:
        return Result(entities.get_top_entities(connection, zone_id, entity_type, limit=limit, span=_span(span)))


def _feed(reading: Reading, zone: str, limit: int, cursor: str | None, **given: Any) -> Result:
    zone_id = reading.zone(zone).zone_id
    span = _span(given)
    filters = Filters(**{name: value for name, value in given.items() if name not in ("since", "until")})
    if cursor is None and span == Span() and filters == Filters():
        answer = reading.cached.get_recent_tweets(zone_id, limit=limit)
        return Result(answer.value.items, answer.value.next_cursor, is_stale=answer.is_stale)
    with reading.connection() as connection:
        page = tweets.get_feed(connection, zone_id, limit=limit, cursor=cursor, span=span, filters=filters)
    return Result(page.items, page.next_cursor)


def _top_tweets(reading: Reading, zone: str, hours: int, limit: int) -> Result:
    return _cached(reading.cached.get_top_engaged_tweets(reading.zone(zone).zone_id, hours=hours, limit=limit))


def _viral(reading: Reading, zone: str, hours: int, limit: int) -> Result:
    return _cached(reading.cached.get_viral_tweets(reading.zone(zone).zone_id, hours=hours, limit=limit))


def search(reading: Reading, zone: str, limit: int, cursor: str | None, **given: Any) -> Result:
    """Answer with a zone's tweets that match the one thing that was asked for."""
    asked = [name for name in ("q", "hashtag", "mention", "host") if given[name] is not None]
    if len(asked) != 1:
        raise Refused(400, "invalid-parameter", "give exactly one of q, hashtag, mention and host")
    zone_id, span, what = reading.zone(zone).zone_id, _span(given), given[asked[0]]
    with reading.connection() as connection:
        if asked == ["q"]:
            page = tweets.search_text(
                connection, zone_id, what, limit=limit, cursor=cursor, span=span, ranked=given["ranked"]
            )
        else:
            find = {
                "hashtag": tweets.search_by_hashtag,
                "mention": tweets.search_by_mention,
                "host": tweets.search_by_url_host,
            }[asked[0]]
            page = find(connection, zone_id, what, limit=limit, cursor=cursor, span=span)
    return Result(page.items, page.next_cursor)


def _freshness(reading: Reading, zone: str) -> Result:
    zone_id = reading.zone(zone).zone_id
    with reading.connection() as connection:
        return Result(
            ZoneFreshness(freshness.get_newest_tweet(connection, zone_id), freshness.get_mart_freshness(connection))
        )


def _rules(reading: Reading, zone: str) -> Result:
    zone_id = reading.zone(zone).zone_id
    with reading.connection() as connection:
        return Result(rules.get_rules(connection, zone_id))


def _tweet(reading: Reading, tweet_id: int) -> Result:
    with reading.connection() as connection:
        reading.check_tweet(connection, tweet_id)
        return Result(tweets.get_tweet(connection, tweet_id))


def _curve(reading: Reading, tweet_id: int) -> Result:
    with reading.connection() as connection:
        reading.check_tweet(connection, tweet_id)
        return Result(engagement.get_engagement_curve(connection, tweet_id))


def _conversation(reading: Reading, tweet_id: int) -> Result:
    with reading.connection() as connection:
        reading.check_tweet(connection, tweet_id)
        return Result(reading.conversation(connection, tweet_id))


def _raw(reading: Reading, tweet_id: int) -> Result:
    with reading.connection() as connection:
        reading.check_tweet(connection, tweet_id)
        return Result(tweets.raw(connection, tweet_id))


def _profiles(reading: Reading, q: str, limit: int) -> Result:
    with reading.connection() as connection:
        return Result(profiles.search_profiles(connection, q, limit=limit))


def _monitored(reading: Reading, limit: int, cursor: str | None) -> Result:
    with reading.connection() as connection:
        page = profiles.get_monitored_profiles(connection, limit=limit, cursor=cursor)
    return Result(page.items, page.next_cursor)


def profile_of(connection: Any, profile: str) -> Profile:
    """Return the account that a path names."""
    if profile.isascii() and profile.isdecimal() and len(profile) <= 18:
        return profiles.get_profile(connection, int(profile))
    return profiles.get_profile_by_username(connection, profile)


def _profile(reading: Reading, profile: str) -> Result:
    with reading.connection() as connection:
        return Result(profile_of(connection, profile))


def _profile_tweets(reading: Reading, profile: str, limit: int, cursor: str | None, **span: Any) -> Result:
    reading.check_every_zone()
    with reading.connection() as connection:
        profile_id = profile_of(connection, profile).twitter_user_id
        page = tweets.get_profile_tweets(connection, profile_id, limit=limit, cursor=cursor, span=_span(span))
    return Result(page.items, page.next_cursor)


def _growth(reading: Reading, profile: str, days: int) -> Result:
    with reading.connection() as connection:
        since = reading.clock() - timedelta(days=days)
        profile_id = profile_of(connection, profile).twitter_user_id
        return Result(profiles.get_profile_growth(connection, profile_id, since=since))


def _influence(reading: Reading, profile: str, days: int) -> Result:
    with reading.connection() as connection:
        profile_id = profile_of(connection, profile).twitter_user_id
        return Result(profiles.get_profile_influence(connection, profile_id, now=reading.clock(), days=days))


def _audit_log(reading: Reading, limit: int) -> Result:
    reading.check_every_zone()
    with reading.connection() as connection:
        return Result(zones.get_audit_log(connection, limit=limit))


def _flag(name: str, description: str) -> Parameter:
    return Parameter(name, description, "boolean", example=None)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("/v1/zones", "The zones that the key opens", Zone, list_zones),
    Endpoint("/v1/zones/{zone}", "One zone", Zone, _one_zone, (_zone(),), is_list=False),
    Endpoint(
        "/v1/zones/{zone}/volume",
        "Volume over time: every hour (or day), gaps shown as null",
        VolumePoint,
        _volume,
        (
            _zone(),
            _hours(24, "Hours, the open one last"),
            Parameter("days", "Days instead of hours", "integer", minimum=1, maximum=400, example=None),
            Parameter("timezone", "Time zone of the days; the zone's own otherwise", example=None),
        ),
        model=ZONE_STATS,
    ),
    Endpoint(
        "/v1/zones/{zone}/summary",
        "Sums of the last whole hours, and of as many before them",
        ZoneSummary,
        _summary,
        (_zone(), _hours(24, "Whole hours")),
        model=ZONE_STATS,
        is_list=False,
    ),
    Endpoint(
        "/v1/zones/{zone}/top-users",
        "Accounts with the most engagement, tweets or followers",
        TopUser,
        _top_users,
        (
            _zone(),
            _limit(10),
            _choice("order_by", "What is compared", "engagement", "engagement", "tweet_count", "followers"),
            _hours(None, "Only the last hours; all retained tweets otherwise", 744),
            Parameter(
                "window", "Only a window that is kept ready, instead of hours", choices=KEPT_WINDOWS, example=None
            ),
        ),
        model=TOP_PROFILES,
    ),
    Endpoint(
        "/v1/zones/{zone}/trending",
        "Trending hashtags with their lift over the span before",
        TrendingHashtag,
        _trending,
        (
            _zone(),
            _limit(20, 100),
            _choice("window", "Length of the window", "24h", "1h", "6h", "24h", "7d"),
            _choice("order_by", "By volume or by lift", "tweet_count", "tweet_count", "lift"),
        ),
        model=TRENDING,
    ),
    Endpoint(
        "/v1/zones/{zone}/trending-entities",
        "Hashtags, mentions and link hosts by how far they rise above their own baseline",
        TrendingEntity,
        _trending_entities,
        (
            _zone(),
            _choice("entity_type", "What is ranked", "hashtag", "hashtag", "mention", "url"),
            _limit(20, 100),
            _choice("window", "Length of the window", "24h", "1h", "6h", "24h", "7d"),
            _choice("order_by", "By how far it rises, or by volume", "score", "score", "tweet_count"),
        ),
        model=TRENDING_ENTITIES,
    ),
    Endpoint(
        "/v1/zones/{zone}/hashtags/{hashtag}/history",
        "A hashtag's use by hour",
        HashtagHour,
        _hashtag_history,
        (_zone(), _HASHTAG, _hours(48, "Hours, the open one last", 744)),
    ),
    Endpoint(
        "/v1/zones/{zone}/hashtags/{hashtag}/co-occurring",
        "Hashtags beside one, over its newest 2,000 uses",
        CoOccurringHashtag,
        _co_occurring,
        (_zone(), _HASHTAG, _limit(20, 100), _SINCE, _UNTIL),
    ),
    Endpoint(
        "/v1/zones/{zone}/entities",
        "What the newest 2,000 tweets tag, mention or link to",
        EntityCount,
        _entities,
        (
            _zone(),
            _choice("entity_type", "What is counted", "url", "hashtag", "mention", "url"),
            _limit(20, 100),
            _SINCE,
            _UNTIL,
        ),
    ),
    Endpoint(
        "/v1/zones/{zone}/tweets",
        "The feed, newest first",
        Tweet,
        _feed,
        (
            _zone(),
            *_PAGE,
            _flag("has_media", "With or without pictures and videos"),
            _flag("has_links", "With or without links"),
            _flag("is_reply", "Replies only, or none"),
            Parameter("lang", "Language code", example=None),
            Parameter("author_id", "Id of an account", "integer", is_id=True, example=None),
            Parameter("min_engagement", "At least this much engagement", "integer", minimum=0, example=None),
        ),
        tag="tweets",
    ),
    Endpoint(
        "/v1/zones/{zone}/tweets/top",
        "The most engaged tweets of the last hours",
        Tweet,
        _top_tweets,
        (_zone(), _hours(24, "Hours, the open one last", 744), _limit(10, 100)),
        tag="tweets",
        model=TOP_TWEETS,
    ),
    Endpoint(
        "/v1/zones/{zone}/tweets/viral",
        "The tweets whose engagement grows fastest, among the 500 most engaged",
        ViralTweet,
        _viral,
        (_zone(), _hours(24, "Hours, the open one last", 744), _limit(10)),
        tag="tweets",
        model=TOP_TWEETS,
    ),
    Endpoint(
        "/v1/zones/{zone}/search",
        "Tweets by words, hashtag, mention or link: give exactly one",
        Tweet,
        search,
        (
            _zone(),
            Parameter("q", 'Words; "phrases", or, -not', example="rain"),
            Parameter("hashtag", "A hashtag in any spelling", example=None),
            Parameter("mention", "A username", example=None),
            Parameter("host", "Host of a link", example=None),
            Parameter("ranked", "Best first instead of newest first (words only)", "boolean", default=False),
            *_PAGE,
        ),
        tag="tweets",
    ),
    Endpoint(
        "/v1/zones/{zone}/freshness",
        "How fresh the answers are",
        ZoneFreshness,
        _freshness,
        (_zone(),),
        is_list=False,
    ),
    Endpoint("/v1/zones/{zone}/rules", "What is asked of the provider for a zone", Rule, _rules, (_zone(),)),
    Endpoint("/v1/tweets/{tweet_id}", "One tweet", Tweet, _tweet, (_TWEET,), tag="tweets", is_list=False),
    Endpoint(
        "/v1/tweets/{tweet_id}/engagement",
        "Every observation of a tweet's counters, with velocity",
        Observation,
        _curve,
        (_TWEET,),
        tag="tweets",
    ),
    Endpoint(
        "/v1/tweets/{tweet_id}/conversation",
        "The conversation of a tweet, as a tree in reading order",
        ThreadTweet,
        _conversation,
        (_TWEET,),
        tag="tweets",
    ),
    Endpoint(
        "/v1/tweets/{tweet_id}/raw",
        "A tweet's object exactly as it was delivered",
        RawTweet,
        _raw,
        (_TWEET,),
        tag="tweets",
        is_list=False,
    ),
    Endpoint(
        "/v1/profiles",
        "Accounts by the beginning of their username, or by words",
        Profile,
        _profiles,
        (Parameter("q", "Beginning of a username, or words", required=True, example="example"), _limit(20)),
        tag="profiles",
    ),
    Endpoint(
        "/v1/monitored-profiles",
        "The accounts whose evolution is followed",
        Profile,
        _monitored,
        (_limit(50), _CURSOR),
        tag="profiles",
    ),
    Endpoint("/v1/profiles/{profile}", "One account", Profile, _profile, (_PROFILE,), tag="profiles", is_list=False),
    Endpoint(
        "/v1/profiles/{profile}/tweets",
        "An account's tweets, newest first",
        Tweet,
        _profile_tweets,
        (_PROFILE, *_PAGE),
        tag="profiles",
    ),
    Endpoint(
        "/v1/profiles/{profile}/growth",
        "A monitored account over time",
        ProfileSnapshot,
        _growth,
        (_PROFILE, Parameter("days", "Days back from now", "integer", 30, minimum=1, maximum=3650, example=30)),
        tag="profiles",
    ),
    Endpoint(
        "/v1/profiles/{profile}/influence",
        "How much an account is heeded",
        ProfileInfluence,
        _influence,
        (_PROFILE, Parameter("days", "Days back from now", "integer", 30, minimum=1, maximum=400, example=30)),
        tag="profiles",
        is_list=False,
    ),
    Endpoint(
        "/v1/audit-log",
        "Who changed zones, rules and monitored accounts",
        zones.AuditEntry,
        _audit_log,
        (_limit(100),),
        tag="operations",
    ),
)
