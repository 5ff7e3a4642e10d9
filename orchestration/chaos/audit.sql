-- The sender's book beside the tables. The book is copied into temporary tables; each query returns what is wrong.

-- name: make_book
create temp table book_deliveries (delivery_id bigint primary key, kind text not null) on commit drop;
create temp table book_tweets (delivery_id bigint not null, tweet_id bigint not null) on commit drop;
create temp table book_links (delivery_id bigint not null, tweet_id bigint not null, zone text not null) on commit drop;
create temp table book_history (
    tweet_id bigint not null, snapshot_at timestamptz not null, retweet_count bigint, reply_count bigint,
    like_count bigint, quote_count bigint, view_count bigint, bookmark_count bigint
) on commit drop;
create temp table book_metrics (
    tweet_id bigint primary key, retweet_count bigint, reply_count bigint, like_count bigint, quote_count bigint,
    view_count bigint, bookmark_count bigint
) on commit drop;
create temp table book_notices (delivery_id bigint not null, tweet_id bigint not null) on commit drop;
create temp table withdrawn (tweet_id bigint primary key) on commit drop;

-- name: analyze_book
analyze book_deliveries;
analyze book_tweets;
analyze book_links;
analyze book_history;

-- name: lost_deliveries
select book.delivery_id
from book_deliveries as book
where not exists (select from raw.deliveries where deliveries.delivery_id = book.delivery_id);

-- A delivery waits or is accounted for: never both, never neither.
-- name: unaccounted_deliveries
select deliveries.delivery_id
from raw.deliveries
left join raw.delivery_queue as queue on deliveries.delivery_id = queue.delivery_id
left join ops.delivery_accounting as accounting on deliveries.delivery_id = accounting.delivery_id
where (queue.delivery_id is null) = (accounting.delivery_id is null);

-- name: unbalanced_deliveries
select accounting.delivery_id
from ops.delivery_accounting as accounting
inner join raw.deliveries on accounting.delivery_id = deliveries.delivery_id
where
    accounting.item_count <> deliveries.item_count
    or accounting.normalised_count + accounting.duplicate_count + accounting.control_count + accounting.dead_count
    <> deliveries.item_count;

-- Tweets of accounted deliveries that are neither in core nor dead letters.
-- name: lost_tweets
select distinct book.tweet_id
from book_tweets as book
inner join ops.delivery_accounting as accounting on book.delivery_id = accounting.delivery_id
where
    not exists (select from core.twitter_tweets as tweets where tweets.tweet_id = book.tweet_id)
    and not exists (select from raw.dead_letters as letters where letters.delivery_id = book.delivery_id)
    and not exists (select from withdrawn where withdrawn.tweet_id = book.tweet_id);

-- name: lost_links
select distinct book.tweet_id, book.zone
from book_links as book
inner join ops.delivery_accounting as accounting on book.delivery_id = accounting.delivery_id
inner join core.zones on book.zone = zones.name
where
    not exists (
        select from core.twitter_tweet_zones as links
        where links.tweet_id = book.tweet_id and links.zone_id = zones.id
    )
    and not exists (select from raw.dead_letters as letters where letters.delivery_id = book.delivery_id)
    and not exists (select from withdrawn where withdrawn.tweet_id = book.tweet_id);

-- name: lost_letters
select book.delivery_id
from book_deliveries as book
inner join ops.delivery_accounting as accounting on book.delivery_id = accounting.delivery_id
where
    book.kind = 'dead'
    and not exists (select from raw.dead_letters as letters where letters.delivery_id = book.delivery_id);

-- name: lost_notices
select book.tweet_id
from book_notices as book
inner join ops.delivery_accounting as accounting on book.delivery_id = accounting.delivery_id
where not exists (select from core.twitter_compliance_events as events where events.tweet_id = book.tweet_id);

-- What follows holds once everything is acknowledged and nothing waits.

-- name: invented_tweets
select tweets.tweet_id
from core.twitter_tweets as tweets
where not exists (select from book_tweets as book where book.tweet_id = tweets.tweet_id);

-- name: invented_links
select links.tweet_id, zones.name
from core.twitter_tweet_zones as links
inner join core.zones on links.zone_id = zones.id
where not exists (select from book_links as book where book.tweet_id = links.tweet_id and book.zone = zones.name);

-- name: doubled_tweets
select tweets.tweet_id
from core.twitter_tweets as tweets
group by tweets.tweet_id
having count(*) > 1;

-- Each link is brought by one item: more items that brought one mean that one was counted twice.
-- name: doubled_items
with matched as (
    select distinct
        book.tweet_id,
        book.zone
    from book_links as book
)

select sum(accounting.normalised_count)
from ops.delivery_accounting as accounting
having sum(accounting.normalised_count) > (select count(*) from matched);

-- name: wrong_history
select
    coalesce(book.tweet_id, history.tweet_id) as tweet_id,
    coalesce(book.snapshot_at, history.snapshot_at) as snapshot_at
from book_history as book
full join core.twitter_engagement_history as history
    on book.tweet_id = history.tweet_id and book.snapshot_at = history.snapshot_at
where
    (
        book.retweet_count, book.reply_count, book.like_count, book.quote_count, book.view_count, book.bookmark_count
    ) is distinct from (
        history.retweet_count, history.reply_count, history.like_count, history.quote_count, history.view_count,
        history.bookmark_count
    )
    and not exists (
        select from withdrawn where withdrawn.tweet_id in (book.tweet_id, history.tweet_id)
    );

-- name: wrong_metrics
select metrics.tweet_id
from core.twitter_tweet_metrics as metrics
left join book_metrics as book on metrics.tweet_id = book.tweet_id
where
    (
        book.retweet_count, book.reply_count, book.like_count, book.quote_count, book.view_count, book.bookmark_count
    ) is distinct from (
        metrics.retweet_count, metrics.reply_count, metrics.like_count, metrics.quote_count, metrics.view_count,
        metrics.bookmark_count
    )
    and not exists (select from withdrawn where withdrawn.tweet_id = metrics.tweet_id);

-- name: waiting_deliveries
select count(*) from raw.delivery_queue;

-- name: sizes
select
    (select count(*) from raw.deliveries),
    (select count(*) from core.twitter_tweets),
    (select count(*) from raw.dead_letters);
