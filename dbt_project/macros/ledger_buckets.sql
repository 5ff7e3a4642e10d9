{#-
    What the ledger strategy must know about each model's buckets.

    <model>__all_buckets(target)     every bucket that has facts or rows: what a first build and --full-refresh mark
    <model>__further_marks(target)   statements that mark buckets which change for another reason than a fact in their
                                     own key: the clock went on, a profile was renamed. They read the model's row in
                                     ops.mart_state, where the claim has fixed as_of and previous_as_of already.
    <model>__buckets_of(marks, target)   the buckets that marks touch, where a mark is not a bucket itself
-#}

{% macro int_zone_counted_tweets__all_buckets(target) %}
    select links.tweet_id from {{ ref('stg_core__twitter_tweet_zones') }} as links
    union
    select present.tweet_id from {{ target }} as present
{% endmacro %}

{% macro int_zone_author_hourly__all_buckets(target) %}
    select counted.zone_id, counted.hour, counted.author_profile_id
    from {{ ref('int_zone_counted_tweets') }} as counted
    union
    select present.zone_id, present.hour, present.author_profile_id from {{ target }} as present
{% endmacro %}

{% macro int_zone_hourly__all_buckets(target) %}
    select hours.zone_id, hours.hour from {{ ref('int_zone_author_hourly') }} as hours
    union
    select present.zone_id, present.hour from {{ target }} as present
{% endmacro %}

{% macro int_zone_tag_author_hourly__all_buckets(target) %}
    select hours.zone_id, hours.hour, hours.author_profile_id from {{ ref('int_zone_author_hourly') }} as hours
    union
    select present.zone_id, present.hour, present.author_profile_id from {{ target }} as present
{% endmacro %}

{% macro int_zone_entity_author_hourly__all_buckets(target) %}
    select hours.zone_id, hours.hour, hours.author_profile_id
    from {{ ref('int_zone_author_hourly') }} as hours
    where
        hours.hour >= (
            select date_trunc('hour', state.as_of, 'UTC') - interval '{{ var("trending_hours_kept") }} hours'
            from ops.mart_state as state
            where state.model = 'int_zone_entity_author_hourly'
        )
    union
    select present.zone_id, present.hour, present.author_profile_id from {{ target }} as present
{% endmacro %}

{#- When as_of moves, hours get too old to be kept, or come back. -#}
{% macro int_zone_entity_author_hourly__further_marks(target) %}
with bounds as (
    select
        date_trunc('hour', least(state.as_of, state.previous_as_of), 'UTC')
        - interval '{{ var("trending_hours_kept") }} hours' as first_hour,
        date_trunc('hour', greatest(state.as_of, state.previous_as_of), 'UTC')
        - interval '{{ var("trending_hours_kept") }} hours' as end_hour
    from ops.mart_state as state
    where state.model = 'int_zone_entity_author_hourly' and state.as_of <> state.previous_as_of
)

insert into {{ ledger_queue('int_zone_entity_author_hourly') }} (zone_id, hour, author_profile_id)
select present.zone_id, present.hour, present.author_profile_id
from bounds
inner join {{ target }} as present on bounds.first_hour <= present.hour and bounds.end_hour > present.hour
union
select zones.id, found.hour, found.author_profile_id
from bounds
cross join {{ ref('stg_core__zones') }} as zones
inner join lateral (
    select hours.hour, hours.author_profile_id
    from {{ ref('int_zone_author_hourly') }} as hours
    where hours.zone_id = zones.id and hours.hour >= bounds.first_hour and hours.hour < bounds.end_hour
    offset 0
) as found on true
cross join ops.mart_state as state
where state.model = 'int_zone_entity_author_hourly' and state.as_of < state.previous_as_of;
{% endmacro %}

{% macro twitter_trending_entities__all_buckets(target) %}
    select uses.zone_id, uses.entity_type, uses.entity_value from {{ ref('int_zone_entity_author_hourly') }} as uses
    union
    select present.zone_id, present.entity_type, present.entity_value from {{ target }} as present
{% endmacro %}

{#- When the end of the windows moves, in either direction, uses pass the end or the beginning of a window or baseline. -#}
{% macro twitter_trending_entities__further_marks(target) %}
with moments as (
    select
        date_bin('10 minutes', least(state.as_of, state.previous_as_of), timestamptz '2000-01-01 00:00:00+00')
            as earlier_slot,
        date_bin('10 minutes', greatest(state.as_of, state.previous_as_of), timestamptz '2000-01-01 00:00:00+00')
            as later_slot
    from ops.mart_state as state
    where state.model = 'twitter_trending_entities'
),

edges as (
    select
        moments.earlier_slot - edge.ago as first_slot,
        moments.later_slot - edge.ago as end_slot
    from moments
    cross join unnest(
        '{0,1 hour,6 hours,24 hours,7 days,8 days,14 days}'::interval []
    ) as edge (ago)
    where moments.earlier_slot < moments.later_slot
)

insert into {{ ledger_queue('twitter_trending_entities') }} (zone_id, entity_type, entity_value)
select distinct found.zone_id, found.entity_type, found.entity_value
from edges
inner join lateral (
    select uses.zone_id, uses.entity_type, uses.entity_value
    from {{ ref('int_zone_entity_author_hourly') }} as uses
    where
        uses.hour > edges.first_slot - interval '1 hour'
        and uses.hour < edges.end_slot
        and uses.slot >= edges.first_slot
        and uses.slot < edges.end_slot
    offset 0
) as found on true;
{% endmacro %}

{% macro int_zone_top_tweets_hourly__all_buckets(target) %}
    select hours.zone_id, hours.hour from {{ ref('int_zone_author_hourly') }} as hours
    union
    select present.zone_id, present.hour from {{ target }} as present
{% endmacro %}

{% macro twitter_top_engaged_tweets__all_buckets(target) %}
    select hours.zone_id, hours.day from {{ ref('int_zone_top_tweets_hourly') }} as hours
    union
    select present.zone_id, present.day from {{ target }} as present
{% endmacro %}

{% macro twitter_zone_stats_hourly__all_buckets(target) %}
    select hours.zone_id, hours.hour from {{ ref('int_zone_hourly') }} as hours
    union
    select coverage.zone_id, coverage.hour from {{ ref('stg_ops__zone_hour_coverage') }} as coverage
    union
    select present.zone_id, present.hour from {{ target }} as present
{% endmacro %}

{#- An hour is complete once it is over, whether or not a tweet arrives afterwards; and open again when as_of goes back. -#}
{% macro twitter_zone_stats_hourly__further_marks(target) %}
insert into {{ ledger_queue('twitter_zone_stats_hourly') }} (zone_id, hour)
select present.zone_id, present.hour
from {{ target }} as present
cross join ops.mart_state as state
where
    state.model = 'twitter_zone_stats_hourly'
    and not present.is_complete
    and present.hour + interval '1 hour' <= state.as_of
union all
select present.zone_id, present.hour
from {{ target }} as present
cross join ops.mart_state as state
where
    state.model = 'twitter_zone_stats_hourly'
    and state.as_of < state.previous_as_of
    and present.is_complete
    and present.hour + interval '1 hour' > state.as_of;
{% endmacro %}

{% macro twitter_zone_stats_daily__all_buckets(target) %}
    select hours.zone_id, hours.hour from {{ ref('twitter_zone_stats_hourly') }} as hours
    union
    select present.zone_id, date_trunc('hour', present.starts_at, 'UTC') as hour from {{ target }} as present
{% endmacro %}

{#- The local days that an hour lies in, two where the zone's time differs from UTC by part of an hour; and the day whose
    row held the hour, which is another one after the zone moved to another time zone. -#}
{% macro twitter_zone_stats_daily__buckets_of(marks, target) %}
    select
        marks.zone_id,
        days.day
    from {{ marks }} as marks
    inner join {{ ref('stg_core__zones') }} as zones on marks.zone_id = zones.id
    cross join lateral (
        select (marks.hour at time zone zones.timezone)::date as day
        union
        select ((marks.hour + interval '3599.999 seconds') at time zone zones.timezone)::date
    ) as days
    union
    select
        present.zone_id,
        present.day
    from {{ marks }} as marks
    inner join {{ target }} as present
        on
            marks.zone_id = present.zone_id
            and marks.hour < present.ends_at
            and marks.hour + interval '1 hour' > present.starts_at
{% endmacro %}

{#- Days are complete by the clock alone, as hours are; and all days of a zone change with its time zone. -#}
{% macro twitter_zone_stats_daily__further_marks(target) %}
insert into {{ ledger_queue('twitter_zone_stats_daily') }} (zone_id, hour)
select present.zone_id, date_trunc('hour', present.starts_at, 'UTC')
from {{ target }} as present
cross join ops.mart_state as state
where
    state.model = 'twitter_zone_stats_daily'
    and not present.is_complete
    and present.ends_at <= state.as_of
union all
select present.zone_id, date_trunc('hour', present.starts_at, 'UTC')
from {{ target }} as present
cross join ops.mart_state as state
where
    state.model = 'twitter_zone_stats_daily'
    and state.as_of < state.previous_as_of
    and present.is_complete
    and present.ends_at > state.as_of;

with moved as (
    delete from ops.twitter_zone_stats_daily__zone_marks returning zone_id
)

insert into {{ ledger_queue('twitter_zone_stats_daily') }} (zone_id, hour)
select hours.zone_id, hours.hour
from (select distinct moved.zone_id from moved) as zones
inner join {{ ref('twitter_zone_stats_hourly') }} as hours on zones.zone_id = hours.zone_id;
{% endmacro %}

{% macro twitter_top_profiles_by_zone__all_buckets(target) %}
    select hours.zone_id, hours.author_profile_id as profile_id from {{ ref('int_zone_author_hourly') }} as hours
    union
    select present.zone_id, present.profile_id from {{ target }} as present
{% endmacro %}

{#- A profile that changed is rewritten in every zone where it has a row (T22). -#}
{% macro twitter_top_profiles_by_zone__further_marks(target) %}
with changed as (
    delete from ops.twitter_top_profiles_by_zone__profile_marks returning profile_id
)

insert into {{ ledger_queue('twitter_top_profiles_by_zone') }} (zone_id, profile_id)
select present.zone_id, present.profile_id
from (select distinct changed.profile_id from changed) as profiles
inner join {{ target }} as present on profiles.profile_id = present.profile_id;
{% endmacro %}

{% macro twitter_top_profiles_by_zone_window__all_buckets(target) %}
    select hours.zone_id, hours.author_profile_id as profile_id
    from {{ ref('int_zone_author_hourly') }} as hours
    where
        hours.hour >= (
            select date_trunc('hour', state.as_of, 'UTC') - interval '719 hours'
            from ops.mart_state as state
            where state.model = 'twitter_top_profiles_by_zone_window'
        )
    union
    select present.zone_id, present.profile_id from {{ target }} as present
{% endmacro %}

{#- When as_of moves, in either direction, authors' hours leave and enter each of the windows (T21). -#}
{% macro twitter_top_profiles_by_zone_window__further_marks(target) %}
with moments as (
    select
        date_trunc('hour', least(state.as_of, state.previous_as_of), 'UTC') as earlier_hour,
        date_trunc('hour', greatest(state.as_of, state.previous_as_of), 'UTC') as later_hour,
        least(state.as_of, state.previous_as_of) as earlier
    from ops.mart_state as state
    where state.model = 'twitter_top_profiles_by_zone_window' and state.as_of <> state.previous_as_of
),

edges as (
    select
        moments.earlier_hour - window_hours.whole_hours as first_hour,
        moments.later_hour - window_hours.whole_hours as end_hour,
        timestamptz '-infinity' as later_than
    from moments
    cross join (
        values (interval '23 hours'), (interval '167 hours'), (interval '719 hours')
    ) as window_hours (whole_hours)
    union all
    select
        moments.earlier_hour,
        moments.later_hour + interval '1 hour',
        moments.earlier
    from moments
)

insert into {{ ledger_queue('twitter_top_profiles_by_zone_window') }} (zone_id, profile_id)
select distinct zones.id, found.author_profile_id
from edges
cross join {{ ref('stg_core__zones') }} as zones
inner join lateral (
    select hours.author_profile_id
    from {{ ref('int_zone_author_hourly') }} as hours
    where
        hours.zone_id = zones.id
        and hours.hour >= edges.first_hour
        and hours.hour < edges.end_hour
        and hours.last_tweet_at > edges.later_than
    offset 0
) as found on true;
{% endmacro %}

{% macro int_zone_tag_author_window__all_buckets(target) %}
    select uses.zone_id, uses.hashtag, uses.author_profile_id
    from {{ ref('int_zone_hashtag_uses') }} as uses
    inner join ops.mart_state as state
        on
            uses.tweet_id >= core.first_tweet_id_of(date_trunc('hour', state.as_of, 'UTC') - interval '23 hours')
            and uses.hour >= date_trunc('hour', state.as_of, 'UTC') - interval '23 hours'
            and uses.twitter_created_at <= state.as_of
    where state.model = 'int_zone_tag_author_window'
    union
    select present.zone_id, present.hashtag, present.author_profile_id from {{ target }} as present
{% endmacro %}

{#- What the window leaves and reaches when its end moves are differences too. -#}
{% macro int_zone_tag_author_window__further_marks(target) %}
select ops.move_zone_tag_windows(state.previous_as_of, state.as_of)
from ops.mart_state as state
where state.model = 'int_zone_tag_author_window' and state.previous_as_of <> state.as_of;
{% endmacro %}

{% macro twitter_trending_hashtags__all_buckets(target) %}
    select authors.zone_id, authors.hashtag from {{ ref('int_zone_tag_author_window') }} as authors
    union
    select present.zone_id, present.hashtag from {{ target }} as present
{% endmacro %}
