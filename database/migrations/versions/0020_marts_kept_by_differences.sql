-- Marts that are kept by differences themselves. The totals of an author and the tags of 24 h were partials (0008,
-- 0019), and a build copied each row that changed to twitter_top_profiles_by_zone and twitter_trending_hashtags. Now
-- triggers write these two: a third less to do after every batch, and no second table to keep right. The window of the
-- tags ends at as_of, not with its hour: every build moves it, and no row has to leave out what is later.

-- A database that has these marts already gets the new columns filled from what they were copied from. Whatever waited
-- for a copy is still marked, and the new definition of the models has every bucket summed anew.
alter table if exists marts.twitter_top_profiles_by_zone
    add column if not exists engagement_known_count bigint not null default 0;
alter table if exists marts.twitter_trending_hashtags
    add column if not exists engagement_known_count_24h bigint not null default 0,
    add column if not exists spellings text[] not null default '{}',
    add column if not exists spelling_counts bigint[] not null default '{}',
    add column if not exists sample_engagements bigint[] not null default '{}';
do
$$
begin
    if
        to_regclass('intermediate.int_zone_author_totals') is not null
        and to_regclass('marts.twitter_top_profiles_by_zone') is not null
    then
        update marts.twitter_top_profiles_by_zone as mart
        set engagement_known_count = totals.engagement_known_count
        from intermediate.int_zone_author_totals as totals
        where mart.zone_id = totals.zone_id and mart.profile_id = totals.author_profile_id;
    end if;
    if
        to_regclass('intermediate.int_zone_tag_window') is not null
        and to_regclass('marts.twitter_trending_hashtags') is not null
    then
        update marts.twitter_trending_hashtags as mart
        set
            engagement_known_count_24h = windows.engagement_known_count,
            spellings = windows.spellings,
            spelling_counts = windows.spelling_counts,
            sample_engagements = windows.top_tweet_engagements
        from intermediate.int_zone_tag_window as windows
        where mart.zone_id = windows.zone_id and mart.hashtag = windows.hashtag;
    end if;
end
$$;

-- mart_status counts what waits in these queues until dbt defines it anew; people's views may stand on it.
do
$$
declare
    search_path constant text := current_setting('search_path');
    definition text;
    queue text;
begin
    if to_regclass('marts.mart_status') is null then
        return;
    end if;
    -- Every name with its schema, whatever search_path the database has.
    perform set_config('search_path', 'pg_catalog', true);
    definition := pg_get_viewdef('marts.mart_status'::regclass);
    perform set_config('search_path', search_path, true);
    foreach queue in array array['int_zone_author_totals', 'int_zone_tag_window'] loop
        definition := replace(
            definition,
            format('FROM ops.%s__marks marks', queue),
            'FROM (SELECT NULL::timestamptz AS marked_at WHERE false) marks'
        );
    end loop;
    execute 'create or replace view marts.mart_status as ' || definition;
end
$$;

drop table if exists intermediate.int_zone_author_totals, intermediate.int_zone_tag_window;
drop table
    ops.int_zone_author_totals__marks, ops.int_zone_author_totals__claims,
    ops.int_zone_tag_window__marks, ops.int_zone_tag_window__claims,
    ops.twitter_trending_hashtags__cut;
delete from ops.mart_state as state where state.model in ('int_zone_author_totals', 'int_zone_tag_window');
delete from ops.model_definitions as definitions
where definitions.model in ('int_zone_author_totals', 'int_zone_tag_window');
-- Without the authors' rows of the window (before 0019) the tags wait for them.
delete from ops.mart_state as state
where
    state.model = 'twitter_trending_hashtags'
    and not exists (select 1 from ops.mart_state as authors where authors.model = 'int_zone_tag_author_window');
-- Its triggers go with it.
drop function ops.maintain_zone_author_totals() cascade;

-- What triggers changed is no claim of a build; the next verification recounts it.
create table ops.twitter_top_profiles_by_zone__touched (
    zone_id uuid not null,
    profile_id bigint not null
);

