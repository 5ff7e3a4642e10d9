-- One row per zone, tweet and hashtag: a tag counts once in a tweet, with the first spelling it has there (T5).
-- Built from int_zone_tweets and the entities, as a view.
-- Read by int_zone_tag_author_hourly, and by twitter_trending_hashtags for the part of an hour before as_of.
{{ config(materialized='view') }}

with tweets as (
    select * from {{ ref('int_zone_tweets') }}
),

hashtags as not materialized (
    select
        entities.tweet_id,
        entities.entity_normalized as hashtag,
        entities.entity_value as original_hashtag,
        coalesce(entities.start_index, 2147483647) as position,
        entities.ordinal
    from {{ ref('stg_core__twitter_entities') }} as entities
    where entities.entity_type = 'hashtag'
),

-- An anti-join instead of "distinct on": conditions of the reader on any column reach the tables below.
first_spellings as (
    select
        hashtags.tweet_id,
        hashtags.hashtag,
        hashtags.original_hashtag
    from hashtags
    where not exists (
        select 1
        from hashtags as earlier
        where
            earlier.tweet_id = hashtags.tweet_id
            and earlier.hashtag = hashtags.hashtag
            and (earlier.position, earlier.ordinal) < (hashtags.position, hashtags.ordinal)
    )
),

final as (
    select
        tweets.zone_id,
        tweets.tweet_id,
        tweets.author_profile_id,
        tweets.twitter_created_at,
        tweets.hour,
        tweets.total_engagement,
        first_spellings.hashtag,
        first_spellings.original_hashtag
    from tweets
    inner join first_spellings on tweets.tweet_id = first_spellings.tweet_id
)

select * from final
