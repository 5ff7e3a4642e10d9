{#-
    What the ledger strategy must know about each model's buckets.

    <model>__all_buckets(target)     every bucket that has facts or rows: what a first build and --full-refresh mark
    <model>__further_marks(target)   statements that mark buckets which change for another reason than a fact in their
                                     own key: the clock went on, a profile was renamed. They read the model's row in
                                     ops.mart_state, where the claim has fixed as_of and previous_as_of already.
-#}

{#- Straight from staging: int_zone_tweets looks rows up one by one, which is right for claims and slow for everything. -#}
{% macro int_zone_author_hourly__all_buckets(target) %}
    select
        links.zone_id,
        date_trunc('hour', tweets.twitter_created_at, 'UTC') as hour,
        tweets.author_profile_id
    from {{ ref('stg_core__twitter_tweet_zones') }} as links
    inner join {{ ref('stg_core__twitter_tweets') }} as tweets on links.tweet_id = tweets.tweet_id
    union
    select present.zone_id, present.hour, present.author_profile_id from {{ target }} as present
{% endmacro %}

{% macro int_zone_tag_author_hourly__all_buckets(target) %}
    select hours.zone_id, hours.hour, hours.author_profile_id from {{ ref('int_zone_author_hourly') }} as hours
    union
    select present.zone_id, present.hour, present.author_profile_id from {{ target }} as present
{% endmacro %}

{% macro twitter_zone_stats_hourly__all_buckets(target) %}
    select hours.zone_id, hours.hour from {{ ref('int_zone_author_hourly') }} as hours
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

{% macro twitter_trending_hashtags__all_buckets(target) %}
    select tags.zone_id, tags.hashtag from {{ ref('int_zone_tag_author_hourly') }} as tags
    union
    select present.zone_id, present.hashtag from {{ target }} as present
{% endmacro %}

{#- When as_of moves, in either direction, tags leave and enter the window with no new data (T21): those of the hours
    between the two windows' beginnings, and those used between the two moments. -#}
{% macro twitter_trending_hashtags__further_marks(target) %}
with moments as (
    select
        least(state.as_of, state.previous_as_of) as earlier,
        greatest(state.as_of, state.previous_as_of) as later
    from ops.mart_state as state
    where state.model = 'twitter_trending_hashtags' and state.as_of <> state.previous_as_of
)

insert into {{ ledger_queue('twitter_trending_hashtags') }} (zone_id, hashtag)
select tags.zone_id, tags.hashtag
from moments
inner join {{ ref('int_zone_tag_author_hourly') }} as tags
    on
        tags.hour >= date_trunc('hour', moments.earlier, 'UTC') - interval '23 hours'
        and tags.hour < date_trunc('hour', moments.later, 'UTC') - interval '23 hours'
union
select tags.zone_id, tags.hashtag
from moments
inner join {{ ref('int_zone_tag_author_hourly') }} as tags
    on
        tags.hour >= date_trunc('hour', moments.earlier, 'UTC')
        and tags.hour <= date_trunc('hour', moments.later, 'UTC')
where tags.last_used_at > moments.earlier;
{% endmacro %}
