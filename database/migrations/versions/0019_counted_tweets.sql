-- Counting each tweet once. intermediate.int_zone_counted_tweets holds, for each tweet and zone, what was counted of
-- it. A mark on the ledger is now a tweet's id: the build reads that tweet again, and triggers carry the difference,
-- new - old, to the hours of its author and to the tags of the last 24 h, which are partials as those of 0008 are.
-- Before, a mark was an author's hour, and one like more on one tweet had all tweets of that hour read again, twice.

create table ops.int_zone_counted_tweets__marks (
    tweet_id bigint not null,
    marked_at timestamptz not null default now()
);

create table ops.int_zone_counted_tweets__claims (
    tweet_id bigint not null,
    constraint int_zone_counted_tweets__claims_pkey primary key (tweet_id)
);

create table ops.int_zone_hourly__marks (
    zone_id uuid not null,
    hour timestamptz not null,
    marked_at timestamptz not null default now()
);

create table ops.int_zone_hourly__claims (
    zone_id uuid not null,
    hour timestamptz not null,
    constraint int_zone_hourly__claims_pkey primary key (zone_id, hour)
);

create table ops.int_zone_tag_author_window__marks (
    zone_id uuid not null,
    hashtag text not null,
    author_profile_id bigint not null,
    marked_at timestamptz not null default now()
);

create table ops.int_zone_tag_author_window__claims (
    zone_id uuid not null,
    hashtag text not null,
    author_profile_id bigint not null,
    constraint int_zone_tag_author_window__claims_pkey primary key (zone_id, hashtag, author_profile_id)
);

comment on table ops.int_zone_counted_tweets__marks is
    'Tweets whose facts changed, appended by whoever changed them';
comment on table ops.int_zone_counted_tweets__claims is
    'Tweets that the latest build of int_zone_counted_tweets counted anew';
comment on table ops.int_zone_author_hourly__marks is
    'Buckets of int_zone_author_hourly to be summed anew; ordinary changes arrive as differences';
comment on table ops.int_zone_author_hourly__claims is
    'Buckets that the latest build of int_zone_author_hourly rebuilt';
comment on table ops.int_zone_hourly__marks is
    'Buckets of int_zone_hourly to be summed anew; ordinary changes arrive as differences';
comment on table ops.int_zone_hourly__claims is
    'Buckets that the latest build of int_zone_hourly rebuilt';
comment on table ops.int_zone_tag_author_window__marks is
    'Buckets of int_zone_tag_author_window to be summed anew; ordinary changes arrive as differences';
comment on table ops.int_zone_tag_author_window__claims is
    'Buckets that the latest build of int_zone_tag_author_window rebuilt';

grant select, insert, update, delete on
    ops.int_zone_counted_tweets__marks, ops.int_zone_counted_tweets__claims,
    ops.int_zone_hourly__marks, ops.int_zone_hourly__claims,
    ops.int_zone_tag_author_window__marks, ops.int_zone_tag_author_window__claims
to pipeline;


-- Whoever changes a fact marks the tweet, whatever zones collected it.

create or replace function ops.mark_tweets(tweet_ids bigint[]) returns void
    language sql
    begin atomic
    insert into ops.int_zone_counted_tweets__marks (tweet_id)
    select marked.tweet_id
    from unnest(tweet_ids) as marked (tweet_id);
    end;

create or replace function ops.on_change_of_links() returns trigger
    language plpgsql as
$$
begin
    if ops.marks_are_explicit() then
        return null;
    end if;
    if tg_op = 'INSERT' then
        perform ops.mark_tweets(array(select distinct links.tweet_id from new_rows as links));
    elsif tg_op = 'DELETE' then
        perform ops.mark_tweets(array(select distinct links.tweet_id from old_rows as links));
    else
        perform ops.mark_tweets(array(
            select links.tweet_id from new_rows as links
            union
            select links.tweet_id from old_rows as links
        ));
    end if;
    return null;
end
$$;

-- Authors' hours that something waits for: to be summed anew, or a tweet of theirs to be counted anew.
create function ops.waiting_author_hours() returns table (zone_id uuid, hour timestamptz, author_profile_id bigint)
    language plpgsql stable
    as
$$
#variable_conflict use_column
begin
    return query
    with waiting_tweets as materialized (
        select distinct marks.tweet_id
        from ops.int_zone_counted_tweets__marks as marks
    )

    select marks.zone_id, marks.hour, marks.author_profile_id
    from ops.int_zone_author_hourly__marks as marks
    union
    select counted.zone_id, counted.hour, counted.author_profile_id
    from waiting_tweets
    inner join intermediate.int_zone_counted_tweets as counted on waiting_tweets.tweet_id = counted.tweet_id
    union
    select links.zone_id, date_trunc('hour', links.twitter_created_at, 'UTC'), links.author_profile_id
    from waiting_tweets
    inner join core.twitter_tweet_zones as links on waiting_tweets.tweet_id = links.tweet_id;
end
$$;
comment on function ops.waiting_author_hours() is
    'Zones, hours and authors that marks of tweets or of the authors'' hours wait for';

-- For what a verification found wrong: the tweets that are, or were counted, in an author's hour.
create function ops.tweets_of_author_hour(of_hour timestamptz, of_author_profile_id bigint) returns setof bigint
    language plpgsql stable
    as
$$
declare
    first_tweet_id constant bigint := core.first_tweet_id_of(of_hour);
    end_tweet_id constant bigint := core.end_tweet_id_of(of_hour + interval '1 hour');
