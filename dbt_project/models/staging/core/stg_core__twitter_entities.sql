-- One row per hashtag, mention or link in a tweet, at its position.
with source as (
    select
        source.tweet_id,
        source.ordinal,
        source.entity_type,
        source.start_index,
        source.entity_value,
        source.entity_normalized,
        source.url_host
    from {{ source('core', 'twitter_entities') }} as source
)

select * from source
