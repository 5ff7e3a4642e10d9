"""Databases of an earlier release, with the tables that dbt made then: what a migration does to them.

Belongs here: migrations that change or drop what dbt has made, and what people have built on that.
Does not belong here: migrations from nothing (``test_schema.py``).
"""

from __future__ import annotations

import psycopg
import pytest
from alembic import command

from database.migrate import configuration

pytestmark = pytest.mark.xdist_group("migrations")

RELEASE_0019 = """
create table intermediate.int_zone_author_totals (
    zone_id uuid, author_profile_id bigint, tweet_count bigint, known_engagement bigint, engagement_known_count bigint
);
create table intermediate.int_zone_tag_window (
    zone_id uuid, hashtag text, engagement_known_count bigint, spellings text[], spelling_counts bigint[],
    top_tweet_engagements bigint[]
);
create table marts.twitter_top_profiles_by_zone (
    zone_id uuid, profile_id bigint, tweet_count bigint, total_engagement bigint
);
create table marts.twitter_trending_hashtags (zone_id uuid, hashtag text, sample_tweets text[]);
create view marts.mart_status as
select 'int_zone_author_totals' as model, count(*) as waiting_mark_count, min(marks.marked_at) as waiting_since
from ops.int_zone_author_totals__marks as marks
union all
select 'int_zone_tag_window', count(*), min(marks.marked_at) from ops.int_zone_tag_window__marks as marks
union all
select 'twitter_trending_hashtags', count(*), min(marks.marked_at) from ops.twitter_trending_hashtags__marks as marks;
create view public.of_a_person as select model, waiting_mark_count from marts.mart_status;

with zone as (insert into core.zones (name, description) values ('zone', '') returning id),
totals as (insert into intermediate.int_zone_author_totals select id, 11, 4, 9, 3 from zone),
windows as (
    insert into intermediate.int_zone_tag_window select id, 'tag', 2, '{Tag,tag}', '{2,1}', '{5,4,null}' from zone
),
profiles as (insert into marts.twitter_top_profiles_by_zone select id, 11, 4, 9 from zone),
queue as (insert into ops.twitter_trending_hashtags__marks (zone_id, hashtag) select id, 'tag' from zone)
insert into marts.twitter_trending_hashtags select id, 'tag', '{3,2,1}' from zone;

insert into ops.mart_state (model, as_of, built_at, claimed_bucket_count)
select model, now(), now(), 0
from unnest(array['int_zone_author_totals', 'int_zone_tag_window', 'twitter_trending_hashtags']) as built (model);
"""


@pytest.fixture
def release_0019(empty_database_url: str, template_database: str) -> str:
    """Return the URL of a database as release 0019 left it; the template is there so that its roles are."""
    command.upgrade(configuration(empty_database_url), "0019")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(RELEASE_0019.encode())
    return empty_database_url


def test_marts_take_over_what_they_were_copied_from(release_0019: str) -> None:
    command.upgrade(configuration(release_0019), "0020")
    with psycopg.connect(release_0019) as connection:
        profiles = connection.execute(
            "select tweet_count, total_engagement, engagement_known_count from marts.twitter_top_profiles_by_zone"
        )
        assert profiles.fetchall() == [(4, 9, 3)]
        tags = connection.execute(
            "select sample_tweets, engagement_known_count_24h, spellings, spelling_counts, sample_engagements"
            " from marts.twitter_trending_hashtags"
        )
        assert tags.fetchall() == [(["3", "2", "1"], 2, ["Tag", "tag"], [2, 1], [5, 4, None])]
        for gone in ("int_zone_author_totals", "int_zone_tag_window"):
            assert connection.execute("select to_regclass(%s)", (f"intermediate.{gone}",)).fetchone() == (None,)


def test_what_people_built_on_the_status_goes_on(release_0019: str) -> None:
    command.upgrade(configuration(release_0019), "0020")
    with psycopg.connect(release_0019) as connection:
        waiting = connection.execute("select * from public.of_a_person order by model").fetchall()
    assert waiting == [("int_zone_author_totals", 0), ("int_zone_tag_window", 0), ("twitter_trending_hashtags", 1)]


def test_tags_without_their_authors_wait_to_be_built(release_0019: str) -> None:
    """Before 0019 there was no table of the authors of tags; the mart must not be emptied for want of it."""
    command.upgrade(configuration(release_0019), "0020")
    with psycopg.connect(release_0019) as connection:
        assert connection.execute("select model from ops.mart_state").fetchall() == []


def test_a_search_path_of_the_database_changes_nothing(release_0019: str) -> None:
    """PostgreSQL shows a view's tables without the schemas that are searched anyway."""
    with psycopg.connect(release_0019, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'alter database "{name}" set search_path = public, ops, marts'.encode())
    command.upgrade(configuration(release_0019), "0020")
    with psycopg.connect(release_0019) as connection:
        assert connection.execute("show search_path").fetchone() == ("public, ops, marts",)
        assert connection.execute("select count(*) from marts.mart_status").fetchone() == (3,)


def test_of_sealed_months_those_whose_tweets_were_counted_are_known(release_0019: str) -> None:
    with psycopg.connect(release_0019, autocommit=True) as connection:
        connection.execute("create table intermediate.int_zone_counted_tweets (tweet_id bigint)")
        connection.execute("insert into intermediate.int_zone_counted_tweets values (150), (300)")
        connection.execute(
            "insert into ops.sealed_ranges (lower_id, upper_id, starts_at, ends_at)"
            " select lower_id, lower_id + 100, now(), now() + interval '1 hour'"
            " from unnest('{0,100,200}'::bigint[]) as month (lower_id)"
        )
    command.upgrade(configuration(release_0019), "0021")
    with psycopg.connect(release_0019) as connection:
        counted = connection.execute("select lower_id from ops.sealed_ranges where is_counted").fetchall()
    assert counted == [(100,)]