begin
    return query
    select tweets.tweet_id
    from core.twitter_tweets as tweets
    where
        tweets.author_profile_id = of_author_profile_id
        and tweets.tweet_id >= first_tweet_id
        and tweets.tweet_id < end_tweet_id
    union
    select counted.tweet_id
    from intermediate.int_zone_counted_tweets as counted
    where
        counted.author_profile_id = of_author_profile_id
        and counted.tweet_id >= first_tweet_id
        and counted.tweet_id < end_tweet_id;
end
$$;
comment on function ops.tweets_of_author_hour(timestamptz, bigint) is
    'Ids of the tweets that an author posted in an hour, or that were counted there';


-- What was counted of a sealed month's tweets stays as it is (T31).
create function ops.is_sealed_tweet(of_tweet_id bigint) returns boolean
    language sql stable parallel safe
    return exists (
        select from ops.sealed_ranges as sealed
        where of_tweet_id >= sealed.lower_id and of_tweet_id < sealed.upper_id
    );
comment on function ops.is_sealed_tweet(bigint) is 'Whether retention has taken a tweet''s month';
grant execute on function ops.is_sealed_tweet(bigint) to pipeline, api_reader;


-- Text of a query for the differences that a statement on int_zone_counted_tweets made: its rows with their sign; of an
-- update those where one of some columns changed.
create function ops.counted_differences(event text, compared text[]) returns text
    language plpgsql immutable
    as
$$
declare
    same constant text := (
        select string_agg(format('other.%1$I is not distinct from counted.%1$I', name), ' and ')
        from unnest(compared || '{tweet_id,zone_id}') as compared_column (name)
    );
    part constant text := 'select %s as sign, counted.* from %s as counted where '
        || case
            when event = 'UPDATE' then 'not exists (select from %s as other where other.tweet_id = counted.tweet_id and '
                || replace(same, '%', '%%') || ')'
            else 'true'
        end;
    old_part constant text := format(part, '-1', 'old_rows', 'new_rows');
    new_part constant text := format(part, '1', 'new_rows', 'old_rows');
begin
    return case event
        when 'INSERT' then new_part
        when 'DELETE' then old_part
        else old_part || ' union all ' || new_part
    end;
end
$$;


-- int_zone_counted_tweets -> int_zone_author_hourly.
-- Counts and sums are added; NULL says that no tweet's value is known, which the counts of known ones tell. What is the
-- latest or the largest is compared with what was, and looked up only where that fell or went.
create function ops.maintain_zone_author_hourly() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    differences constant text := ops.counted_differences(tg_op, array[
        'hour', 'author_profile_id', 'twitter_created_at', 'has_media', 'has_links', 'is_reply', 'sentiment_score',
        'retweet_count', 'reply_count', 'like_count', 'quote_count', 'view_count', 'bookmark_count',
        'total_engagement', 'hashtags', 'original_hashtags', 'mentions', 'link_hosts'
    ]);
