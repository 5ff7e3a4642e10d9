"""From raw deliveries to a merged batch.

Belongs here: choosing the dialect, finding the zones of a delivery, adding its items to the batch.
Does not belong here: claiming and writing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from database.codec import UnreadableFrameError
from ingest.compliance.redact import ERASED_ITEM, BlockList
from ingest.normalise.batch import Batch, Tally
from ingest.normalise.dialects.heartbeat import Heartbeat
from ingest.normalise.dialects.protocol import Dialect, Envelope, RuleName
from ingest.normalise.dialects.twitterapi_io import TwitterApiIo
from ingest.normalise.dialects.v1_1 import V1
from ingest.normalise.dialects.x_api_v2 import XApiV2
from ingest.normalise.records import Item, Rejection

MOST_RULES_TOLD = 5
"""Unknown rules that a dead letter names; X allows thousands of rules, and a tweet may match all of them."""

Zones = dict[UUID, list[UUID]]
"""The zones that collect a delivery, each with the rules it came through."""


@dataclass(frozen=True)
class Delivery:
    """A delivery as it was landed, its body still a compressed frame."""

    delivery_id: int
    received_ms: int
    item_count: int
    source: str
    zone: str | None
    dictionary_id: int
    frame: bytes


@dataclass(frozen=True)
class Rule:
    """A rule, as far as finding the zone of a delivery needs it."""

    rule_id: UUID
    zone_id: UUID
    source: str
    tag: str
    external_rule_id: str | None


@dataclass
class Routing:
    """Which zones a delivery belongs to: by the provider's rule id, else by its tag, else by a zone it names."""

    zone_ids: Mapping[str, UUID]
    rules: Iterable[Rule]
    sealed: Sequence[tuple[int, int]] = ()
    """Ranges of tweet ids, ``lower <= id < upper``, whose months have left: nothing is written there (T32)."""

    _by_external_id: dict[tuple[str, str], list[Rule]] = field(init=False, default_factory=dict)
    _by_tag: dict[tuple[str, str], list[Rule]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for rule in self.rules:
            self._by_tag.setdefault((rule.source, rule.tag), []).append(rule)
            if rule.external_rule_id is not None:
                self._by_external_id.setdefault((rule.source, rule.external_rule_id), []).append(rule)

    def zones_of(self, delivery: Delivery, envelope: Envelope) -> tuple[Zones, Rejection | None]:
        """Return the zones of an envelope's items, each with the rules they came through, and what is wrong with them.

        Without a zone the items are dead letters; where only some of their rules are unknown, they are read for the
        zones of the others. A tag is unique within a zone only: a name without an id belongs to every zone that has
        the tag.
        """
        if delivery.zone is not None:
            zone_id = self.zone_ids.get(delivery.zone)
            if zone_id is None:
                detail = f"there is no zone {delivery.zone!r}: add it, then replay"
                return {}, Rejection("envelope", "unknown_zone", detail)
            return {zone_id: []}, None
        zones: Zones = {}
        unknown: list[RuleName] = []
        for name in envelope.rules or (RuleName(),):
            rules = self._rules_named(delivery.source, name)
            for rule in rules:
                collected = zones.setdefault(rule.zone_id, [])
                if rule.rule_id not in collected:
                    collected.append(rule.rule_id)
            if not rules:
                unknown.append(name)
        return zones, _unknown_rules(unknown, "routing" if zones else "envelope")

    def within_retention(self, item: Item) -> Item:
        """Return an item without the tweets whose months have left; each of them becomes a rejection."""
        if not self.sealed:
            return item
        gone = {sighting.tweet.tweet_id for sighting in item.sightings if self._is_sealed(sighting.tweet.tweet_id)}
        if not gone:
            return item
        was_read = not any(rejection.is_of_all for rejection in item.rejections)
        delivered = item.sightings[0].tweet.tweet_id if was_read else None
        rejections = (_beyond_retention(tweet_id, "item" if tweet_id == delivered else "embedded") for tweet_id in gone)
        return msgspec.structs.replace(
            item,
            sightings=tuple(sighting for sighting in item.sightings if sighting.tweet.tweet_id not in gone),
            rejections=(*item.rejections, *rejections),
        )

    def _is_sealed(self, tweet_id: int) -> bool:
        return any(lower <= tweet_id < upper for lower, upper in self.sealed)

    def _rules_named(self, source: str, name: RuleName) -> list[Rule]:
        by_id = self._by_external_id.get((source, name.rule_id or ""))
        return by_id or self._by_tag.get((source, name.rule_tag or ""), [])


def _unknown_rules(names: list[RuleName], stage: str) -> Rejection | None:
    if not names:
        return None
    told = " nor ".join(f"the id {name.rule_id!r} or the tag {name.rule_tag!r}" for name in names[:MOST_RULES_TOLD])
    return Rejection(stage, "unknown_rule", f"no rule has {told}: add it, then replay")


def _beyond_retention(tweet_id: int, stage: str) -> Rejection:
    detail = f"the tweet {tweet_id} is of a month that has left; restore it with `restore_partition`, then replay"
    return Rejection(stage, "beyond_retention", detail, tweet_id)


DIALECTS: tuple[type[Dialect], ...] = (TwitterApiIo, V1, XApiV2, Heartbeat)


class Reader:
    """Reads deliveries of every source into batches. Holds decoders, so make one for each worker and keep it."""

    def __init__(self, decompress: Callable[[bytes, int], bytes]) -> None:
        self._decompress = decompress
        self._dialects = {dialect.name: dialect() for dialect in DIALECTS}
        self.erased: BlockList | None = None

    def read(self, deliveries: Iterable[Delivery], routing: Routing) -> Batch:
        """Return everything the deliveries say, merged."""
        batch = Batch()
        for delivery in deliveries:
            self._add(batch, delivery, routing)
        return batch

    def refuse(self, delivery: Delivery, rejection: Rejection) -> Batch:
        """Return a batch that sets a delivery aside, with all its items."""
        batch = Batch()
        self._refuse(batch, delivery, rejection)
        batch.tallies[delivery.delivery_id] = Tally(delivery.item_count, dead_count=delivery.item_count)
        return batch

    def _add(self, batch: Batch, delivery: Delivery, routing: Routing) -> None:
        dialect = self._dialects.get(delivery.source)
        if dialect is None:
            detail = f"no dialect reads {delivery.source!r}"
            self._refuse(batch, delivery, Rejection("envelope", "unknown_source", detail))
            return
        try:
            body = self._decompress(delivery.frame, delivery.dictionary_id)
        except UnreadableFrameError as error:
            self._refuse(batch, delivery, Rejection("envelope", "unreadable_frame", str(error)))
            return
        if self.erased:
            redacted = self._redacted(dialect, body, delivery.received_ms, self.erased)
            if redacted is not None:
                body = batch.redactions[delivery.delivery_id] = redacted
        envelope = dialect.split(body)
        batch.tallies[delivery.delivery_id] = Tally(envelope.item_count)
        first_index = 0
        for part in envelope.parts or (envelope,):
            self._add_part(batch, delivery, dialect, part, routing, first_index)
            first_index += part.item_count

    @staticmethod
    def _redacted(dialect: Dialect, body: bytes, received_ms: int, erased: BlockList) -> bytes | None:
        """Return a body without what was erased, ``None`` where there is nothing of it.

        Reading is much cheaper than rewriting: only a body with an item that names something erased is rewritten, or
        one that shows more than its items do (``context``).
        """
        envelope = dialect.split(body)
        for part in envelope.parts or (envelope,):
            if part.rejection is not None or part.context:
                return erased.redact(body)
            if any(erased.concerns(dialect.read(raw, part, received_ms)) for raw in part.items):
                return erased.redact(body)
        return None

    def _add_part(
        self,
        batch: Batch,
        delivery: Delivery,
        dialect: Dialect,
        envelope: Envelope,
        routing: Routing,
        first_index: int,
    ) -> None:
        if envelope.rejection is not None:
            item = Item(observed_ms=delivery.received_ms, rejections=(envelope.rejection,))
            self._add_item(batch, delivery, item, first_index, {})
            return
        if not envelope.items:
            batch.tallies[delivery.delivery_id].control_count += 1
            return
        zones, problem = routing.zones_of(delivery, envelope)
        for index, raw in enumerate(envelope.items, start=first_index):
            if raw == ERASED_ITEM:
                item = Item(observed_ms=delivery.received_ms)
            else:
                item = routing.within_retention(dialect.read(raw, envelope, delivery.received_ms))
            if problem is not None and item.sightings:
                item = _with_problem(item, problem)
            self._add_item(batch, delivery, item, index, zones)

    def _refuse(self, batch: Batch, delivery: Delivery, rejection: Rejection) -> None:
        """Add a delivery that cannot be read as a whole: it counts as one item."""
        batch.tallies[delivery.delivery_id] = Tally(item_count=1)
        self._add_item(batch, delivery, Item(observed_ms=delivery.received_ms, rejections=(rejection,)), 0, {})

    @staticmethod
    def _add_item(batch: Batch, delivery: Delivery, item: Item, index: int, zones: Zones) -> None:
        batch.add_item(
            item,
            delivery_id=delivery.delivery_id,
            item_index=index,
            received_ms=delivery.received_ms,
            source=delivery.source,
            zones=zones,
        )


def _with_problem(item: Item, problem: Rejection) -> Item:
    """Return a tweet without a zone as a dead letter, and one with some as it is, with a letter about the others."""
    if problem.is_of_all:
        return Item(observed_ms=item.observed_ms, rejections=(*item.rejections, problem))
    return msgspec.structs.replace(item, rejections=(*item.rejections, problem))