create table ops.twitter_trending_hashtags__touched (
    zone_id uuid not null,
    hashtag text not null
);

comment on table ops.twitter_top_profiles_by_zone__touched is
    'Buckets of twitter_top_profiles_by_zone that triggers changed since it was last verified';
comment on table ops.twitter_trending_hashtags__touched is
    'Buckets of twitter_trending_hashtags that triggers changed since it was last verified';
grant select, insert, delete on
    ops.twitter_top_profiles_by_zone__touched, ops.twitter_trending_hashtags__touched
to pipeline;

comment on column ops.mart_state.as_of is
    'The moment that the rows are for; fixed when a build claims, or when another moves the window that the rows share';
comment on column ops.mart_state.built_at is
    'When the rows were last built or changed by a trigger: the version of what was read from them';
comment on table ops.twitter_top_profiles_by_zone__marks is
    'Buckets of twitter_top_profiles_by_zone to be summed anew; ordinary changes arrive as differences';
comment on table ops.twitter_trending_hashtags__marks is
    'Buckets of twitter_trending_hashtags to be summed anew; ordinary changes arrive as differences';


-- A profile that was erased leaves rows of sealed months, without its names.
create function ops.on_delete_of_profiles() returns trigger
    language plpgsql as
$$
begin
    if ops.marks_are_explicit() then
        return null;
    end if;
    insert into ops.twitter_top_profiles_by_zone__profile_marks (profile_id)
    select old_rows.twitter_user_id
    from old_rows;
    return null;
end
$$;

create trigger twitter_profiles_mark_delete after delete on core.twitter_profiles
    referencing old table as old_rows for each statement execute function ops.on_delete_of_profiles();