begin
    -- A statement's trigger is called even if it changed nothing.
    if tg_op = 'INSERT' then
        perform from new_rows limit 1;
    else
        perform from old_rows limit 1;
    end if;
    if not found then
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ledger.int_zone_author_hourly', 0));
    if not exists (select 1 from ops.mart_state as state where state.model = 'int_zone_author_hourly') then
        return null;
    end if;
    execute format($sql$
with differences as materialized (%s),

sums as (
    select
        zone_id,
        hour,
        author_profile_id,
        sum(sign) as tweet_count,
        coalesce(sum(sign) filter (where has_media), 0) as tweets_with_media,
        coalesce(sum(sign) filter (where has_links), 0) as tweets_with_links,
        coalesce(sum(sign) filter (where is_reply), 0) as reply_tweets,
        coalesce(sum(sign * retweet_count), 0) as retweets,
        coalesce(sum(sign * reply_count), 0) as replies,
        coalesce(sum(sign * like_count), 0) as likes,
        coalesce(sum(sign * quote_count), 0) as quotes,
        coalesce(sum(sign * view_count), 0) as views,
        coalesce(sum(sign * bookmark_count), 0) as bookmarks,
        coalesce(sum(sign * total_engagement), 0) as engagement,
        coalesce(sum(sign * sentiment_score), 0) as sentiment,
        coalesce(sum(sign) filter (where retweet_count is not null), 0) as retweets_known,
        coalesce(sum(sign) filter (where reply_count is not null), 0) as replies_known,
        coalesce(sum(sign) filter (where like_count is not null), 0) as likes_known,
        coalesce(sum(sign) filter (where quote_count is not null), 0) as quotes_known,
        coalesce(sum(sign) filter (where view_count is not null), 0) as views_known,
        coalesce(sum(sign) filter (where bookmark_count is not null), 0) as bookmarks_known,
        coalesce(sum(sign) filter (where total_engagement is not null), 0) as engagement_known,
        coalesce(sum(sign) filter (where sentiment_score is not null), 0) as sentiment_known,
        max(twitter_created_at) filter (where sign = 1) as gained_last_at,
        max(twitter_created_at) filter (where sign = -1) as lost_last_at,
        max(tweet_id) filter (where sign = 1) as gained_last_id,
        max(tweet_id) filter (where sign = -1) as lost_last_id,
        max(case when total_engagement is not null then array[total_engagement, tweet_id] end)
        filter (where sign = 1) as gained_top,
        max(case when total_engagement is not null then array[total_engagement, tweet_id] end)
        filter (where sign = -1) as lost_top
    from differences
    group by zone_id, hour, author_profile_id
    -- In the order of the index that they are looked up by.
    order by author_profile_id, zone_id, hour
),

compared as (
    select
        sums.*,
        stored.ctid as place,
        stored.last_tweet_at as stored_last_at,
        stored.last_tweet_id as stored_last_id,
        case
            when stored.top_engagement is not null then array[stored.top_engagement, stored.top_tweet_id]
        end as stored_top,
        sums.tweet_count + stored.tweet_count > 0
        and (
            coalesce(
                sums.lost_last_at >= stored.last_tweet_at
                and (sums.gained_last_at is null or sums.gained_last_at < stored.last_tweet_at),
                false
            )
            or coalesce(
                sums.lost_last_id >= stored.last_tweet_id
                and (sums.gained_last_id is null or sums.gained_last_id < stored.last_tweet_id),
                false
            )
            or coalesce(
                sums.lost_top >= array[stored.top_engagement, stored.top_tweet_id]
                and (
                    sums.gained_top is null
                    or sums.gained_top < array[stored.top_engagement, stored.top_tweet_id]
                ),
                false
            )
        ) as is_largest_lost
    from sums
    left join lateral (
        select present.ctid, present.*
        from intermediate.int_zone_author_hourly as present
        where
            present.author_profile_id = sums.author_profile_id
            and present.zone_id = sums.zone_id
            and present.hour = sums.hour
        offset 0
    ) as stored on true
),

changed as (
    select
        compared.*,
        case
            when compared.is_largest_lost then coalesce(remaining.last_at, compared.stored_last_at)
            else greatest(compared.stored_last_at, compared.gained_last_at)
        end as last_at,
        case
            when compared.is_largest_lost then coalesce(remaining.last_id, compared.stored_last_id)
            else greatest(compared.stored_last_id, compared.gained_last_id)
        end as last_id,
        case
            when compared.is_largest_lost then remaining.top
            else greatest(compared.stored_top, compared.gained_top)
        end as top
    from compared
    left join lateral (
        select
            max(counted.twitter_created_at) as last_at,
            max(counted.tweet_id) as last_id,
            max(
                case when counted.total_engagement is not null
                    then array[counted.total_engagement, counted.tweet_id]
                end
            ) as top
        from intermediate.int_zone_counted_tweets as counted
        where
            compared.is_largest_lost
            and counted.author_profile_id = compared.author_profile_id
            and counted.tweet_id >= core.first_tweet_id_of(compared.hour)
            and counted.tweet_id < core.end_tweet_id_of(compared.hour + interval '1 hour')
            and counted.hour = compared.hour
            and counted.zone_id = compared.zone_id
    ) as remaining on true
),

marked_tops as (
    insert into ops.int_zone_top_tweets_hourly__marks (zone_id, hour)
    select distinct changed.zone_id, changed.hour
    from changed
),

marked_windows as (
    insert into ops.twitter_top_profiles_by_zone_window__marks (zone_id, profile_id)
    select distinct changed.zone_id, changed.author_profile_id
    from changed
),

marked_tags as (
    insert into ops.int_zone_tag_author_hourly__marks (zone_id, hour, author_profile_id)
    select distinct differences.zone_id, differences.hour, differences.author_profile_id
    from differences
    where differences.hashtags <> '{}'
),

-- What a tweet names does not change with its counters.
marked_entities as (
    insert into ops.int_zone_entity_author_hourly__marks (zone_id, hour, author_profile_id)
    select distinct named.zone_id, named.hour, named.author_profile_id
    from (
        select zone_id, hour, author_profile_id
        from differences
        where hashtags <> '{}' or mentions <> '{}' or link_hosts <> '{}'
        group by
            tweet_id, zone_id, hour, author_profile_id, twitter_created_at, hashtags, mentions, link_hosts
        having sum(sign) <> 0
    ) as named
)

merge into intermediate.int_zone_author_hourly as present
using changed on present.ctid = changed.place
when matched and present.tweet_count + changed.tweet_count <= 0
    then delete
when matched
    then update set
        tweet_count = present.tweet_count + changed.tweet_count,
        tweets_with_media = present.tweets_with_media + changed.tweets_with_media,
        tweets_with_links = present.tweets_with_links + changed.tweets_with_links,
        reply_tweets = present.reply_tweets + changed.reply_tweets,
        total_retweets = case
            when present.retweets_known_count + changed.retweets_known > 0
                then coalesce(present.total_retweets, 0) + changed.retweets
        end,
        total_replies = case
            when present.replies_known_count + changed.replies_known > 0
                then coalesce(present.total_replies, 0) + changed.replies
        end,
        total_likes = case
            when present.likes_known_count + changed.likes_known > 0
                then coalesce(present.total_likes, 0) + changed.likes
        end,
        total_quotes = case
            when present.quotes_known_count + changed.quotes_known > 0
                then coalesce(present.total_quotes, 0) + changed.quotes
        end,
        total_views = case
            when present.views_known_count + changed.views_known > 0
                then coalesce(present.total_views, 0) + changed.views
        end,
        total_bookmarks = case
            when present.bookmarks_known_count + changed.bookmarks_known > 0
                then coalesce(present.total_bookmarks, 0) + changed.bookmarks
        end,
        total_engagement = case
            when present.engagement_known_count + changed.engagement_known > 0
                then coalesce(present.total_engagement, 0) + changed.engagement
        end,
        retweets_known_count = present.retweets_known_count + changed.retweets_known,
        replies_known_count = present.replies_known_count + changed.replies_known,
        likes_known_count = present.likes_known_count + changed.likes_known,
        quotes_known_count = present.quotes_known_count + changed.quotes_known,
        views_known_count = present.views_known_count + changed.views_known,
        bookmarks_known_count = present.bookmarks_known_count + changed.bookmarks_known,
        engagement_known_count = present.engagement_known_count + changed.engagement_known,
        sentiment_sum = case
            when present.sentiment_count + changed.sentiment_known > 0
                then coalesce(present.sentiment_sum, 0) + changed.sentiment
        end,
        sentiment_count = present.sentiment_count + changed.sentiment_known,
        last_tweet_at = changed.last_at,
        last_tweet_id = changed.last_id,
        top_engagement = changed.top[1],
        top_tweet_id = changed.top[2]
when not matched and changed.tweet_count > 0
    then insert (
        zone_id, hour, author_profile_id, tweet_count, tweets_with_media, tweets_with_links, reply_tweets,
        total_retweets, total_replies, total_likes, total_quotes, total_views, total_bookmarks, total_engagement,
        retweets_known_count, replies_known_count, likes_known_count, quotes_known_count, views_known_count,
        bookmarks_known_count, engagement_known_count, sentiment_sum, sentiment_count, last_tweet_at, last_tweet_id,
        top_engagement, top_tweet_id
    )
    values (
        changed.zone_id, changed.hour, changed.author_profile_id, changed.tweet_count, changed.tweets_with_media,
        changed.tweets_with_links, changed.reply_tweets,
        case when changed.retweets_known > 0 then changed.retweets end,
        case when changed.replies_known > 0 then changed.replies end,
        case when changed.likes_known > 0 then changed.likes end,
        case when changed.quotes_known > 0 then changed.quotes end,
        case when changed.views_known > 0 then changed.views end,
        case when changed.bookmarks_known > 0 then changed.bookmarks end,
        case when changed.engagement_known > 0 then changed.engagement end,
        changed.retweets_known, changed.replies_known, changed.likes_known, changed.quotes_known,
        changed.views_known, changed.bookmarks_known, changed.engagement_known,
        case when changed.sentiment_known > 0 then changed.sentiment end,
        changed.sentiment_known, changed.last_at, changed.last_id, changed.top[1], changed.top[2]
    )
$sql$, differences);
    return null;
