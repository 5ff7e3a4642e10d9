-- Partials that keep windows and all-time totals exact at a flat cost.
-- A partial is a table whose rows are sums of many rows of a finer table. It is a model of the ledger like any other,
-- with a queue for what has to be summed anew. Besides, triggers on the finer table carry every change over as the
-- exact difference (new - old), in the transaction of the change, whoever makes it. Sums of integers do not drift.
-- The triggers are made with the finer table (macros/ledger.sql); before the partial's first build they do nothing.

create table ops.int_zone_author_totals__marks (
    zone_id uuid not null,
    author_profile_id bigint not null,
    marked_at timestamptz not null default now()
);

create table ops.int_zone_author_totals__claims (
    zone_id uuid not null,
    author_profile_id bigint not null,
    constraint int_zone_author_totals__claims_pkey primary key (zone_id, author_profile_id)
);

create table ops.int_zone_tag_window__marks (
    zone_id uuid not null,
    hashtag text not null,
    marked_at timestamptz not null default now()
);

create table ops.int_zone_tag_window__claims (
    zone_id uuid not null,
    hashtag text not null,
    constraint int_zone_tag_window__claims_pkey primary key (zone_id, hashtag)
);

-- Tags whose row in the mart leaves out tweets of the open hour that lie after as_of; another as_of changes them.
create table ops.twitter_trending_hashtags__cut (
    zone_id uuid not null,
    hashtag text not null,
    constraint twitter_trending_hashtags__cut_pkey primary key (zone_id, hashtag)
);

comment on table ops.int_zone_author_totals__marks is
    'Buckets of int_zone_author_totals to be summed anew; ordinary changes arrive as differences';
comment on table ops.int_zone_author_totals__claims is
    'Buckets that the latest build of int_zone_author_totals rebuilt';
comment on table ops.int_zone_tag_window__marks is
    'Buckets of int_zone_tag_window to be summed anew; ordinary changes arrive as differences';
comment on table ops.int_zone_tag_window__claims is
    'Buckets that the latest build of int_zone_tag_window rebuilt';
comment on table ops.twitter_trending_hashtags__cut is
    'Tags whose row in the mart leaves out tweets that lie after its as_of';

grant select, insert, update, delete on
    ops.int_zone_author_totals__marks, ops.int_zone_author_totals__claims,
    ops.int_zone_tag_window__marks, ops.int_zone_tag_window__claims, ops.twitter_trending_hashtags__cut
to pipeline;
do
$$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on ops.int_zone_author_totals__claims, ops.int_zone_tag_window__claims to pipeline';
    end if;
end
$$;


-- int_zone_author_hourly -> int_zone_author_totals.
-- The lock is the one that the partial's own builder takes: its sums and our differences never cross. It is taken after
-- the lock of the finer table's builder, and the partial's builder takes no other: no two builders wait for each other.
create function ops.maintain_zone_author_totals() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    old_part constant text := 'select zone_id, author_profile_id, -1 as sign, tweet_count, total_engagement,'
        ' engagement_known_count from old_rows';
    new_part constant text := 'select zone_id, author_profile_id, 1 as sign, tweet_count, total_engagement,'
        ' engagement_known_count from new_rows';
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
    perform pg_advisory_xact_lock(hashtextextended('ledger.int_zone_author_totals', 0));
    if not exists (select 1 from ops.mart_state as state where state.model = 'int_zone_author_totals') then
        return null;
    end if;
    execute 'with differences as materialized (' || case tg_op
        when 'INSERT' then new_part
        when 'DELETE' then old_part
        else old_part || ' union all ' || new_part
    end || $sql$),

        marked as (
            insert into ops.twitter_top_profiles_by_zone__marks (zone_id, profile_id)
            select distinct zone_id, author_profile_id
            from differences
        )

        insert into intermediate.int_zone_author_totals as present (
            zone_id, author_profile_id, tweet_count, known_engagement, engagement_known_count
        )
        select
            zone_id,
            author_profile_id,
            sum(sign * tweet_count),
            sum(sign * coalesce(total_engagement, 0)),
            sum(sign * engagement_known_count)
        from differences
        group by zone_id, author_profile_id
        on conflict (zone_id, author_profile_id) do update set
            tweet_count = present.tweet_count + excluded.tweet_count,
            known_engagement = present.known_engagement + excluded.known_engagement,
            engagement_known_count = present.engagement_known_count + excluded.engagement_known_count
    $sql$;
    if tg_op = 'INSERT' then
        return null;
    end if;
    delete from intermediate.int_zone_author_totals as present
    using old_rows
    where
        present.zone_id = old_rows.zone_id
        and present.author_profile_id = old_rows.author_profile_id
        and present.tweet_count <= 0;
    return null;
