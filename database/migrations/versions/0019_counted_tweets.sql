-- Counting each tweet once. intermediate.int_zone_counted_tweets holds, for each tweet and zone, what was counted of the
-- tweet. A mark on the ledger is now a tweet's id: the build reads that tweet again, and triggers carry the difference,
-- new - old, to the hours of its author and to the tags of the last 24 h, which are partials as those of 0008 are.
-- Before, a mark was an author's hour, and all its tweets were read again, twice, when one like was added to one of them.

create table ops.int_zone_counted_tweets__marks (
    tweet_id bigint not null,
    marked_at timestamptz not null default now()
);

create table ops.int_zone_counted_tweets__claims (
    tweet_id bigint not null,
    constraint int_zone_counted_tweets__claims_pkey primary key (tweet_id)
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
comment on table ops.int_zone_tag_author_window__marks is
    'Buckets of int_zone_tag_author_window to be summed anew; ordinary changes arrive as differences';
comment on table ops.int_zone_tag_author_window__claims is
    'Buckets that the latest build of int_zone_tag_author_window rebuilt';

grant select, insert, update, delete on
    ops.int_zone_counted_tweets__marks, ops.int_zone_counted_tweets__claims,
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


-- Retention. What was counted of a sealed month goes with its tweets, and comes back with them; the sums above stay as
-- they are either way (T31).

create function ops.is_sealed_tweet(of_tweet_id bigint) returns boolean
    language sql stable parallel safe
    return exists (
        select from ops.sealed_ranges as sealed
        where of_tweet_id >= sealed.lower_id and of_tweet_id < sealed.upper_id
    );
comment on function ops.is_sealed_tweet(bigint) is 'Whether retention has taken a tweet''s month';
grant execute on function ops.is_sealed_tweet(bigint) to pipeline, api_reader;

create function ops.forget_counted_tweets() returns void
    language plpgsql
    as
$$
begin
    if to_regclass('intermediate.int_zone_counted_tweets') is null then
        return;
    end if;
    delete from intermediate.int_zone_counted_tweets as counted
    using ops.sealed_ranges as sealed
    where counted.tweet_id >= sealed.lower_id and counted.tweet_id < sealed.upper_id;
end
$$;
comment on function ops.forget_counted_tweets() is 'Delete what was counted of the tweets of sealed months';

create function ops.remember_counted_tweets(lower_id bigint, upper_id bigint) returns void
    language plpgsql
    as
$$
begin
    if to_regclass('intermediate.int_zone_counted_tweets') is null then
        return;
    end if;
    insert into intermediate.int_zone_counted_tweets (
        zone_id, tweet_id, author_profile_id, twitter_created_at, hour, has_media, has_links, is_reply,
        sentiment_score, retweet_count, reply_count, like_count, quote_count, view_count, bookmark_count,
        total_engagement, hashtags, original_hashtags, mentions, link_hosts
    )
    select
        tweets.zone_id, tweets.tweet_id, tweets.author_profile_id, tweets.twitter_created_at, tweets.hour,
        tweets.has_media, tweets.has_links, tweets.is_reply, tweets.sentiment_score, tweets.retweet_count,
        tweets.reply_count, tweets.like_count, tweets.quote_count, tweets.view_count, tweets.bookmark_count,
        tweets.total_engagement, tweets.hashtags, tweets.original_hashtags, tweets.mentions, tweets.link_hosts
    from intermediate.int_zone_tweets as tweets
    where tweets.tweet_id >= lower_id and tweets.tweet_id < upper_id
    on conflict (tweet_id, zone_id) do nothing;
end
$$;
comment on function ops.remember_counted_tweets(bigint, bigint) is
    'Before a restored month is unsealed: note what was counted of its tweets';


-- Text of a query for the differences that a statement on int_zone_counted_tweets made: its rows with their sign; of an
-- update those where one of some columns changed.
create function ops.counted_differences(event text, compared text[]) returns text
    language plpgsql stable
    as
$$
declare
    unsealed constant text := case
        when exists (select from ops.sealed_ranges) then ' and not ops.is_sealed_tweet(counted.tweet_id)'
        else ''
    end;
    same constant text := (
        select string_agg(format('other.%1$I is not distinct from counted.%1$I', name), ' and ')
        from unnest(compared || '{tweet_id,zone_id}') as compared_column (name)
    );
    part constant text := 'select %s as sign, counted.* from %s as counted where '
        || case
            when event = 'UPDATE' then 'not exists (select from %s as other where other.tweet_id = counted.tweet_id and '
                || replace(same, '%', '%%') || ')'
            else 'true'
        end
        || unsealed;
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

marked_hours as (
    insert into ops.twitter_zone_stats_hourly__marks (zone_id, hour)
    select distinct changed.zone_id, changed.hour
    from changed
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
$sql$, ops.counted_differences(tg_op, array[
        'hour', 'author_profile_id', 'twitter_created_at', 'has_media', 'has_links', 'is_reply', 'sentiment_score',
        'retweet_count', 'reply_count', 'like_count', 'quote_count', 'view_count', 'bookmark_count',
        'total_engagement', 'hashtags', 'original_hashtags', 'mentions', 'link_hosts'
    ]));
    return null;
end
$$;


-- int_zone_counted_tweets -> int_zone_tag_author_window. Text of the statement that applies differences, a query for
-- rows of int_zone_counted_tweets with their sign, to the window from hour $1 to hour $2, which they lie in or enter.
-- An author's row for a tag keeps the three best of his tweets with it; where one of them falls or goes, and there are
-- more tweets than those that are kept, the author's tweets of the window are read again.
create function ops.tag_author_window_statement(differences text) returns text
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
        counted.total_engagement
    from (%s) as counted
    cross join lateral unnest(counted.hashtags, counted.original_hashtags) as used (hashtag, spelling)
),

