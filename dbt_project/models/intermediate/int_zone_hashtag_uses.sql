-- One row per zone, tweet and hashtag: a tag counts once in a tweet, with the first spelling it has there (T5).
-- Built from int_zone_tweets and the entities, as a view; each tweet's tags are looked up by key, as there.
-- Read by int_zone_tag_author_hourly, and by twitter_trending_hashtags for the part of an hour before as_of.
{{ config(materialized='view') }}

with tweets as (
    select * from {{ ref('int_zone_tweets') }}
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
    inner join lateral (
        select distinct on (entities.entity_normalized)
            entities.entity_normalized as hashtag,
            entities.entity_value as original_hashtag
        from {{ ref('stg_core__twitter_entities') }} as entities
        where entities.tweet_id = tweets.tweet_id and entities.entity_type = 'hashtag'
        order by entities.entity_normalized, entities.start_index nulls last, entities.ordinal
        offset 0
    ) as first_spellings on true
)

select * from final