end
$$;


-- int_zone_tag_author_hourly -> int_zone_tag_window. Text of the statement that applies differences, a query for rows
-- of int_zone_tag_author_hourly with their sign, to the window from hour $1 to hour $2.
--
-- Counts and sums are added. An author appears or disappears when the first of his rows in the window comes or the last
-- one goes. What is the largest or the latest is compared with what was; only where that fell or went is it looked up.
create function ops.tag_window_statement(differences text) returns text
    language sql immutable
    as
$$
select format($sql$
with differences as materialized (%s),

authors as (
    select
        moved.zone_id,
        moved.hashtag,
        sum((found.row_count > 0)::integer - (found.row_count > moved.net)::integer) as author_count
    from (
        select zone_id, hashtag, author_profile_id, sum(sign) as net
        from differences
        group by zone_id, hashtag, author_profile_id
        having sum(sign) <> 0
    ) as moved
    cross join lateral (
        select count(*) as row_count
        from intermediate.int_zone_tag_author_hourly as hours
        where
            hours.zone_id = moved.zone_id
            and hours.hashtag = moved.hashtag
            and hours.author_profile_id = moved.author_profile_id
            and hours.hour >= $1
            and hours.hour <= $2
        offset 0
    ) as found
    group by moved.zone_id, moved.hashtag
),

samples as (
    select
        differences.zone_id,
        differences.hashtag,
        array_agg(entry.tweet_id) filter (where differences.sign = -1) as lost_ids,
        array_agg(entry.tweet_id) filter (where differences.sign = 1) as gained_ids,
        array_agg(entry.engagement) filter (where differences.sign = 1) as gained_engagements,
        max(coalesce(entry.engagement, -1)) filter (where differences.sign = 1) as best_gained
    from differences
    cross join lateral unnest(differences.top_tweet_ids, differences.top_tweet_engagements)
        as entry (tweet_id, engagement)
    group by differences.zone_id, differences.hashtag
),

sums as (
    select
        zone_id,
        hashtag,
        sum(sign * tweet_count) as tweet_count,
        sum(sign * coalesce(total_engagement, 0)) as known_engagement,
        sum(sign * (total_engagement is not null)::integer) as known_row_count,
        max(last_used_at) filter (where sign = 1) as gained_last,
        max(last_used_at) filter (where sign = -1) as lost_last,
        array_agg(original_hashtag) as moved_spellings,
        array_agg(sign * tweet_count) as moved_counts,
        sum(sign * tweet_count) <> 0 or min(original_hashtag) <> max(original_hashtag) as is_vote_moved
    from differences
    group by zone_id, hashtag
),

compared as (
    select
        present.place,
        sums.zone_id,
        sums.hashtag,
        coalesce(present.tweet_count, 0) + sums.tweet_count as tweet_count,
        coalesce(present.author_count, 0) + coalesce(authors.author_count, 0) as author_count,
        coalesce(present.known_engagement, 0) + sums.known_engagement as known_engagement,
        coalesce(present.known_row_count, 0) + sums.known_row_count as known_row_count,
        present.spellings,
        present.spelling_counts,
        sums.moved_spellings,
        sums.moved_counts,
        sums.is_vote_moved,
        present.last_used_at,
        sums.gained_last,
        sums.lost_last = present.last_used_at
        and (sums.gained_last is null or sums.gained_last < present.last_used_at) as is_last_lost,
        present.top_tweet_ids,
        present.top_tweet_engagements,
        samples.gained_ids,
        samples.gained_engagements,
        coalesce(samples.lost_ids, '{}') as lost_ids,
        present.top_tweet_ids is null
        or coalesce(present.top_tweet_ids && samples.lost_ids, false)
        or cardinality(present.top_tweet_ids) < 3
        or samples.best_gained >= coalesce(present.top_tweet_engagements[3], -1) as is_sample_touched,
        coalesce(present.top_tweet_ids && samples.lost_ids, false)
        and exists (
            select 1
            from unnest(present.top_tweet_ids, present.top_tweet_engagements) as shown (tweet_id, engagement)
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
        select stored.ctid as place, stored.*
        from intermediate.int_zone_tag_window as stored
        where stored.zone_id = sums.zone_id and stored.hashtag = sums.hashtag
        offset 0
    ) as present on true
    left join authors on sums.zone_id = authors.zone_id and sums.hashtag = authors.hashtag
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
        compared.known_row_count,
        case
            when compared.is_last_lost and compared.tweet_count > 0
                then (
                    select max(hours.last_used_at)
                    from intermediate.int_zone_tag_author_hourly as hours
                    where
                        hours.zone_id = compared.zone_id
                        and hours.hashtag = compared.hashtag
                        and hours.hour = (
                            select max(latest.hour)
                            from intermediate.int_zone_tag_author_hourly as latest
                            where
                                latest.zone_id = compared.zone_id
                                and latest.hashtag = compared.hashtag
                                and latest.hour >= $1
                                and latest.hour <= $2
                        )
                )
            else greatest(compared.last_used_at, compared.gained_last)
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
            where compared.is_vote_moved
            group by vote.spelling
            having sum(vote.vote_count) <> 0
        ) as votes
    ) as voted on true
    left join lateral (
        select
            (array_agg(entry.tweet_id order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3] as ids,
            (array_agg(entry.engagement order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3]
                as engagements
        from (
            select shown.tweet_id, shown.engagement
            from unnest(compared.top_tweet_ids, compared.top_tweet_engagements) as shown (tweet_id, engagement)
            where
                compared.is_sample_touched
                and not compared.is_sample_lost
                and not shown.tweet_id = any(compared.lost_ids || compared.gained_ids)
            union all
            select gained.tweet_id, gained.engagement
            from unnest(compared.gained_ids, compared.gained_engagements) as gained (tweet_id, engagement)
            where compared.is_sample_touched and not compared.is_sample_lost
            union all
            select kept.tweet_id, kept.engagement
            from intermediate.int_zone_tag_author_hourly as hours
            cross join lateral unnest(hours.top_tweet_ids, hours.top_tweet_engagements) as kept (tweet_id, engagement)
            where
                compared.is_sample_lost
                and hours.zone_id = compared.zone_id
                and hours.hashtag = compared.hashtag
                and hours.hour >= $1
                and hours.hour <= $2
        ) as entry
    ) as sampled on true
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
        known_row_count = changed.known_row_count,
        last_used_at = changed.last_used_at,
        spellings = changed.spellings,
        spelling_counts = changed.spelling_counts,
        top_tweet_ids = changed.top_tweet_ids,
        top_tweet_engagements = changed.top_tweet_engagements
when not matched and changed.tweet_count > 0 and changed.spellings is not null and changed.top_tweet_ids is not null
    then insert (
        zone_id, hashtag, tweet_count, author_count, known_engagement, known_row_count, last_used_at,
        spellings, spelling_counts, top_tweet_ids, top_tweet_engagements
    )
    values (
        changed.zone_id, changed.hashtag, changed.tweet_count, changed.author_count, changed.known_engagement,
        changed.known_row_count, changed.last_used_at, changed.spellings, changed.spelling_counts,
        changed.top_tweet_ids, changed.top_tweet_engagements
    )
$sql$, differences)
$$;

create function ops.maintain_zone_tag_window() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    open_hour timestamptz;
    -- Behind coalesce, so that the planner expects half of the rows and not one in two hundred: it would join in loops.
    old_part constant text := 'select -1 as sign, * from old_rows where coalesce(hour between $1 and $2, false)';
    new_part constant text := 'select 1 as sign, * from new_rows where coalesce(hour between $1 and $2, false)';
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
    select date_trunc('hour', state.as_of, 'UTC') into open_hour
    from ops.mart_state as state
    where state.model = 'int_zone_tag_window';
    if open_hour is null then
        return null;
    end if;
    execute ops.tag_window_statement(
        case tg_op
            when 'INSERT' then new_part
            when 'DELETE' then old_part
            else old_part || ' union all ' || new_part
        end
    ) using open_hour - interval '23 hours', open_hour;
    return null;
end
$$;

-- The window goes on, or back: rows of the hours that it leaves are taken out, rows of those that it reaches come in.
-- Called by the builder of int_zone_tag_window, which holds its lock.
create function ops.move_zone_tag_window(from_hour timestamptz, to_hour timestamptz) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
begin
    if from_hour = to_hour then
        return;
    end if;
    execute ops.tag_window_statement(format(
        $sql$
            select -1 as sign, *
            from intermediate.int_zone_tag_author_hourly
            where hour between %1$L::timestamptz - interval '23 hours' and %1$L and not hour between $1 and $2
            union all
            select 1 as sign, *
            from intermediate.int_zone_tag_author_hourly
            where hour between $1 and $2 and not hour between %1$L::timestamptz - interval '23 hours' and %1$L
        $sql$,
        from_hour
    )) using to_hour - interval '23 hours', to_hour;
end
$$;
