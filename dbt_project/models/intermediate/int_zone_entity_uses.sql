-- One row per zone, tweet, kind and value of what the tweet names: hashtags, mentioned accounts, hosts of its links.
-- Built from int_zone_tweets and the entities, as a view; each tweet's entities are looked up by key, as there.
-- Read by int_zone_entity_author_hourly.
{{ config(materialized='view') }}

with tweets as (
    select * from {{ ref('int_zone_tweets') }}
),

entities as (
    select * from {{ ref('stg_core__twitter_entities') }}
),

final as (
    select
        tweets.zone_id,
        tweets.tweet_id,
        tweets.author_profile_id,
        tweets.twitter_created_at,
        tweets.hour,
        named.entity_type,
        named.entity_value
    from tweets
    inner join lateral (
        select distinct
            entities.entity_type,
            case entities.entity_type when 'url' then entities.url_host else entities.entity_normalized end
                as entity_value
        from entities
        where entities.tweet_id = tweets.tweet_id
        offset 0
    ) as named on named.entity_value is not null
)

select * from final
