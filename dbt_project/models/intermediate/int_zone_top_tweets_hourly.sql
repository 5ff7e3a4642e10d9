-- One row per zone, UTC hour and tweet among the hour's 100 most engaged; equals go to the larger id.
-- Built from the tweets of the hour's 100 authors with the best tweets: no tweet of another one can be among them.
-- Late data: an hour is ranked anew when any of its authors' hours was.
-- Read by twitter_top_engaged_tweets, and by the data layer for windows that begin or end within a day.
{{
    config(
        materialized='incremental',
        incremental_strategy='ledger',
        unique_key=['zone_id', 'hour', 'tweet_id'],
        pre_hook='{{ ledger_claim() }}',
        post_hook='{{ ledger_release() }}',
    )
}}

with claims as (
    select
        claims.zone_id,
        claims.hour
    from {{ source('ledger', 'int_zone_top_tweets_hourly__claims') }} as claims
),

authors as (
    select * from {{ ref('int_zone_author_hourly') }}
),

tweets as (
    select * from {{ ref('int_zone_counted_tweets') }}
),

-- Materialised, so that the bounds of an hour are computed once and not for every author.
hours as materialized (
    select
        claims.hour,
        core.first_tweet_id_of(claims.hour) as first_tweet_id,
        core.end_tweet_id_of(claims.hour + interval '1 hour') as end_tweet_id
    from (select distinct claims.hour from claims) as claims
),

best_authors as (
    select
        claims.zone_id,
        claims.hour,
        found.author_profile_id
    from claims
    inner join lateral (
        select authors.author_profile_id
        from authors
        where
            authors.zone_id = claims.zone_id
            and authors.hour = claims.hour
            and authors.top_engagement is not null
        order by authors.top_engagement desc, authors.top_tweet_id desc
        limit {{ var('top_tweets') }}
    ) as found on true
),

-- "offset 0" keeps the search one author and hour at a time, by index, as in int_zone_author_hourly.
ranked as (
    select
        best_authors.zone_id,
        best_authors.hour,
        found.tweet_id,
        best_authors.author_profile_id,
        found.twitter_created_at,
        found.total_engagement,
        row_number() over (
            partition by best_authors.zone_id, best_authors.hour
            order by found.total_engagement desc, found.tweet_id desc
        ) as place
    from best_authors
    inner join hours on best_authors.hour = hours.hour
    inner join lateral (
        select
            tweets.tweet_id,
            tweets.twitter_created_at,
            tweets.total_engagement
        from tweets
        where
            tweets.author_profile_id = best_authors.author_profile_id
            and tweets.tweet_id >= hours.first_tweet_id
            and tweets.tweet_id < hours.end_tweet_id
            and tweets.hour = best_authors.hour
            and tweets.zone_id = best_authors.zone_id
            and tweets.total_engagement is not null
        offset 0
    ) as found on true
),

final as (
    select
        ranked.zone_id,
        ranked.hour,
        ranked.tweet_id,
        (ranked.hour at time zone 'UTC')::date as day,
        ranked.author_profile_id,
        ranked.twitter_created_at,
        ranked.total_engagement
    from ranked
    where ranked.place <= {{ var('top_tweets') }}
)

select * from final
