-- What look-ups do not show any more, and who wrote it.

-- Tweets that several look-ups in a row did not show. What the provider says of one is about its author.
-- name: missing_tweets
select
    absences.tweet_id,
    absences.first_missed_at,
    tweets.author_profile_id
from ops.tweet_absences as absences
inner join core.twitter_tweets as tweets on absences.tweet_id = tweets.tweet_id
where absences.miss_count >= %(misses)s and tweets.suppressed_at is null
order by absences.tweet_id
limit %(limit)s;

-- Accounts that a look-up found gone: they may be back.
-- name: gone_accounts
select
    latest.user_id,
    latest.event_type
from (
    select distinct on (events.user_id, core.suppression_family(events.event_type))
        events.user_id,
        events.event_type,
        events.delivery_id
    from core.twitter_profile_compliance_events as events
    where core.suppression_family(events.event_type) is not null
    order by events.user_id, core.suppression_family(events.event_type), events.event_at desc
) as latest
where latest.delivery_id is null and latest.event_type = core.suppression_family(latest.event_type)
order by latest.user_id
limit %(limit)s;

-- Accounts that were seen a moment ago: if the provider does not show them either, its answer is wrong.
-- name: controls
select distinct profiles.twitter_user_id
from (
    select tweets.author_profile_id
    from core.twitter_tweet_metrics as metrics
    inner join core.twitter_tweets as tweets on metrics.tweet_id = tweets.tweet_id
    where
        tweets.suppressed_at is null
        and not exists (select from ops.tweet_absences as absences where absences.tweet_id = tweets.tweet_id)
    order by metrics.tweet_id desc
    limit 50
) as recent
inner join core.twitter_profiles as profiles on recent.author_profile_id = profiles.twitter_user_id
where profiles.twitter_user_id <> all(%(asked)s::bigint[])
limit %(limit)s;

-- name: note_tweets
insert into core.twitter_compliance_events (tweet_id, event_type, event_at, received_at, user_id)
select
    found.tweet_id,
    'absent',
    found.event_at,
    %(now)s,
    found.user_id
from unnest(%(tweet_ids)s::bigint[], %(moments)s::timestamptz[], %(user_ids)s::bigint[])
    as found (tweet_id, event_at, user_id)
on conflict (tweet_id, event_type, event_at) do nothing;

-- name: note_accounts
insert into core.twitter_profile_compliance_events (user_id, event_type, event_at, received_at)
select
    found.user_id,
    found.event_type,
    %(now)s,
    %(now)s
from unnest(%(user_ids)s::bigint[], %(event_types)s::text[]) as found (user_id, event_type)
on conflict (user_id, event_type, event_at) do nothing;
