"""A batch of items, merged: at most one row for each key of each table.

Belongs here: what happens when one batch holds a tweet, a profile or an observation several times.
Does not belong here: reading items, writing rows.

Merging is independent of the order of arrival, so that any split of the same deliveries into batches ends in the same
tables. One statement may not touch a row twice (T10), so everything is merged before it is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from ingest.normalise.records import UNKNOWN, ComplianceEvent, Counters, Item, Profile, Rejection, Tweet, content_hash

Moment = tuple[int, int]
"""An observation's time and the hash of what it showed: the newest wins, the hash decides within one millisecond."""


Position = tuple[int, int]
"""Where an item stands: the id of its delivery, and its index in it."""


EventKey = tuple[int | None, int | None, str, int]
"""The tweet that an event is about, or the account where it is about no tweet; its type and its time."""


@dataclass(slots=True)
class NewestTweet:
    """The newest content of a tweet in the batch, the delivery it came with, and when the tweet was first received."""

    tweet: Tweet
    moment: Moment
    delivery_id: int
    received_ms: int


@dataclass(slots=True)
class NewestProfile:
    """The newest look of a profile in the batch, and the span of time it was seen in."""

    profile: Profile
    moment: Moment
    first_seen_ms: int
    last_seen_ms: int


@dataclass(slots=True)
class Link:
    """A tweet in a zone: when it first matched, through which rules, and the items that said so, oldest first."""

    first_matched_ms: int
    rule_ids: Sequence[UUID]
    items: list[Position]


@dataclass(slots=True)
class Letter:
    """An item that cannot be normalised, or can only in part."""

    received_ms: int
    source: str
    rejection: Rejection


@dataclass(slots=True)
class Tally:
    """What became of a delivery's items. Duplicates are known only after writing."""

    item_count: int
    tweet_items: int = 0
    control_count: int = 0
    dead_count: int = 0
    duplicate_count: int = 0


@dataclass
class Batch:
    """Everything that a set of deliveries says, merged."""

    tweets: dict[int, NewestTweet] = field(default_factory=dict)
    profiles: dict[int, NewestProfile] = field(default_factory=dict)
    observations: dict[tuple[int, int], Counters] = field(default_factory=dict)
    links: dict[tuple[int, UUID], Link] = field(default_factory=dict)
    events: dict[EventKey, tuple[ComplianceEvent, int, int]] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)
    letters: dict[tuple[int, int, str], Letter] = field(default_factory=dict)
    tallies: dict[int, Tally] = field(default_factory=dict)
    redactions: dict[int, bytes] = field(default_factory=dict)

    def add_item(
        self,
        item: Item,
        *,
        delivery_id: int,
        item_index: int,
        received_ms: int,
        source: str,
        zones: Mapping[UUID, Sequence[UUID]],
    ) -> None:
        """Merge an item in. ``zones`` are the zones that collected it, each with the rules it came through."""
        tally = self.tallies[delivery_id]
        for rejection in item.rejections:
            self.reject(rejection, (delivery_id, item_index), received_ms, source)
        if item.event is not None:
            self._note(item.event, received_ms, delivery_id)
        if item.rejections and any(rejection.is_of_all for rejection in item.rejections):
            tally.dead_count += 1
        elif item.sightings:
            tally.tweet_items += 1
            self._link(item, (delivery_id, item_index), received_ms, zones)
        else:
            tally.control_count += 1
        self._sight(item, delivery_id, received_ms)

    def reject(self, rejection: Rejection, position: Position, received_ms: int, source: str) -> None:
        """Note a dead letter. Of several for one reason the first counts: it is about the outermost tweet."""
        self.letters.setdefault((*position, rejection.reason), Letter(received_ms, source, rejection))

    def _note(self, event: ComplianceEvent, received_ms: int, delivery_id: int) -> None:
        """Keep one notice of several: how it came first, and the user where any of them names one."""
        account = event.user_id if event.tweet_id is None else None
        key = (event.tweet_id, account, event.event_type, event.event_ms)
        self._chain(event.versions)
        known = self.events.get(key)
        if known is not None:
            users = [each.user_id for each in (known[0], event) if each.user_id is not None]
            event = msgspec.structs.replace(event, user_id=max(users, default=None))
            received_ms, delivery_id = min(known[1:], (received_ms, delivery_id))
        self.events[key] = (event, received_ms, delivery_id)

    def _sight(self, item: Item, delivery_id: int, received_ms: int) -> None:
        for sighting in item.sightings:
            tweet = sighting.tweet
            moment = (item.observed_ms, content_hash(tweet))
            known = self.tweets.get(tweet.tweet_id)
            if known is None:
                self.tweets[tweet.tweet_id] = NewestTweet(tweet, moment, delivery_id, received_ms)
            else:
                known.received_ms = min(known.received_ms, received_ms)
                if known.moment < moment:
                    known.tweet, known.moment, known.delivery_id = tweet, moment, delivery_id
            if sighting.versions:
                self._chain(sighting.versions)
            if sighting.counters != UNKNOWN:
                key = (tweet.tweet_id, item.observed_ms)
                self.observations[key] = larger(self.observations.get(key), sighting.counters)
        for profile in item.profiles:
            self._see(profile, item.observed_ms)

    def _chain(self, versions: Sequence[int]) -> None:
        """Note that some ids are versions of one tweet, under the first of them."""
        for version in versions:
            self.versions[version] = min(versions[0], self.versions.get(version, versions[0]))

    def _see(self, profile: Profile, observed_ms: int) -> None:
        known = self.profiles.get(profile.twitter_user_id)
        if known is not None and known.profile is profile:
            # The same bytes again, read once: their hash is known.
            moment = (observed_ms, known.moment[1])
        else:
            moment = (observed_ms, content_hash(profile))
        if known is None:
            self.profiles[profile.twitter_user_id] = NewestProfile(profile, moment, observed_ms, observed_ms)
            return
        known.first_seen_ms = min(known.first_seen_ms, observed_ms)
        known.last_seen_ms = max(known.last_seen_ms, observed_ms)
        if known.moment < moment:
            known.profile, known.moment = profile, moment

    def _link(self, item: Item, position: Position, received_ms: int, zones: Mapping[UUID, Sequence[UUID]]) -> None:
        tweet = item.sightings[0].tweet
        for zone_id, rule_ids in zones.items():
            link = self.links.get((tweet.tweet_id, zone_id))
            if link is None:
                self.links[tweet.tweet_id, zone_id] = Link(received_ms, rule_ids, [position])
            else:
                link.first_matched_ms = min(link.first_matched_ms, received_ms)
                if link.rule_ids is not rule_ids:
                    link.rule_ids = sorted({*link.rule_ids, *rule_ids})
                link.items.append(position)

    def count_duplicates(self, known_links: set[tuple[int, UUID]]) -> None:
        """Tell each tally how many of its items brought no new link. ``known_links`` were there before the batch."""
        fresh: set[Position] = set()
        others: set[Position] = set()
        for key, link in self.links.items():
            if key in known_links:
                others.update(link.items)
                continue
            fresh.add(link.items[0])
            if len(link.items) > 1:
                others.update(link.items[1:])
        for delivery_id, _ in others - fresh:
            self.tallies[delivery_id].duplicate_count += 1


def larger(known: Counters | None, other: Counters) -> Counters:
    """Return, counter by counter, the larger known value: how two observations of one instant are one."""
    if known is None:
        return other
    return tuple(  # type: ignore[return-value]
        second if first is None else first if second is None else max(first, second)
        for first, second in zip(known, other, strict=True)
    )
