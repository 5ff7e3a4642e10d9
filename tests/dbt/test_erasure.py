"""Who is erased is found nowhere, and does not come back.

Belongs here: erasures through raw, core and marts, looked for independently of the certificate.
Does not belong here: rewriting single bodies (``tests/unit/test_redact.py``), the Dagster job.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as parquet
import pytest
from psycopg import sql

from database import archive
from database.codec import Codec
from ingest.compliance.erase import Eraser, Request
from ingest.normalise.worker import Worker
from tests.dbt.builds import drift
from tests.dbt.conftest import Marts
from tests.ingest import landing
from tests.ingest.landing import NOW, Connection, one
from tests.unit import payloads

ID = 9_007_301
HANDLE = "Doomed_Writer"
WORDS = "Words that nobody else would ever write"
OTHER = payloads.user(5)
DOOMED = payloads.user(ID, userName=HANDLE, name="Doomed Name", url=f"https://x.com/{HANDLE}")
MENTION = {"user_mentions": [{"screen_name": HANDLE, "id_str": str(ID), "name": "Doomed Name", "indices": [3, 17]}]}
GREETING = f"Hi @{HANDLE} and @writer_6 https://x.com/{HANDLE}/status/1"
TRACES = (str(ID), HANDLE.lower(), WORDS.lower(), "doomed name")

OWN = landing.tweet(1, text=WORDS, author=DOOMED, entities={"hashtags": [{"text": "last", "indices": [0, 5]}]})
TWEETS: list[dict[str, Any]] = [
    OWN,
    landing.tweet(2, text=f"RT @{HANDLE}: {WORDS}", author=OTHER, retweeted_tweet=OWN),
    landing.tweet(3, text="I quote", author=OTHER, quoted_tweet=OWN, quoteId=OWN["id"]),
    landing.tweet(4, text=GREETING, author=OTHER, entities=MENTION),
    landing.tweet(
        5, text="An answer", author=OTHER, isReply=True, inReplyToId=OWN["id"], inReplyToUserId=str(ID),
        inReplyToUsername=HANDLE, conversationId=OWN["id"],
    ),
    landing.tweet(6, text="Nothing to do with it", author=payloads.user(6)),
    landing.tweet(7, text="Words of another", author=DOOMED, retweeted_tweet=landing.tweet(8, author=payloads.user(6))),
]  # fmt: skip


@pytest.fixture
def owner(marts: Marts) -> Iterator[Connection]:
    with psycopg.connect(marts.owner_url, autocommit=True) as connection:
        landing.empty(connection)
        landing.add_rules(connection)
        yield connection


def collect(owner: Connection, marts: Marts) -> None:
    """Let everything arrive, in two sources, some of it with trouble, and build the marts of it."""
    for number, tweet in enumerate(TWEETS):
        landing.land(owner, landing.delivery(tweet, tag="both" if number % 2 else "one"), received=NOW)
    landing.land(owner, landing.delivery(*TWEETS, tag="nobody's"), received=NOW, item_count=len(TWEETS))
    lines = [
        payloads.v1_tweet(
            NOW - timedelta(hours=2), sequence=9, user=payloads.v1_user(ID, screen_name=HANDLE), text=WORDS
        ),
        payloads.v1_tweet(NOW - timedelta(hours=2), sequence=10),
        payloads.deletion(77, NOW, user_id=ID),
    ]
    body = b"\n".join([*(payloads.encoded(line) for line in lines), f'{{"text": "cut @{HANDLE}'.encode()])
    landing.land(owner, body, source="v1_1", zone="alpha", received=NOW, item_count=4)
    Worker(owner).drain()
    marts.build()


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """The directory of an installation that has archived nothing yet."""
    return tmp_path / "archives"


def keep_archives(owner: Connection, directory: Path) -> None:
    """Write the tables as they are into an archive, as retention writes a month."""
    for full_name in ("core.twitter_tweets", "core.twitter_entities", "core.twitter_tweet_zones", "raw.deliveries"):
        table = sql.Identifier(*full_name.split("."))
        columns = archive.columns_of(owner, table)
        file = directory / full_name / "2020_01.parquet"
        content = archive.content_of(owner, table, columns)
        archive.write(owner, table, sql.SQL("1, 2"), file)
        archive.Manifest(
            full_name, "2020_01", 0, 1, columns, content.row_count, content.checksum, file.name,
            file.stat().st_size, archive.sha256_of(file),
        ).write(file.with_suffix(".json"))  # fmt: skip


def archived(directory: Path) -> dict[str, str]:
    """Return every archive as text, with the bodies of the deliveries decompressed."""
    found = {}
    for file in directory.glob("*/*.parquet"):
        rows = parquet.read_table(file).to_pylist()
        for row in rows:
            if "body" in row:
                row["body"] = Codec({}).decompress(row["body"], row["dictionary_id"]).decode()
        found[file.parent.name] = str(rows).lower()
    return found


def everything(owner: Connection) -> dict[str, str]:
    """Return every table as text, with the bodies of the deliveries decompressed."""
    tables = owner.execute(
        "select format('%I.%I', schemaname, tablename) from pg_tables"
        " where schemaname in ('raw', 'core', 'ops', 'intermediate', 'marts')"
    ).fetchall()
    found = {}
    for (table,) in tables:
        body = " - 'body'" if table.startswith("raw.deliveries") else ""
        rows = owner.execute(f"select (to_jsonb(t){body})::text from {table} as t".encode())
        found[table] = "\n".join(row for (row,) in rows).lower()
    bodies = owner.execute("select body from raw.deliveries where dictionary_id = 0", binary=True)
    found["bodies"] = "\n".join(Codec({}).decompress(body, 0).decode() for (body,) in bodies).lower()
    return found


def traces(owner: Connection, *words: str) -> list[tuple[str, str]]:
    return [(place, word) for place, text in everything(owner).items() for word in words if word.lower() in text]


def test_an_erased_author_is_found_nowhere_and_does_not_come_back(
    owner: Connection, marts: Marts, archives: Path
) -> None:
    collect(owner, marts)
    assert {word for _, word in traces(owner, *TRACES)} == set(TRACES)
    assert one(owner, "select count(*) from raw.dead_letters") > 0
    keep_archives(owner, archives)
    assert all(any(word in text for word in TRACES) for name, text in archived(archives).items() if "zones" not in name)
    eraser = Eraser(owner, archives)
    assert eraser.count(Request(handle=HANDLE)) == {
        "accounts": 1,
        "tweets": 5,
        "deliveries_to_rewrite": 8,
        "tweets_of_others_that_name_them": 3,
    }
    number, subject = eraser.erase(Request(handle=f"@{HANDLE}"), reason="asked for it", requested_by="a test")
    marts.build()
    certificate = eraser.certify(number, subject)
    assert certificate.findings == ()
    assert one(owner, "select certified_at is not null from ops.erasures where erasure_id = %s", number)
    assert traces(owner, *TRACES, OWN["id"]) == []
    assert drift(marts.facts) == {}
    assert [word for word in (*TRACES, OWN["id"]) if word in str(archived(archives))] == []
    for path in archives.glob("*/*.json"):
        manifest = archive.Manifest.read(path)
        assert manifest.file_sha256 == archive.sha256_of(path.with_suffix(".parquet"))
        assert manifest.content == archive.read_back(
            owner, path.with_suffix(".parquet"), sql.Identifier(*manifest.table.split("."))
        )

    (text, entity, mentioned), *_ = owner.execute(
        "select text, entity_value, mentioned_user_id from core.twitter_tweets"
        " inner join core.twitter_entities using (tweet_id) where entity_type = 'mention'"
    ).fetchall()
    assert text == f"Hi @{entity} and @writer_6 https://x.com/{entity}/status/1"
    assert (len(entity), mentioned) == (len(HANDLE), None)
    assert one(owner, "select count(*) from core.twitter_tweets where in_reply_to_username = %s", entity) == 1
    assert one(owner, "select count(*) from core.twitter_tweets") == 6

    before = {table: text for table, text in everything(owner).items() if table.startswith("core.")}
    collect(owner, marts)
    assert traces(owner, *TRACES, OWN["id"]) == []
    after = {table: text for table, text in everything(owner).items() if table.startswith("core.")}
    unstable = {"core.twitter_tweets", "core.twitter_profiles", "core.twitter_rules"}
    changed = {table for table in before if before[table] != after[table] and not table.startswith(tuple(unstable))}
    assert changed <= {table for table in before if "entities" in table or "zones" in table}
    assert one(owner, "select count(*) from core.twitter_tweets") == 6
    assert one(owner, "select count(*) from ops.delivery_rewrites where reason = 'delivered after an erasure'") == 8


def test_an_erased_tweet_goes_with_its_retweets_and_its_author_stays(
    owner: Connection, marts: Marts, archives: Path
) -> None:
    collect(owner, marts)
    eraser = Eraser(owner, archives)
    number, subject = eraser.erase(Request(tweet_id=int(OWN["id"])), reason="court order", requested_by="a test")
    marts.build()
    # The same words stand in another tweet of the author: they are not this tweet's alone.
    assert subject.texts == set()
    assert eraser.certify(number, subject).findings == ()
    assert traces(owner, OWN["id"], TWEETS[1]["id"]) == []
    assert one(owner, "select count(*) from core.twitter_profiles where twitter_user_id = %s", ID) == 1
    Worker(owner).reprocess([row for (row,) in owner.execute("select delivery_id from raw.deliveries")])
    assert traces(owner, OWN["id"]) == []


def test_an_erased_zone_takes_what_only_it_collected(owner: Connection, marts: Marts, archives: Path) -> None:
    collect(owner, marts)
    in_both = {int(tweet["id"]) for number, tweet in enumerate(TWEETS) if number % 2}
    eraser = Eraser(owner, archives)
    number, subject = eraser.erase(Request(zone="alpha"), reason="the project ended", requested_by="a test")
    marts.build()
    assert eraser.certify(number, subject).findings == ()
    kept = {tweet_id for (tweet_id,) in owner.execute("select tweet_id from core.twitter_tweet_zones")}
    assert kept == in_both
    assert traces(owner, str(landing.ZONES["alpha"])) == [
        (place, str(landing.ZONES["alpha"]))
        for place, text in everything(owner).items()
        if place.startswith("ops.audit_log") and str(landing.ZONES["alpha"]) in text
    ]
    assert drift(marts.facts) == {}


def test_an_erasure_says_what_is_left_where_a_rule_still_asks_for_it(
    owner: Connection, marts: Marts, archives: Path
) -> None:
    collect(owner, marts)
    owner.execute("update core.twitter_rules set query = 'from:doomed_writer' where tag = 'one'")
    eraser = Eraser(owner, archives)
    number, subject = eraser.erase(Request(author_id=ID), reason="asked for it", requested_by="a test")
    marts.build()
    certificate = eraser.certify(number, subject)
    assert [finding for finding in certificate.findings if "the rule 'one' of the zone 'alpha'" in finding]
    assert one(owner, "select certified_at from ops.erasures where erasure_id = %s", number) is None


def test_what_a_verification_reads_is_not_deleted_under_it(owner: Connection, marts: Marts, archives: Path) -> None:
    collect(owner, marts)
    eraser = Eraser(owner, archives)
    number, subject = eraser.erase(Request(handle=HANDLE), reason="asked for it", requested_by="a test")
    marts.build()
    owner.execute("set lock_timeout = '200ms'")
    with psycopg.connect(marts.owner_url) as verifying:
        verifying.execute("select pg_advisory_xact_lock(hashtextextended('verify.twitter_top_profiles_by_zone', 0))")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            eraser.certify(number, subject)
    assert eraser.certify(number, subject).findings == ()
