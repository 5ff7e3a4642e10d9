"""From raw deliveries to a merged batch.

Belongs here: choosing the dialect, finding the zones of a delivery, adding its items to the batch.
Does not belong here: claiming and writing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from database.codec import UnreadableFrameError
from ingest.normalise.batch import Batch, Tally
from ingest.normalise.dialects.protocol import Dialect, Envelope
from ingest.normalise.dialects.twitterapi_io import TwitterApiIo
from ingest.normalise.dialects.v1_1 import V1
from ingest.normalise.records import Item, Rejection

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
    _by_external_id: dict[tuple[str, str], list[Rule]] = field(init=False, default_factory=dict)
    _by_tag: dict[tuple[str, str], list[Rule]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for rule in self.rules:
            self._by_tag.setdefault((rule.source, rule.tag), []).append(rule)
            if rule.external_rule_id is not None:
                self._by_external_id.setdefault((rule.source, rule.external_rule_id), []).append(rule)

    def zones_of(self, delivery: Delivery, envelope: Envelope) -> Zones | Rejection:
        """Return the zones of a delivery, each with the rules it came through; a rejection where none is known.

        A tag is unique within a zone only: a delivery that names just the tag belongs to every zone that has it.
        """
        if delivery.zone is not None:
            zone_id = self.zone_ids.get(delivery.zone)
            if zone_id is None:
                return Rejection("envelope", "unknown_zone", f"there is no zone {delivery.zone!r}: add it, then replay")
            return {zone_id: []}
        rules = self._by_external_id.get((delivery.source, envelope.rule_id or ""))
        rules = rules or self._by_tag.get((delivery.source, envelope.rule_tag or ""))
        if not rules:
            detail = f"no rule has the id {envelope.rule_id!r} or the tag {envelope.rule_tag!r}: add it, then replay"
            return Rejection("envelope", "unknown_rule", detail)
        zones: Zones = {}
        for rule in rules:
            zones.setdefault(rule.zone_id, []).append(rule.rule_id)
        return zones


DIALECTS: tuple[type[Dialect], ...] = (TwitterApiIo, V1)


class Reader:
    """Reads deliveries of every source into batches. Holds decoders, so make one for each worker and keep it."""

    def __init__(self, decompress: Callable[[bytes, int], bytes]) -> None:
        self._decompress = decompress
        self._dialects = {dialect.name: dialect() for dialect in DIALECTS}

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
        envelope = dialect.split(body)
        if envelope.rejection is not None:
            self._refuse(batch, delivery, envelope.rejection)
            return
        batch.tallies[delivery.delivery_id] = Tally(envelope.item_count)
        if not envelope.items:
            batch.tallies[delivery.delivery_id].control_count = envelope.item_count
            return
        self._add_items(batch, delivery, dialect, envelope, routing.zones_of(delivery, envelope))

    def _add_items(
        self,
        batch: Batch,
        delivery: Delivery,
        dialect: Dialect,
        envelope: Envelope,
        zones: Zones | Rejection,
    ) -> None:
        for index, raw in enumerate(envelope.items):
            item = dialect.read(raw, envelope, delivery.received_ms)
            if isinstance(zones, Rejection):
                if item.sightings:
                    item = Item(observed_ms=item.observed_ms, rejections=(*item.rejections, zones))
                self._add_item(batch, delivery, item, index, {})
            else:
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