sums as (
    select
        zone_id,
        hashtag,
        author_profile_id,
        sum(sign)::bigint as tweet_count,
        sum(sign * coalesce(total_engagement, 0))::bigint as known_engagement,
        sum(sign * (total_engagement is not null)::integer)::bigint as engagement_known_count,
        max(twitter_created_at) filter (where sign = 1) as gained_last,
        max(twitter_created_at) filter (where sign = -1) as lost_last,
        min(spelling) as spelling,
        min(spelling) = max(spelling) as is_one_spelling,
        array_agg(spelling) as moved_spellings,
        array_agg(sign) as moved_counts,
        array_agg(tweet_id) filter (where sign = -1) as lost_ids,
        array_agg(tweet_id order by total_engagement desc nulls last, tweet_id desc)
        filter (where sign = 1) as gained_ids,
        array_agg(total_engagement order by total_engagement desc nulls last, tweet_id desc)
        filter (where sign = 1) as gained_engagements
    from differences
    group by zone_id, hashtag, author_profile_id
),

compared as (
    select
        stored.ctid as place,
        sums.zone_id,
        sums.hashtag,
        sums.author_profile_id,
        coalesce(stored.tweet_count, 0) + sums.tweet_count as tweet_count,
        coalesce(stored.known_engagement, 0) + sums.known_engagement as known_engagement,
        coalesce(stored.engagement_known_count, 0) + sums.engagement_known_count as engagement_known_count,
        stored.spellings,
        stored.spelling_counts,
        sums.spelling,
        sums.is_one_spelling,
        sums.tweet_count as moved_count,
        sums.moved_spellings,
        sums.moved_counts,
        greatest(stored.last_used_at, sums.gained_last) as last_used_at,
        coalesce(
            sums.lost_last >= stored.last_used_at
            and (sums.gained_last is null or sums.gained_last < stored.last_used_at),
            false
        ) as is_last_lost,
        stored.top_tweet_ids,
        stored.top_tweet_engagements,
        sums.gained_ids,
        sums.gained_engagements,
        coalesce(sums.lost_ids, '{}') as lost_ids,
        stored.tweet_count is not null
        and (
            cardinality(stored.top_tweet_ids) < 3
            or coalesce(stored.top_tweet_ids && sums.lost_ids, false)
            or coalesce(
                coalesce(sums.gained_engagements[1], -1) >= coalesce(stored.top_tweet_engagements[3], -1)
                and sums.gained_ids is not null,
                false
            )
        ) as is_sample_touched
    from sums
    left join lateral (
        select present.ctid, present.*
        from intermediate.int_zone_tag_author_window as present
        where
            present.zone_id = sums.zone_id
            and present.hashtag = sums.hashtag
            and present.author_profile_id = sums.author_profile_id
        offset 0
    ) as stored on true
),

