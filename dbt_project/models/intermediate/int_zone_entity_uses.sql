-- One row per zone, tweet, kind and value of what the tweet names: hashtags, mentioned accounts, hosts of its links.
-- Built from int_zone_counted_tweets, as a view: it holds nothing and reads no more than its reader asks for.
-- Read by int_zone_entity_author_hourly.
{{ config(materialized='view') }}

with tweets as (
    select * from {{ ref('int_zone_counted_tweets') }}
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
    inner join lateral (  -- noqa: structure.subquery
        select
            'hashtag' as entity_type,
            unnest(tweets.hashtags) as entity_value
        union all
        select
            'mention' as entity_type,
            unnest(tweets.mentions) as entity_value
        union all
        select
            'url' as entity_type,
            unnest(tweets.link_hosts) as entity_value
    ) as named on true
)

select * from final