end
$$;


-- int_zone_author_hourly -> int_zone_hourly. An author comes or goes with his row.
create function ops.maintain_zone_hourly() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    old_part constant text := 'select -1 as sign, * from old_rows';
    new_part constant text := 'select 1 as sign, * from new_rows';
    differences constant text := case tg_op
        when 'INSERT' then new_part
        when 'DELETE' then old_part
        else old_part || ' union all ' || new_part
    end;
begin
    -- A statement's trigger is called even if it changed nothing.
    if tg_op = 'INSERT' then
        perform from new_rows limit 1;
    else
        perform from old_rows limit 1;
    end if;
    if not found then
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ledger.int_zone_hourly', 0));
    if not exists (select 1 from ops.mart_state as state where state.model = 'int_zone_hourly') then
        return null;
    end if;
    execute format($sql$
with sums as materialized (
    select
        zone_id,
        hour,
        sum(sign) as author_count,
        sum(sign * tweet_count) as tweet_count,
        sum(sign * tweets_with_media) as tweets_with_media,
        sum(sign * tweets_with_links) as tweets_with_links,
        sum(sign * reply_tweets) as reply_tweets,
        coalesce(sum(sign * total_retweets), 0) as known_retweets,
        coalesce(sum(sign * total_replies), 0) as known_replies,
        coalesce(sum(sign * total_likes), 0) as known_likes,
        coalesce(sum(sign * total_quotes), 0) as known_quotes,
        coalesce(sum(sign * total_views), 0) as known_views,
        coalesce(sum(sign * total_bookmarks), 0) as known_bookmarks,
        coalesce(sum(sign * total_engagement), 0) as known_engagement,
        sum(sign * retweets_known_count) as retweets_known_count,
        sum(sign * replies_known_count) as replies_known_count,
        sum(sign * likes_known_count) as likes_known_count,
        sum(sign * quotes_known_count) as quotes_known_count,
        sum(sign * views_known_count) as views_known_count,
        sum(sign * bookmarks_known_count) as bookmarks_known_count,
        sum(sign * engagement_known_count) as engagement_known_count,
        coalesce(sum(sign * sentiment_sum), 0) as sentiment_sum,
        sum(sign * sentiment_count) as sentiment_count
    from (%s) as differences
    group by zone_id, hour
),

marked as (
    insert into ops.twitter_zone_stats_hourly__marks (zone_id, hour)
    select sums.zone_id, sums.hour
    from sums
)

insert into intermediate.int_zone_hourly as present (
    zone_id, hour, author_count, tweet_count, tweets_with_media, tweets_with_links, reply_tweets, known_retweets,
    known_replies, known_likes, known_quotes, known_views, known_bookmarks, known_engagement, retweets_known_count,
    replies_known_count, likes_known_count, quotes_known_count, views_known_count, bookmarks_known_count,
    engagement_known_count, sentiment_sum, sentiment_count
)
select
    zone_id, hour, author_count, tweet_count, tweets_with_media, tweets_with_links, reply_tweets, known_retweets,
    known_replies, known_likes, known_quotes, known_views, known_bookmarks, known_engagement, retweets_known_count,
    replies_known_count, likes_known_count, quotes_known_count, views_known_count, bookmarks_known_count,
    engagement_known_count, sentiment_sum, sentiment_count
from sums
on conflict (zone_id, hour) do update set
    author_count = present.author_count + excluded.author_count,
    tweet_count = present.tweet_count + excluded.tweet_count,
    tweets_with_media = present.tweets_with_media + excluded.tweets_with_media,
    tweets_with_links = present.tweets_with_links + excluded.tweets_with_links,
    reply_tweets = present.reply_tweets + excluded.reply_tweets,
    known_retweets = present.known_retweets + excluded.known_retweets,
    known_replies = present.known_replies + excluded.known_replies,
    known_likes = present.known_likes + excluded.known_likes,
    known_quotes = present.known_quotes + excluded.known_quotes,
    known_views = present.known_views + excluded.known_views,
    known_bookmarks = present.known_bookmarks + excluded.known_bookmarks,
    known_engagement = present.known_engagement + excluded.known_engagement,
    retweets_known_count = present.retweets_known_count + excluded.retweets_known_count,
    replies_known_count = present.replies_known_count + excluded.replies_known_count,
    likes_known_count = present.likes_known_count + excluded.likes_known_count,
    quotes_known_count = present.quotes_known_count + excluded.quotes_known_count,
    views_known_count = present.views_known_count + excluded.views_known_count,
    bookmarks_known_count = present.bookmarks_known_count + excluded.bookmarks_known_count,
    engagement_known_count = present.engagement_known_count + excluded.engagement_known_count,
    sentiment_sum = present.sentiment_sum + excluded.sentiment_sum,
    sentiment_count = present.sentiment_count + excluded.sentiment_count
$sql$, differences);
    if tg_op = 'INSERT' then
        return null;
    end if;
    delete from intermediate.int_zone_hourly as present
    using old_rows
    where present.zone_id = old_rows.zone_id and present.hour = old_rows.hour and present.author_count <= 0;
    return null;