-- int_zone_author_hourly -> twitter_top_profiles_by_zone. Counts and sums are added. The latest tweet is compared with
-- what was, and looked up where it went. What the profile says of itself is written with a new row; a renamed profile
-- has its rows built anew (T22).
create function ops.maintain_top_profiles() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    part constant text := 'select %s as sign, zone_id, author_profile_id as profile_id, tweet_count, total_engagement,'
        ' engagement_known_count, last_tweet_at from %s';
    old_part constant text := format(part, '-1', 'old_rows');
    new_part constant text := format(part, '1', 'new_rows');
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
    perform pg_advisory_xact_lock(hashtextextended('ledger.twitter_top_profiles_by_zone', 0));
    -- The moment of the change is the version of the rows for whoever caches them.
    update ops.mart_state as state
    set built_at = clock_timestamp()
    where
        state.model = 'twitter_top_profiles_by_zone'
        and to_regclass('marts.twitter_top_profiles_by_zone') is not null;
    if not found then
        return null;
    end if;
    execute format($sql$
with sums as (
    select
        zone_id,
        profile_id,
        sum(sign * tweet_count)::bigint as tweet_count,
        coalesce(sum(sign * total_engagement), 0)::bigint as known_engagement,
        sum(sign * engagement_known_count)::bigint as engagement_known_count,
        max(last_tweet_at) filter (where sign = 1) as gained_last_at,
        max(last_tweet_at) filter (where sign = -1) as lost_last_at
    from (%s) as differences
    group by zone_id, profile_id
    -- In the order of the index that they are looked up by.
    order by profile_id, zone_id
),

compared as (
    select
        sums.zone_id,
        sums.profile_id,
        stored.place,
        coalesce(stored.tweet_count, 0) + sums.tweet_count as tweet_count,
        coalesce(stored.total_engagement, 0) + sums.known_engagement as known_engagement,
        coalesce(stored.engagement_known_count, 0) + sums.engagement_known_count as engagement_known_count,
        greatest(stored.last_tweet_at, sums.gained_last_at) as last_tweet_at,
        coalesce(sums.lost_last_at >= stored.last_tweet_at, false)
        and coalesce(sums.gained_last_at < stored.last_tweet_at, true) as is_last_lost
    from sums
    left join lateral (
        select
            present.ctid as place,
            present.tweet_count,
            present.total_engagement,
            present.engagement_known_count,
            present.last_tweet_at
        from marts.twitter_top_profiles_by_zone as present
        where present.profile_id = sums.profile_id and present.zone_id = sums.zone_id
        offset 0
    ) as stored on true
),

changed as (
    select
        compared.zone_id,
        compared.profile_id,
        compared.place,
        compared.tweet_count,
        compared.engagement_known_count,
        case when compared.engagement_known_count > 0 then compared.known_engagement end as total_engagement,
        round(compared.known_engagement::numeric / nullif(greatest(compared.engagement_known_count, 0), 0), 18)
            as avg_engagement,
        coalesce(latest.last_tweet_at, compared.last_tweet_at) as last_tweet_at
    from compared
    left join lateral (
        select hours.last_tweet_at
        from intermediate.int_zone_author_hourly as hours
        where
            compared.is_last_lost
            and hours.author_profile_id = compared.profile_id
            and hours.zone_id = compared.zone_id
        order by hours.hour desc
        limit 1
    ) as latest on true
),

touched as (
    insert into ops.twitter_top_profiles_by_zone__touched (zone_id, profile_id)
    select changed.zone_id, changed.profile_id
    from changed
)

merge into marts.twitter_top_profiles_by_zone as present
using (
    select changed.*, profiles.*
    from changed
    left join lateral (
        select
            found.username,
            found.name,
            found.profile_picture_url,
            found.is_verified,
            found.is_blue_verified,
            found.followers_count
        from core.twitter_profiles as found
        where changed.place is null and found.twitter_user_id = changed.profile_id
        offset 0
    ) as profiles on true
) as changed
on present.ctid = changed.place
when matched and changed.tweet_count <= 0
    then delete
when matched
    and (present.tweet_count, present.total_engagement, present.engagement_known_count, present.last_tweet_at)
    is distinct from
    (changed.tweet_count, changed.total_engagement, changed.engagement_known_count, changed.last_tweet_at)
    then update set
        tweet_count = changed.tweet_count,
        total_engagement = changed.total_engagement,
        engagement_known_count = changed.engagement_known_count,
        avg_engagement = changed.avg_engagement,
        last_tweet_at = changed.last_tweet_at
when not matched and changed.tweet_count > 0 and changed.last_tweet_at is not null
    then insert (
        zone_id, profile_id, twitter_user_id, username, name, profile_picture_url, is_verified, is_blue_verified,
        followers_count, tweet_count, total_engagement, engagement_known_count, avg_engagement, last_tweet_at
    )
    values (
        changed.zone_id, changed.profile_id, changed.profile_id::text, changed.username, changed.name,
        changed.profile_picture_url, changed.is_verified, changed.is_blue_verified, changed.followers_count,
        changed.tweet_count, changed.total_engagement, changed.engagement_known_count, changed.avg_engagement,
        changed.last_tweet_at
    )
$sql$, differences);
    return null;
end
$$;


-- Their windows were named by hours.
drop function ops.read_tags_again(uuid[], text[], timestamptz, timestamptz);
drop function ops.move_zone_tag_windows(timestamptz, timestamptz);

-- int_zone_counted_tweets -> int_zone_tag_author_window and twitter_trending_hashtags. Text of the statement that
-- applies differences, a query for rows of int_zone_counted_tweets with their sign, to the window from hour $1 to as_of
-- $2, which they lie in, enter or leave; it returns the zones and the tags whose latest use or best tweets are to be
-- read again.
--
-- Counts and sums are added; an author comes or goes with his row. What is the latest or the best is compared with
-- what was, and read again only where that fell or went: an author's row from his tweets, a tag's from its authors'.
create or replace function ops.tag_windows_statement(differences text) returns text
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
            and counted.tweet_id < core.end_tweet_id_of($2 + interval '1 millisecond')
            and counted.hour >= $1
            and counted.twitter_created_at <= $2
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
    -- Before its first build the mart is left as it is: that build sums every tag.
    where exists (select 1 from ops.mart_state as state where state.model = 'twitter_trending_hashtags')
    group by zone_id, hashtag
),