-- A new row, with one spelling, is all there. What was stored is put together with what came and went.
merged as (
    select
        compared.*,
        case
            when compared.is_one_spelling and compared.place is null then array[compared.spelling]
            when
                compared.is_one_spelling
                and cardinality(compared.spellings) = 1
                and compared.spellings[1] = compared.spelling
                then compared.spellings
            else voted.spellings
        end as new_spellings,
        case
            when compared.is_one_spelling and compared.place is null then array[compared.moved_count]
            when
                compared.is_one_spelling
                and cardinality(compared.spellings) = 1
                and compared.spellings[1] = compared.spelling
                then array[compared.tweet_count]
            else voted.spelling_counts
        end as new_spelling_counts,
        case when compared.place is null then compared.gained_ids[1:3] else sampled.ids end as sample_ids,
        case
            when compared.place is null then compared.gained_engagements[1:3]
            else sampled.engagements
        end as sample_engagements,
        compared.tweet_count > 0
        and compared.place is not null
        and (
            compared.is_last_lost
            or (
                compared.top_tweet_ids && compared.lost_ids
                and compared.tweet_count > coalesce(cardinality(sampled.kept_ids), 0)
                and exists (
                    select 1
                    from unnest(compared.top_tweet_ids, compared.top_tweet_engagements) as shown (tweet_id, engagement)
                    where
                        shown.tweet_id = any(compared.lost_ids)
                        and not exists (
                            select 1
                            from unnest(compared.gained_ids, compared.gained_engagements)
                                as gained (tweet_id, engagement)
                            where
                                gained.tweet_id = shown.tweet_id
                                and coalesce(gained.engagement, -1) >= coalesce(shown.engagement, -1)
                        )
                )
            )
        ) as is_to_be_read
    from compared
    left join lateral (
        select
            array_agg(votes.spelling order by votes.vote_count desc, votes.spelling collate "C") as spellings,
            array_agg(votes.vote_count order by votes.vote_count desc, votes.spelling collate "C") as spelling_counts
        from (
            select vote.spelling, sum(vote.vote_count)::bigint as vote_count
            from (
                select stored.spelling, stored.vote_count
                from unnest(compared.spellings, compared.spelling_counts) as stored (spelling, vote_count)
                union all
                select moved.spelling, moved.vote_count
                from unnest(compared.moved_spellings, compared.moved_counts) as moved (spelling, vote_count)
            ) as vote
            group by vote.spelling
            having sum(vote.vote_count) <> 0
        ) as votes
    ) as voted on not compared.is_one_spelling or compared.spellings <> array[compared.spelling]
    left join lateral (
        select
            (array_agg(entry.tweet_id order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3] as ids,
            (array_agg(entry.engagement order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3]
                as engagements,
            array_agg(entry.tweet_id) as kept_ids
        from (
            select shown.tweet_id, shown.engagement
            from unnest(compared.top_tweet_ids, compared.top_tweet_engagements) as shown (tweet_id, engagement)
            where shown.tweet_id <> all(compared.lost_ids || coalesce(compared.gained_ids, '{}'))
            union all
            select gained.tweet_id, gained.engagement
            from unnest(compared.gained_ids, compared.gained_engagements) as gained (tweet_id, engagement)
        ) as entry
    ) as sampled on compared.is_sample_touched
),

-- All rows to be read of one author are read at once.
read_again as (
    select
        merged.zone_id,
        merged.hashtag,
        merged.author_profile_id,
        max(uses.twitter_created_at) as last_used_at,
        (array_agg(uses.tweet_id order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1:3] as ids,
        (array_agg(uses.total_engagement order by uses.total_engagement desc nulls last, uses.tweet_id desc))[1:3]
            as engagements
    from (select distinct author_profile_id from merged where is_to_be_read) as authors
    cross join lateral (
        select
            counted.zone_id,
            counted.tweet_id,
            counted.twitter_created_at,
            counted.total_engagement,
            unnest(counted.hashtags) as hashtag
        from intermediate.int_zone_counted_tweets as counted
        where
            counted.author_profile_id = authors.author_profile_id
            and counted.tweet_id >= core.first_tweet_id_of($1)
            and counted.tweet_id < core.end_tweet_id_of($2 + interval '1 hour')
            and counted.hour >= $1
            and counted.hour <= $2
        offset 0
    ) as uses
    inner join merged
        on
            merged.is_to_be_read
            and uses.zone_id = merged.zone_id
            and uses.hashtag = merged.hashtag
            and authors.author_profile_id = merged.author_profile_id
    group by merged.zone_id, merged.hashtag, merged.author_profile_id
),

changed as (
    select
        merged.place,
        merged.zone_id,
        merged.hashtag,
        merged.author_profile_id,
        merged.tweet_count,
        merged.known_engagement,
        merged.engagement_known_count,
        coalesce(read_again.last_used_at, merged.last_used_at) as last_used_at,
        coalesce(merged.new_spellings, merged.spellings) as spellings,
        coalesce(merged.new_spelling_counts, merged.spelling_counts) as spelling_counts,
        coalesce(read_again.ids, merged.sample_ids, merged.top_tweet_ids) as top_tweet_ids,
        coalesce(read_again.engagements, merged.sample_engagements, merged.top_tweet_engagements)
            as top_tweet_engagements
    from merged
    left join read_again
        on
            merged.zone_id = read_again.zone_id
            and merged.hashtag = read_again.hashtag
            and merged.author_profile_id = read_again.author_profile_id
)

merge into intermediate.int_zone_tag_author_window as present
using changed on present.ctid = changed.place
when matched and changed.tweet_count <= 0
    then delete
when matched
    then update set
        tweet_count = changed.tweet_count,
        known_engagement = changed.known_engagement,
        engagement_known_count = changed.engagement_known_count,
        last_used_at = changed.last_used_at,
        spellings = changed.spellings,
        spelling_counts = changed.spelling_counts,
        top_tweet_ids = changed.top_tweet_ids,
        top_tweet_engagements = changed.top_tweet_engagements
when not matched and changed.tweet_count > 0 and changed.spellings is not null and changed.top_tweet_ids is not null
    then insert (
        zone_id, hashtag, author_profile_id, tweet_count, known_engagement, engagement_known_count, last_used_at,
        spellings, spelling_counts, top_tweet_ids, top_tweet_engagements
    )
    values (
        changed.zone_id, changed.hashtag, changed.author_profile_id, changed.tweet_count, changed.known_engagement,
        changed.engagement_known_count, changed.last_used_at, changed.spellings, changed.spelling_counts,
        changed.top_tweet_ids, changed.top_tweet_engagements
    )
$sql$, differences)
$$;

create function ops.maintain_zone_tag_author_window() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    open_hour timestamptz;
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
    select date_trunc('hour', state.as_of, 'UTC') into open_hour
    from ops.mart_state as state
    where state.model = 'int_zone_tag_author_window';
    if open_hour is null then
        return null;
    end if;
    -- Behind coalesce, so that the planner expects half of the rows and not one in two hundred: it would join in loops.
    execute ops.tag_author_window_statement(format(
        'select changed.* from (%s) as changed where coalesce(changed.hour between $1 and $2, false)',
        ops.counted_differences(tg_op, array[
            'hour', 'author_profile_id', 'twitter_created_at', 'total_engagement', 'hashtags', 'original_hashtags'
        ])
    )) using open_hour - interval '23 hours', open_hour;
    return null;
end
$$;

-- The window goes on, or back: tweets of the hours that it leaves are taken out, those of the hours it reaches come in.
-- Called by the builder of int_zone_tag_author_window, which holds its lock.
create function ops.move_zone_tag_author_window(from_hour timestamptz, to_hour timestamptz) returns void
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
begin
    if from_hour = to_hour then
        return;
    end if;
    if to_start >= from_start + length or from_start >= to_start + length then
        execute ops.tag_author_window_statement(
            format(part, '-1', from_start, from_start + length)
            || ' union all ' || format(part, '1', to_start, to_start + length)
        ) using to_start, to_hour;
    else
        execute ops.tag_author_window_statement(
            format(
                part, case when to_hour > from_hour then '-1' else '1' end,
                least(from_start, to_start), greatest(from_start, to_start)
            )
            || ' union all '
            || format(
                part, case when to_hour > from_hour then '1' else '-1' end,
                least(from_start, to_start) + length, greatest(from_start, to_start) + length
            )
        ) using to_start, to_hour;
    end if;
end
$$;


-- int_zone_tag_author_window -> int_zone_tag_window. Its rows come and go with authors; of what is the latest or among the
-- three best, it is looked up in the tag's rows where that fell or went.
create or replace function ops.maintain_zone_tag_window() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    old_part constant text := 'select -1 as sign, * from old_rows';
    new_part constant text := 'select 1 as sign, * from new_rows';
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
    perform pg_advisory_xact_lock(hashtextextended('ledger.int_zone_tag_window', 0));
    if not exists (select 1 from ops.mart_state as state where state.model = 'int_zone_tag_window') then
        return null;
    end if;
    execute format($sql$
with differences as materialized (%s),

sums as (
    select
        zone_id,
        hashtag,
        sum(sign * tweet_count)::bigint as tweet_count,
        sum(sign)::bigint as author_count,
        sum(sign * known_engagement)::bigint as known_engagement,
        sum(sign * engagement_known_count)::bigint as engagement_known_count,
        max(last_used_at) filter (where sign = 1) as gained_last,
        max(last_used_at) filter (where sign = -1) as lost_last
    from differences
    group by zone_id, hashtag
),

votes as (
    select
        moved.zone_id,
        moved.hashtag,
        array_agg(moved.spelling) as spellings,
        array_agg(moved.vote_count) as vote_counts
    from (
        select differences.zone_id, differences.hashtag, vote.spelling, sum(sign * vote.vote_count)::bigint as vote_count
        from differences
        cross join lateral unnest(differences.spellings, differences.spelling_counts) as vote (spelling, vote_count)
        group by differences.zone_id, differences.hashtag, vote.spelling
        having sum(sign * vote.vote_count) <> 0
    ) as moved
    group by moved.zone_id, moved.hashtag
),

-- Of a tweet that both lost and gained a place, what it has now counts.
samples as (
    select
        differences.zone_id,
        differences.hashtag,
        array_agg(entry.tweet_id) filter (where differences.sign = -1) as lost_ids,
        array_agg(entry.tweet_id order by entry.engagement desc nulls last, entry.tweet_id desc)
        filter (where differences.sign = 1) as gained_ids,
        array_agg(entry.engagement order by entry.engagement desc nulls last, entry.tweet_id desc)
        filter (where differences.sign = 1) as gained_engagements
    from differences
    cross join lateral unnest(differences.top_tweet_ids, differences.top_tweet_engagements)
        as entry (tweet_id, engagement)
    group by differences.zone_id, differences.hashtag
),

compared as (
    select
        stored.ctid as place,
        sums.zone_id,
        sums.hashtag,
        coalesce(stored.tweet_count, 0) + sums.tweet_count as tweet_count,
        coalesce(stored.author_count, 0) + sums.author_count as author_count,
        coalesce(stored.known_engagement, 0) + sums.known_engagement as known_engagement,
        coalesce(stored.engagement_known_count, 0) + sums.engagement_known_count as engagement_known_count,
        stored.spellings,
        stored.spelling_counts,
        votes.spellings as moved_spellings,
        votes.vote_counts as moved_counts,
        greatest(stored.last_used_at, sums.gained_last) as last_used_at,
        coalesce(
            sums.lost_last >= stored.last_used_at
            and (sums.gained_last is null or sums.gained_last < stored.last_used_at),
            false
        ) as is_last_lost,
        stored.top_tweet_ids,
        stored.top_tweet_engagements,
        samples.gained_ids[1:3] as gained_ids,
        samples.gained_engagements[1:3] as gained_engagements,
        coalesce(samples.lost_ids, '{}') as lost_ids,
        stored.tweet_count is null
        or cardinality(stored.top_tweet_ids) < 3
        or coalesce(stored.top_tweet_ids && samples.lost_ids, false)
        or coalesce(
            coalesce(samples.gained_engagements[1], -1) >= coalesce(stored.top_tweet_engagements[3], -1)
            and samples.gained_ids is not null,
            false
        ) as is_sample_touched,
        coalesce(stored.top_tweet_ids && samples.lost_ids, false)
        and exists (
            select 1
            from unnest(stored.top_tweet_ids, stored.top_tweet_engagements) as shown (tweet_id, engagement)
            where
                shown.tweet_id = any(samples.lost_ids)
                and not exists (
                    select 1
                    from unnest(samples.gained_ids, samples.gained_engagements) as gained (tweet_id, engagement)
                    where
                        gained.tweet_id = shown.tweet_id
                        and coalesce(gained.engagement, -1) >= coalesce(shown.engagement, -1)
                )
        ) as is_sample_lost
    from sums
    left join lateral (
        select present.ctid, present.*
        from intermediate.int_zone_tag_window as present
        where present.zone_id = sums.zone_id and present.hashtag = sums.hashtag
        offset 0
    ) as stored on true
    left join votes on sums.zone_id = votes.zone_id and sums.hashtag = votes.hashtag
    left join samples on sums.zone_id = samples.zone_id and sums.hashtag = samples.hashtag
),

changed as (
    select
        compared.place,
        compared.zone_id,
        compared.hashtag,
        compared.tweet_count,
        compared.author_count,
        compared.known_engagement,
        compared.engagement_known_count,
        case
            when compared.is_last_lost and compared.tweet_count > 0
                then coalesce(
                    (
                        select max(authors.last_used_at)
                        from intermediate.int_zone_tag_author_window as authors
                        where authors.zone_id = compared.zone_id and authors.hashtag = compared.hashtag
                    ),
                    compared.last_used_at
                )
            else compared.last_used_at
        end as last_used_at,
        coalesce(voted.spellings, compared.spellings) as spellings,
        coalesce(voted.spelling_counts, compared.spelling_counts) as spelling_counts,
        coalesce(sampled.ids, compared.top_tweet_ids) as top_tweet_ids,
        coalesce(sampled.engagements, compared.top_tweet_engagements) as top_tweet_engagements
    from compared
    left join lateral (
        select
            array_agg(votes.spelling order by votes.vote_count desc, votes.spelling collate "C") as spellings,
            array_agg(votes.vote_count order by votes.vote_count desc, votes.spelling collate "C") as spelling_counts
        from (
            select vote.spelling, sum(vote.vote_count)::bigint as vote_count
            from (
                select stored.spelling, stored.vote_count
                from unnest(compared.spellings, compared.spelling_counts) as stored (spelling, vote_count)
                union all
                select moved.spelling, moved.vote_count
                from unnest(compared.moved_spellings, compared.moved_counts) as moved (spelling, vote_count)
            ) as vote
            group by vote.spelling
            having sum(vote.vote_count) <> 0
        ) as votes
    ) as voted on compared.moved_spellings is not null
    left join lateral (
        select
            (array_agg(entry.tweet_id order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3] as ids,
            (array_agg(entry.engagement order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3]
                as engagements
        from (
            select shown.tweet_id, shown.engagement
            from unnest(compared.top_tweet_ids, compared.top_tweet_engagements) as shown (tweet_id, engagement)
            where
                not compared.is_sample_lost
                and shown.tweet_id <> all(compared.lost_ids || coalesce(compared.gained_ids, '{}'))
            union all
            select gained.tweet_id, gained.engagement
            from unnest(compared.gained_ids, compared.gained_engagements) as gained (tweet_id, engagement)
            where not compared.is_sample_lost
            union all
            select kept.tweet_id, kept.engagement
            from intermediate.int_zone_tag_author_window as authors
            cross join lateral unnest(authors.top_tweet_ids, authors.top_tweet_engagements)
                as kept (tweet_id, engagement)
            where
                compared.is_sample_lost
                and authors.zone_id = compared.zone_id
                and authors.hashtag = compared.hashtag
        ) as entry
    ) as sampled on compared.is_sample_touched
),

marked as (
    insert into ops.twitter_trending_hashtags__marks (zone_id, hashtag)
    select changed.zone_id, changed.hashtag
    from changed
)

merge into intermediate.int_zone_tag_window as present
using changed on present.ctid = changed.place
when matched and changed.tweet_count <= 0
    then delete
when matched
    then update set
        tweet_count = changed.tweet_count,
        author_count = changed.author_count,
        known_engagement = changed.known_engagement,
        engagement_known_count = changed.engagement_known_count,
        last_used_at = changed.last_used_at,
        spellings = changed.spellings,
        spelling_counts = changed.spelling_counts,
        top_tweet_ids = changed.top_tweet_ids,
        top_tweet_engagements = changed.top_tweet_engagements
when not matched and changed.tweet_count > 0 and changed.spellings is not null and changed.top_tweet_ids is not null
    then insert (
        zone_id, hashtag, tweet_count, author_count, known_engagement, engagement_known_count, last_used_at,
        spellings, spelling_counts, top_tweet_ids, top_tweet_engagements
    )
    values (
        changed.zone_id, changed.hashtag, changed.tweet_count, changed.author_count, changed.known_engagement,
        changed.engagement_known_count, changed.last_used_at, changed.spellings, changed.spelling_counts,
        changed.top_tweet_ids, changed.top_tweet_engagements
    )
$sql$, case tg_op
        when 'INSERT' then new_part
        when 'DELETE' then old_part
        else old_part || ' union all ' || new_part
    end);
    return null;
end
$$;

drop function ops.move_zone_tag_window(timestamptz, timestamptz);
drop function ops.tag_window_statement(text);


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
        drop trigger if exists int_zone_tag_window_insert on intermediate.int_zone_tag_author_hourly;
        drop trigger if exists int_zone_tag_window_update on intermediate.int_zone_tag_author_hourly;
        drop trigger if exists int_zone_tag_window_delete on intermediate.int_zone_tag_author_hourly;
    end if;
end
$$;
delete from ops.mart_state as state where state.model in ('int_zone_author_hourly', 'int_zone_tag_window');
