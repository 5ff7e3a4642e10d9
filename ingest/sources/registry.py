"""Which sources there are.

Belongs here: the list of sources, made from the settings.
Does not belong here: anything that only one source does.
"""

from __future__ import annotations

from collections.abc import Mapping

from ingest.settings import IngestSettings
from ingest.sources.proofs import KeyOrSignature
from ingest.sources.protocol import Source
from ingest.sources.signatures import Signatures
from ingest.sources.twitterapi_io import TwitterApiIoSource
from ingest.sources.v1_1 import V1Source
from ingest.sources.x_api_v2 import XApiV2Source


def sources(settings: IngestSettings) -> Mapping[str, Source]:
    """Return every source by its name, which is also the last part of its address."""
    proof = KeyOrSignature(settings.webhook_keys(), Signatures(settings.signing_secrets()))
    known: tuple[Source, ...] = (
        TwitterApiIoSource(proof),
        XApiV2Source(settings.consumer_secrets()),
        V1Source(proof),
    )
    return {source.name: source for source in known}