tags as (
    select
        tag_sums.*,
        stored.place,
        coalesce(stored.tweet_count_24h, 0) + tag_sums.tweet_count as new_tweet_count,
        coalesce(stored.unique_authors_24h, 0) + author_counts.author_count as new_author_count,
        coalesce(stored.total_engagement_24h, 0) + tag_sums.known_engagement as new_known_engagement,
        coalesce(stored.engagement_known_count_24h, 0) + tag_sums.engagement_known_count
            as new_engagement_known_count,
        greatest(stored.last_used_at, tag_sums.gained_last) as new_last,
        coalesce(tag_sums.lost_last >= stored.last_used_at, false)
        and coalesce(tag_sums.gained_last < stored.last_used_at, true) as is_last_lost,
        stored.spellings,
        stored.spelling_counts,
        stored.sample_ids,
        stored.sample_engagements,
        -- Of a row that is there already, whether it goes on with the one spelling it has; and with its three best.
        tag_sums.is_one_spelling and coalesce(stored.spellings = array[tag_sums.spelling], true) as is_simply_spelled,
        coalesce(cardinality(stored.sample_ids) = 3, false)
        and coalesce(not stored.sample_ids && tag_sums.lost_ids, true)
        and coalesce(
            tag_sums.gained[1][1] < coalesce(stored.sample_engagements[3], -1)
            or tag_sums.gained[1][1] = coalesce(stored.sample_engagements[3], -1)
            and tag_sums.gained[1][2] < stored.sample_ids[3],
            true
        ) as is_top_kept
    from tag_sums
    inner join author_counts using (zone_id, hashtag)
    left join lateral (
        select
            present.ctid as place,
            present.tweet_count_24h,
            present.unique_authors_24h,
            present.total_engagement_24h,
            present.engagement_known_count_24h,
            present.last_used_at,
            present.spellings,
            present.spelling_counts,
            -- What a hand has left there must not stop the counting.
            case
                when present.sample_tweets::text ~ '^[{](([0-8][0-9]{18}|[0-9]{1,18})[,}])+$'
                    then present.sample_tweets::bigint[]
            end as sample_ids,
            present.sample_engagements
        from marts.twitter_trending_hashtags as present
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
        case when tags.is_top_kept then tags.sample_ids else best.ids end as new_sample_ids,
        case when tags.is_top_kept then tags.sample_engagements else best.engagements end as new_sample_engagements,
        -- One of the three best fell or went, and not all tweets are at hand.
        tags.is_last_lost
        or (
            coalesce(tags.sample_ids && tags.lost_ids, false)
            and tags.new_tweet_count > coalesce(best.candidate_count, 0)
            and exists (
                select 1
                from unnest(tags.sample_ids, tags.sample_engagements) as shown (tweet_id, engagement)
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
    -- Both are gated: where the condition is false, nothing below it is executed.
    left join lateral (
        select counted_votes.spellings, counted_votes.spelling_counts
        from (
            select
                array_agg(votes.spelling order by votes.vote_count desc, votes.spelling collate "C") as spellings,
                array_agg(votes.vote_count order by votes.vote_count desc, votes.spelling collate "C")
                    as spelling_counts
            from (
                select vote.spelling, sum(vote.vote_count)::bigint as vote_count
                from (
                    select stored.spelling, stored.vote_count
                    from unnest(tags.spellings, tags.spelling_counts) as stored (spelling, vote_count)
                    union all
                    select moved.spelling, moved.vote_count
                    from unnest(tags.moved_spellings, tags.moved_signs) as moved (spelling, vote_count)
                ) as vote
                group by vote.spelling
                having sum(vote.vote_count) <> 0
            ) as votes
        ) as counted_votes
        where not tags.is_simply_spelled
    ) as voted on true
    left join lateral (
        select entries.ids, entries.engagements, entries.candidate_count
        from (
            select
                (array_agg(entry.tweet_id order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3] as ids,
                (array_agg(entry.engagement order by entry.engagement desc nulls last, entry.tweet_id desc))[1:3]
                    as engagements,
                count(*) as candidate_count
            from (
                select shown.tweet_id, shown.engagement
                from unnest(tags.sample_ids, tags.sample_engagements) as shown (tweet_id, engagement)
                where coalesce(shown.tweet_id <> all(tags.lost_ids), true)
                union all
                select tags.gained[place][2], nullif(tags.gained[place][1], -1)
                from generate_subscripts(tags.gained, 1) as place
            ) as entry
        ) as entries
        where not tags.is_top_kept
    ) as best on true
),

come_tags as (
    insert into marts.twitter_trending_hashtags (
        zone_id, hashtag, original_hashtag, tweet_count_24h, unique_authors_24h, total_engagement_24h,
        engagement_known_count_24h, last_used_at, spellings, spelling_counts, sample_tweets, sample_engagements, as_of
    )
    select
        zone_id, hashtag, new_spellings[1], new_tweet_count, new_author_count,
        case when new_engagement_known_count > 0 then new_known_engagement end,
        new_engagement_known_count, new_last, new_spellings, new_spelling_counts, new_sample_ids::text[],
        new_sample_engagements, $2
    from new_tags
    where place is null and new_tweet_count > 0 and new_spellings is not null and new_sample_ids is not null
),

changed_tags as (
    update marts.twitter_trending_hashtags as present
    set
        original_hashtag = coalesce(new_tags.new_spellings[1], present.original_hashtag),
        tweet_count_24h = new_tags.new_tweet_count,
        unique_authors_24h = new_tags.new_author_count,
        total_engagement_24h = case
            when new_tags.new_engagement_known_count > 0 then new_tags.new_known_engagement
        end,
        engagement_known_count_24h = new_tags.new_engagement_known_count,
        last_used_at = new_tags.new_last,
        spellings = coalesce(new_tags.new_spellings, present.spellings),
        spelling_counts = coalesce(new_tags.new_spelling_counts, present.spelling_counts),
        sample_tweets = coalesce(new_tags.new_sample_ids::text[], present.sample_tweets),
        sample_engagements = coalesce(new_tags.new_sample_engagements, present.sample_engagements),
        as_of = $2
    from new_tags
    where present.ctid = new_tags.place and new_tags.new_tweet_count > 0
),

gone_tags as (
    delete from marts.twitter_trending_hashtags as present
    using new_tags
    where present.ctid = new_tags.place and new_tags.new_tweet_count <= 0
),

touched as (
    insert into ops.twitter_trending_hashtags__touched (zone_id, hashtag)
    select zone_id, hashtag
    from new_tags
)

select array_agg(zone_id), array_agg(hashtag)
from new_tags
where is_outdated and new_tweet_count > 0
$sql$, differences)
$$;


-- None of a tag's three best tweets is by somebody else than the authors of the three best ones.
create function ops.read_tags_again(zones uuid[], tags text[], first_hour timestamptz, window_end timestamptz)
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
                and counted.tweet_id < core.end_tweet_id_of(window_end + interval '1 millisecond')
                and counted.hour >= first_hour
                and counted.twitter_created_at <= window_end
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

    update marts.twitter_trending_hashtags as present
    set
        last_used_at = best.last_used_at,
        sample_tweets = best.ids::text[],
        sample_engagements = best.engagements
    from best
    where present.zone_id = best.zone_id and present.hashtag = best.hashtag;
end
$$;

create or replace function ops.maintain_zone_tag_windows() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    window_start timestamptz;
    window_end timestamptz;
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
    perform pg_advisory_xact_lock(hashtextextended('ledger.twitter_trending_hashtags', 0));
    select date_trunc('hour', state.as_of, 'UTC') - interval '23 hours', state.as_of into window_start, window_end
    from ops.mart_state as state
    where state.model = 'int_zone_tag_author_window';
    if window_end is null or to_regclass('marts.twitter_trending_hashtags') is null then
        return null;
    end if;
    -- Behind coalesce, so that the planner expects half of the rows and not one in two hundred: it would join in loops.
    execute ops.tag_windows_statement(format(
        'select changed.* from (%s) as changed'
        ' where coalesce(changed.hour >= $1 and changed.twitter_created_at <= $2, false)',
        ops.counted_differences(tg_op, array[
            'hour', 'author_profile_id', 'twitter_created_at', 'total_engagement', 'hashtags', 'original_hashtags'
        ])
    )) into outdated_zones, outdated_tags using window_start, window_end;
    perform ops.read_tags_again(outdated_zones, outdated_tags, window_start, window_end);
    update ops.mart_state as state
    set built_at = clock_timestamp()
    where state.model = 'twitter_trending_hashtags';
    return null;
end
$$;

-- The window goes on, or back, with as_of: tweets of the hours that it leaves are taken out, what was posted since
-- comes in. Called by the builder of int_zone_tag_author_window, which holds its lock.
create function ops.move_zone_tag_windows(from_as_of timestamptz, to_as_of timestamptz) returns void
    language plpgsql set search_path = pg_catalog, pg_temp
    as
$$
declare
    old_start constant timestamptz := date_trunc('hour', from_as_of, 'UTC') - interval '23 hours';
    new_start constant timestamptz := date_trunc('hour', to_as_of, 'UTC') - interval '23 hours';
    -- Between the two starts, or the two ends, a tweet is in one window, or in neither: so is what lies between both,
    -- after a move of more than a window's length.
    crossed constant text := format($sql$
        select
            case when found.hour >= %1$L and found.twitter_created_at <= %2$L then 1 else -1 end as sign,
            found.*
        from (
            select counted.*
            from intermediate.int_zone_counted_tweets as counted
            where
                counted.tweet_id >= core.first_tweet_id_of(%5$L)
                and counted.tweet_id < core.end_tweet_id_of(%6$L)
                and counted.hour >= %5$L
                and counted.hour < %6$L
            union all
            select counted.*
            from intermediate.int_zone_counted_tweets as counted
            where
                counted.tweet_id >= core.first_tweet_id_of(%7$L)
                and counted.tweet_id < core.end_tweet_id_of(%8$L::timestamptz + interval '1 millisecond')
                and counted.twitter_created_at > %7$L
                and counted.twitter_created_at <= %8$L
        ) as found
        -- Behind coalesce, as above.
        where
            coalesce(
                (found.hour >= %1$L and found.twitter_created_at <= %2$L)
                <> (found.hour >= %3$L and found.twitter_created_at <= %4$L),
                false
            )
        $sql$,
        new_start, to_as_of, old_start, from_as_of,
        least(old_start, new_start), greatest(old_start, new_start),
        least(from_as_of, to_as_of), greatest(from_as_of, to_as_of)
    );
    outdated_zones uuid[];
    outdated_tags text[];
begin
    if from_as_of = to_as_of or to_regclass('marts.twitter_trending_hashtags') is null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('ledger.twitter_trending_hashtags', 0));
    execute ops.tag_windows_statement(crossed) into outdated_zones, outdated_tags using new_start, to_as_of;
    perform ops.read_tags_again(outdated_zones, outdated_tags, new_start, to_as_of);
    -- What the mart holds is of the new moment from here on, before its own build.
    update ops.mart_state as state
    set as_of = to_as_of, built_at = clock_timestamp()
    where state.model = 'twitter_trending_hashtags';
end
$$;
