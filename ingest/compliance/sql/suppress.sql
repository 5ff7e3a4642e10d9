-- How marks of the suppression queue become suppressed tweets and accounts. One transaction, in this order.

-- name: create_tables
create temp table if not exists suppression_taken (
    tweet_id bigint, user_id bigint
) on commit delete rows;
create temp table if not exists suppression_subjects (tweet_id bigint primary key) on commit delete rows;

-- name: is_waiting
select exists(select 1 from ops.suppression_queue);

-- Appliers take turns. The lock needs no transaction id, so that the next statement's snapshot is free of our own.
-- name: try_lock
select pg_try_advisory_xact_lock(7203201);

-- A transaction that began before an event was committed may be writing the event's tweet without having seen it. So a
-- mark is looked at now, and once more when everything that ran meanwhile has ended; at once, where nothing ran.
-- name: take
with moment as materialized (
    select
        pg_snapshot_xmin(pg_current_snapshot()) as oldest,
        pg_snapshot_xmax(pg_current_snapshot()) as next
),

due as materialized (
    select
        queue.mark_id,
        queue.tweet_id,
        queue.user_id,
        moment.next as settles_after,
        queue.settles_after is not null or moment.oldest = moment.next as is_settled
    from ops.suppression_queue as queue
    cross join moment
    where queue.settles_after is null or queue.settles_after <= moment.oldest
    order by queue.mark_id
    limit %(limit)s
),

settled as (
    delete from ops.suppression_queue as queue
    using due
    where queue.mark_id = due.mark_id and due.is_settled
),

kept as (
    update ops.suppression_queue as queue
    set settles_after = due.settles_after
    from due
    where queue.mark_id = due.mark_id and not due.is_settled
)

insert into suppression_taken (tweet_id, user_id)
select distinct due.tweet_id, due.user_id from due;

-- A look-up of a small set by key, whatever the planner thinks of the tables.
-- name: plan_for_a_set
set local enable_hashjoin = off;
set local enable_mergejoin = off;
set local enable_seqscan = off;
set local jit = off; -- noqa: PRS

-- name: expand
insert into suppression_subjects (tweet_id)
with named as materialized (
    select taken.tweet_id
    from suppression_taken as taken
    where taken.tweet_id is not null
    union
    select versions.tweet_id
    from suppression_taken as taken
    inner join core.twitter_tweet_edits as edits on taken.tweet_id = edits.tweet_id
    inner join core.twitter_tweet_edits as versions on edits.first_tweet_id = versions.first_tweet_id
    union
    select tweets.tweet_id
    from suppression_taken as taken
    inner join core.twitter_tweets as tweets on taken.user_id = tweets.author_profile_id
)

select tweets.tweet_id
from named
inner join core.twitter_tweets as tweets on named.tweet_id = tweets.tweet_id
union
select retweets.tweet_id
from named
inner join core.twitter_tweets as retweets
    on named.tweet_id = retweets.retweeted_tweet_id and named.tweet_id < retweets.tweet_id;

-- Whoever holds the lock on a tweet's metrics row may change anything about the tweet.
-- name: lock
select metrics.tweet_id
from suppression_subjects as subjects
inner join core.twitter_tweet_metrics as metrics on subjects.tweet_id = metrics.tweet_id
order by metrics.tweet_id
for update of metrics;

-- The triggers of the tweets carry the moment over to the links and mark the buckets.
-- name: suppress_tweets
update core.twitter_tweets as tweets
set
    suppressed_at = decided.suppressed_at,
    suppression_reason = decided.suppression_reason,
    updated_at = now()
from (
    select
        subjects.tweet_id,
        verdict.suppressed_at,
        verdict.suppression_reason
    from suppression_subjects as subjects
    left join lateral core.suppression_of_tweet(subjects.tweet_id) as verdict on true
) as decided
where
    tweets.tweet_id = decided.tweet_id
    and (tweets.suppressed_at, tweets.suppression_reason)
    is distinct from (decided.suppressed_at, decided.suppression_reason);

-- name: suppress_profiles
update core.twitter_profiles as profiles
set suppressed_at = decided.suppressed_at, suppression_reason = decided.suppression_reason, updated_at = now()
from (
    select
        named.user_id,
        verdict.suppressed_at,
        verdict.suppression_reason
    from (
        select taken.user_id
        from suppression_taken as taken
        where taken.user_id is not null
        union
        select tweets.author_profile_id
        from suppression_subjects as subjects
        inner join core.twitter_tweets as tweets on subjects.tweet_id = tweets.tweet_id
    ) as named
    left join lateral core.suppression_of_profile(named.user_id) as verdict on true
) as decided
where
    profiles.twitter_user_id = decided.user_id
    and (profiles.suppressed_at, profiles.suppression_reason)
    is distinct from (decided.suppressed_at, decided.suppression_reason);

-- name: note_change
update ops.suppression_state set changed_at = clock_timestamp();