end
$$;


-- int_zone_counted_tweets -> int_zone_tag_author_window and int_zone_tag_window. Text of the statement that applies
-- differences, a query for rows of int_zone_counted_tweets with their sign, to the window from hour $1 to hour $2,
-- which they lie in or enter; it returns the zones and the tags whose latest use or best tweets are to be read again.
--
-- Counts and sums are added; an author comes or goes with his row. What is the latest or the best is compared with
-- what was, and read again only where that fell or went: an author's row from his tweets, a tag's from its authors'.
create function ops.tag_windows_statement(differences text) returns text
    language sql immutable
    as
$$
select format($sql$
with differences as materialized (
    select
        counted.sign,
        counted.zone_id,
        used.hashtag,
        counted.author_profile_id,
        used.spelling,
        counted.tweet_id,
        counted.twitter_created_at,
        counted.total_engagement,
        array[coalesce(counted.total_engagement, -1), counted.tweet_id] as ranking
    from (%s) as counted
    cross join lateral unnest(counted.hashtags, counted.original_hashtags) as used (hashtag, spelling)
),

-- The rows of authors.
author_sums as (
    select
        zone_id,
        hashtag,
        author_profile_id,
        sum(sign)::bigint as tweet_count,
        max(twitter_created_at) filter (where sign = 1) as gained_last,
        max(twitter_created_at) filter (where sign = -1) as lost_last,
        max(ranking) filter (where sign = 1) as gained_best,
        max(ranking) filter (where sign = -1) as lost_best
    from differences
    group by zone_id, hashtag, author_profile_id
    -- In the order of the index that they are looked up by.
    order by zone_id, hashtag, author_profile_id
),

authors as materialized (
    select
        author_sums.zone_id,
        author_sums.hashtag,
        author_sums.author_profile_id,
        stored.place,
        coalesce(stored.tweet_count, 0) + author_sums.tweet_count as tweet_count,
        greatest(stored.last_used_at, author_sums.gained_last) as last_used_at,
        greatest(stored.best, author_sums.gained_best) as best,
        coalesce(stored.tweet_count, 0) + author_sums.tweet_count > 0
        and (
            (
                coalesce(author_sums.lost_last >= stored.last_used_at, false)
                and coalesce(author_sums.gained_last < stored.last_used_at, true)
            )
            or (
                coalesce(author_sums.lost_best >= stored.best, false)
                and coalesce(author_sums.gained_best < stored.best, true)
            )
        ) as is_outdated
    from author_sums
    left join lateral (
        select
            present.ctid as place,
            present.tweet_count,
            present.last_used_at,
            array[coalesce(present.best_engagement, -1), present.best_tweet_id] as best
        from intermediate.int_zone_tag_author_window as present
        where
            present.zone_id = author_sums.zone_id
            and present.hashtag = author_sums.hashtag
            and present.author_profile_id = author_sums.author_profile_id
        offset 0
    ) as stored on true
),

-- All tweets of an author are read at once, and only then put to his rows: joined the other way round, they are gone
-- through for each of his tags.
read_uses as materialized (
    select outdated.author_profile_id, found.*
    from (select distinct authors.author_profile_id from authors where authors.is_outdated) as outdated
    cross join lateral (
        select
            counted.zone_id,
            counted.twitter_created_at,
            array[coalesce(counted.total_engagement, -1), counted.tweet_id] as ranking,
            unnest(counted.hashtags) as hashtag
        from intermediate.int_zone_counted_tweets as counted
        where
            counted.author_profile_id = outdated.author_profile_id
            and counted.tweet_id >= core.first_tweet_id_of($1)
            and counted.tweet_id < core.end_tweet_id_of($2 + interval '1 hour')
            and counted.hour >= $1
            and counted.hour <= $2
        offset 0
    ) as found
),

read_authors as (
    select
        authors.zone_id,
        authors.hashtag,
        authors.author_profile_id,
        max(read_uses.twitter_created_at) as last_used_at,
        max(read_uses.ranking) as best
    from authors
    inner join read_uses
        on
            authors.zone_id = read_uses.zone_id
            and authors.hashtag = read_uses.hashtag
            and authors.author_profile_id = read_uses.author_profile_id
    where authors.is_outdated
    group by authors.zone_id, authors.hashtag, authors.author_profile_id
),

new_authors as materialized (
    select
        authors.zone_id,
        authors.hashtag,
        authors.author_profile_id,
        authors.place,
        authors.tweet_count,
        coalesce(read_authors.last_used_at, authors.last_used_at) as last_used_at,
        coalesce(read_authors.best, authors.best) as best
    from authors
    left join read_authors
        on
            authors.zone_id = read_authors.zone_id
            and authors.hashtag = read_authors.hashtag
            and authors.author_profile_id = read_authors.author_profile_id
),

come_authors as (
    insert into intermediate.int_zone_tag_author_window (
        zone_id, hashtag, author_profile_id, tweet_count, last_used_at, best_engagement, best_tweet_id
    )
    select zone_id, hashtag, author_profile_id, tweet_count, last_used_at, nullif(best[1], -1), best[2]
    from new_authors
    where place is null and tweet_count > 0 and best is not null
),

changed_authors as (
    update intermediate.int_zone_tag_author_window as present
    set
        tweet_count = new_authors.tweet_count,
        last_used_at = new_authors.last_used_at,
        best_engagement = nullif(new_authors.best[1], -1),
        best_tweet_id = new_authors.best[2]
    from new_authors
    where
        present.ctid = new_authors.place
        and new_authors.tweet_count > 0
        and (present.tweet_count, present.last_used_at, coalesce(present.best_engagement, -1), present.best_tweet_id)
        is distinct from
        (new_authors.tweet_count, new_authors.last_used_at, new_authors.best[1], new_authors.best[2])
),

gone_authors as (
    delete from intermediate.int_zone_tag_author_window as present
    using new_authors
    where present.ctid = new_authors.place and new_authors.tweet_count <= 0
),

author_counts as (
    select
        zone_id,
        hashtag,
        sum((tweet_count > 0)::integer - (place is not null)::integer)::bigint as author_count
    from new_authors
    group by zone_id, hashtag
),

-- The rows of tags.
tag_sums as (
    select
        zone_id,
        hashtag,
        sum(sign)::bigint as tweet_count,
        coalesce(sum(sign * total_engagement), 0)::bigint as known_engagement,
        coalesce(sum(sign) filter (where total_engagement is not null), 0)::bigint as engagement_known_count,
        max(twitter_created_at) filter (where sign = 1) as gained_last,
        max(twitter_created_at) filter (where sign = -1) as lost_last,
        min(spelling) as spelling,
        min(spelling) = max(spelling) as is_one_spelling,
        array_agg(spelling) as moved_spellings,
        array_agg(sign) as moved_signs,
        (array_agg(ranking order by ranking desc) filter (where sign = 1))[1:3] as gained,
        array_agg(tweet_id) filter (where sign = -1) as lost_ids
    from differences
    group by zone_id, hashtag
),

tags as (
    select
        tag_sums.*,
        stored.place,
        coalesce(stored.tweet_count, 0) + tag_sums.tweet_count as new_tweet_count,
        coalesce(stored.author_count, 0) + author_counts.author_count as new_author_count,
        coalesce(stored.known_engagement, 0) + tag_sums.known_engagement as new_known_engagement,
        coalesce(stored.engagement_known_count, 0) + tag_sums.engagement_known_count as new_engagement_known_count,
        greatest(stored.last_used_at, tag_sums.gained_last) as new_last,
        coalesce(tag_sums.lost_last >= stored.last_used_at, false)
        and coalesce(tag_sums.gained_last < stored.last_used_at, true) as is_last_lost,
        stored.spellings,
        stored.spelling_counts,
        stored.top_tweet_ids,
        stored.top_tweet_engagements,
        -- Of a row that is there already, whether it goes on with the one spelling it has; and with its three best.
        tag_sums.is_one_spelling and coalesce(stored.spellings = array[tag_sums.spelling], true) as is_simply_spelled,
        coalesce(cardinality(stored.top_tweet_ids) = 3, false)
        and coalesce(not stored.top_tweet_ids && tag_sums.lost_ids, true)
        and coalesce(
            tag_sums.gained[1][1] < coalesce(stored.top_tweet_engagements[3], -1)
            or tag_sums.gained[1][1] = coalesce(stored.top_tweet_engagements[3], -1)
            and tag_sums.gained[1][2] < stored.top_tweet_ids[3],
            true
        ) as is_top_kept
    from tag_sums
    inner join author_counts using (zone_id, hashtag)
    left join lateral (
        select present.ctid as place, present.*
        from intermediate.int_zone_tag_window as present
        where present.zone_id = tag_sums.zone_id and present.hashtag = tag_sums.hashtag
        offset 0
    ) as stored on true
),

new_tags as materialized (
    select
        tags.*,
        case
            when tags.is_simply_spelled then array[tags.spelling]
            else voted.spellings
        end as new_spellings,
        case
            when tags.is_simply_spelled then array[tags.new_tweet_count]
            else voted.spelling_counts
        end as new_spelling_counts,
        case when tags.is_top_kept then tags.top_tweet_ids else best.ids end as new_top_ids,
        case when tags.is_top_kept then tags.top_tweet_engagements else best.engagements end as new_top_engagements,
        -- One of the three best fell or went, and not all tweets are at hand.
        tags.is_last_lost
        or (
            coalesce(tags.top_tweet_ids && tags.lost_ids, false)
            and tags.new_tweet_count > coalesce(best.candidate_count, 0)
            and exists (
                select 1
                from unnest(tags.top_tweet_ids, tags.top_tweet_engagements) as shown (tweet_id, engagement)
                where
                    shown.tweet_id = any(tags.lost_ids)
                    and not exists (
                        select 1
                        from generate_subscripts(tags.gained, 1) as place
                        where
                            tags.gained[place][2] = shown.tweet_id
                            and tags.gained[place][1] >= coalesce(shown.engagement, -1)
                    )
            )
        ) as is_outdated
    from tags
    left join lateral (
        select
            array_agg(votes.spelling order by votes.vote_count desc, votes.spelling collate "C") as spellings,
            array_agg(votes.vote_count order by votes.vote_count desc, votes.spelling collate "C") as spelling_counts
        from (
            select vote.spelling, sum(vote.vote_count)::bigint as vote_count
            from (
                select stored.spelling, stored.vote_count
                from unnest(tags.spellings, tags.spelling_counts) as stored (spelling, vote_count)
                union all
                select moved.spelling, moved.vote_count
                from unnest(tags.moved_spellings, tags.moved_signs) as moved (spelling, vote_count)
            ) as vote
            where not tags.is_simply_spelled
            group by vote.spelling
            having sum(vote.vote_count) <> 0
        ) as votes
    ) as voted on true
    left join lateral (
        select
            (array_agg(entry.tweet_id order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3] as ids,
            (array_agg(entry.engagement order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3]
                as engagements,
            count(*) as candidate_count
        from (
            select shown.tweet_id, shown.engagement
            from unnest(tags.top_tweet_ids, tags.top_tweet_engagements) as shown (tweet_id, engagement)
            where
                not tags.is_top_kept
                and coalesce(shown.tweet_id <> all(tags.lost_ids), true)
            union all
            select tags.gained[place][2], nullif(tags.gained[place][1], -1)
            from generate_subscripts(tags.gained, 1) as place
            where not tags.is_top_kept
        ) as entry
    ) as best on true
),

come_tags as (
    insert into intermediate.int_zone_tag_window (
        zone_id, hashtag, tweet_count, author_count, known_engagement, engagement_known_count, last_used_at,
        spellings, spelling_counts, top_tweet_ids, top_tweet_engagements
    )
    select
        zone_id, hashtag, new_tweet_count, new_author_count, new_known_engagement, new_engagement_known_count,
        new_last, new_spellings, new_spelling_counts, new_top_ids, new_top_engagements
    from new_tags
    where place is null and new_tweet_count > 0 and new_spellings is not null and new_top_ids is not null
),

changed_tags as (
    update intermediate.int_zone_tag_window as present
    set
        tweet_count = new_tags.new_tweet_count,
        author_count = new_tags.new_author_count,
        known_engagement = new_tags.new_known_engagement,
        engagement_known_count = new_tags.new_engagement_known_count,
        last_used_at = new_tags.new_last,
        spellings = coalesce(new_tags.new_spellings, present.spellings),
        spelling_counts = coalesce(new_tags.new_spelling_counts, present.spelling_counts),
        top_tweet_ids = coalesce(new_tags.new_top_ids, present.top_tweet_ids),
        top_tweet_engagements = coalesce(new_tags.new_top_engagements, present.top_tweet_engagements)
    from new_tags
    where present.ctid = new_tags.place and new_tags.new_tweet_count > 0
),

gone_tags as (
    delete from intermediate.int_zone_tag_window as present
    using new_tags
    where present.ctid = new_tags.place and new_tags.new_tweet_count <= 0
),

marked as (
    insert into ops.twitter_trending_hashtags__marks (zone_id, hashtag)
    select zone_id, hashtag
    from new_tags
)

select array_agg(zone_id), array_agg(hashtag)
from new_tags
where is_outdated and new_tweet_count > 0
$sql$, differences)
$$;

-- None of a tag's three best tweets is by somebody else than the authors of the three best ones.
create function ops.read_tags_again(zones uuid[], tags text[], first_hour timestamptz, open_hour timestamptz)
    returns void
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
begin
    if tags is null then
        return;
    end if;
    with outdated as materialized (
        select found.zone_id, found.hashtag
        from unnest(zones, tags) as found (zone_id, hashtag)
    ),

    best_authors as materialized (
        select outdated.zone_id, outdated.hashtag, found.author_profile_id, found.last_used_at
        from outdated
        cross join lateral (
            select present.author_profile_id, max(present.last_used_at) over () as last_used_at
            from intermediate.int_zone_tag_author_window as present
            where present.zone_id = outdated.zone_id and present.hashtag = outdated.hashtag
            order by present.best_engagement desc nulls last, present.best_tweet_id desc
            limit 3
        ) as found
    ),

    -- As above: the tweets of an author at once, then the tags.
    read_uses as materialized (
        select authors.author_profile_id, found.*
        from (select distinct best_authors.author_profile_id from best_authors) as authors
        cross join lateral (
            select
                counted.zone_id,
                counted.tweet_id,
                counted.total_engagement,
                unnest(counted.hashtags) as hashtag
            from intermediate.int_zone_counted_tweets as counted
            where
                counted.author_profile_id = authors.author_profile_id
                and counted.tweet_id >= core.first_tweet_id_of(first_hour)
                and counted.tweet_id < core.end_tweet_id_of(open_hour + interval '1 hour')
                and counted.hour >= first_hour
                and counted.hour <= open_hour
            offset 0
        ) as found
    ),

    best as (
        select
            best_authors.zone_id,
            best_authors.hashtag,
            max(best_authors.last_used_at) as last_used_at,
            (
                array_agg(
                    read_uses.tweet_id
                    order by read_uses.total_engagement desc nulls last, read_uses.tweet_id desc
                )
            )[1:3] as ids,
            (
                array_agg(
                    read_uses.total_engagement
                    order by read_uses.total_engagement desc nulls last, read_uses.tweet_id desc
                )
            )[1:3] as engagements
        from best_authors
        inner join read_uses
            on
                best_authors.author_profile_id = read_uses.author_profile_id
                and best_authors.zone_id = read_uses.zone_id
                and best_authors.hashtag = read_uses.hashtag
        group by best_authors.zone_id, best_authors.hashtag
    )

    update intermediate.int_zone_tag_window as present
    set last_used_at = best.last_used_at, top_tweet_ids = best.ids, top_tweet_engagements = best.engagements
    from best
    where present.zone_id = best.zone_id and present.hashtag = best.hashtag;
end
$$;

create function ops.maintain_zone_tag_windows() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    open_hour timestamptz;
    outdated_zones uuid[];
    outdated_tags text[];
begin
    -- A statement's trigger is called even if it changed nothing.
    if tg_op = 'INSERT' then
        perform from new_rows limit 1;
    else
        perform from old_rows limit 1;
    end if;
    if not found then
        return null;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ledger.int_zone_tag_author_window', 0));
    perform pg_advisory_xact_lock(hashtextextended('ledger.int_zone_tag_window', 0));
    select date_trunc('hour', state.as_of, 'UTC') into open_hour
    from ops.mart_state as state
    where state.model = 'int_zone_tag_author_window';
    if open_hour is null or to_regclass('intermediate.int_zone_tag_window') is null then
        return null;
    end if;
    -- Behind coalesce, so that the planner expects half of the rows and not one in two hundred: it would join in loops.
    execute ops.tag_windows_statement(format(
        'select changed.* from (%s) as changed where coalesce(changed.hour between $1 and $2, false)',
        ops.counted_differences(tg_op, array[
            'hour', 'author_profile_id', 'twitter_created_at', 'total_engagement', 'hashtags', 'original_hashtags'
        ])
    )) into outdated_zones, outdated_tags using open_hour - interval '23 hours', open_hour;
    perform ops.read_tags_again(outdated_zones, outdated_tags, open_hour - interval '23 hours', open_hour);
    return null;
end
$$;

-- The window goes on, or back: tweets of the hours that it leaves are taken out, those of the hours it reaches come in.
-- Called by the builder of int_zone_tag_author_window, which holds its lock.
create function ops.move_zone_tag_windows(from_hour timestamptz, to_hour timestamptz) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    part constant text := $sql$
        select %1$s as sign, counted.*
        from intermediate.int_zone_counted_tweets as counted
        where
            counted.tweet_id >= core.first_tweet_id_of(%2$L)
            and counted.tweet_id < core.end_tweet_id_of(%3$L)
            and counted.hour >= %2$L
            and counted.hour < %3$L
    $sql$;
    length constant interval := interval '24 hours';
    from_start constant timestamptz := from_hour - interval '23 hours';
    to_start constant timestamptz := to_hour - interval '23 hours';
    -- Where the windows overlap, only their edges move.
    left_end constant timestamptz := case
        when to_start > from_start then least(to_start, from_start + length) else from_start + length
    end;
    left_start constant timestamptz := case
        when to_start > from_start then from_start else greatest(from_start, to_start + length)
    end;
    reached_end constant timestamptz := case
        when to_start > from_start then to_start + length else least(from_start, to_start + length)
    end;
    reached_start constant timestamptz := case
        when to_start > from_start then greatest(to_start, from_start + length) else to_start
    end;
    outdated_zones uuid[];
    outdated_tags text[];
begin
    if from_hour = to_hour or to_regclass('intermediate.int_zone_tag_window') is null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ledger.int_zone_tag_window', 0));
    execute ops.tag_windows_statement(
        format(part, '-1', left_start, left_end) || ' union all ' || format(part, '1', reached_start, reached_end)
    ) into outdated_zones, outdated_tags using to_start, to_hour;
    perform ops.read_tags_again(outdated_zones, outdated_tags, to_start, to_hour);
end
$$;


drop function ops.move_zone_tag_window(timestamptz, timestamptz);
drop function ops.tag_window_statement(text);
-- Its triggers go with it.
drop function ops.maintain_zone_tag_window() cascade;


-- A database that has these tables already: columns that they gain, and triggers that other ones replace. Sums that are
-- there stay as they are until everything was counted once; then each is summed anew (macros/ledger.sql).
alter table if exists intermediate.int_zone_tag_author_hourly
    drop column if exists top_tweet_ids,
    drop column if exists top_tweet_engagements;
alter table if exists intermediate.int_zone_author_hourly
    add column if not exists replies_known_count bigint not null default 0,
    add column if not exists quotes_known_count bigint not null default 0,
    add column if not exists views_known_count bigint not null default 0,
    add column if not exists bookmarks_known_count bigint not null default 0;
do
$$
begin
    if to_regclass('intermediate.int_zone_tag_window') is not null then
        alter table intermediate.int_zone_tag_window rename column known_row_count to engagement_known_count;
    end if;
end
$$;
delete from ops.mart_state as state where state.model in ('int_zone_author_hourly', 'int_zone_tag_window');
