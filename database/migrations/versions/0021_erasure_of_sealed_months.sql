-- What 0020 counted in vain, a profile that returns, and erasing what sealed months have counted.

-- A profile that was deleted leaves its rows of sealed months, or of tweets that wait to be counted as gone, without
-- its names. When it is inserted again, those rows get them back. Every insert marks, an explicit one too: few profiles
-- have rows before they are there.
create function ops.on_insert_of_profiles() returns trigger
    language plpgsql as
$$
begin
    if to_regclass('intermediate.int_zone_author_hourly') is null then
        return null;
    end if;
    insert into ops.twitter_top_profiles_by_zone__profile_marks (profile_id)
    select new_rows.twitter_user_id
    from new_rows
    cross join lateral (
        select
        from intermediate.int_zone_author_hourly as hours
        where hours.author_profile_id = new_rows.twitter_user_id
        limit 1
    ) as counted;
    return null;
end
$$;

create trigger twitter_profiles_mark_insert after insert on core.twitter_profiles
    referencing new table as new_rows for each statement execute function ops.on_insert_of_profiles();


-- Since 0019 a sealed month's tweets stay as they were counted: what is summed from them can be built anew, and must be
-- once somebody is erased there. Only a month that was sealed before that has nothing else than its sums.
alter table ops.sealed_ranges add column is_counted boolean not null default false;
comment on column ops.sealed_ranges.is_counted is
    'Whether int_zone_counted_tweets holds the tweets, so that buckets can be summed anew from there';
grant update (is_counted) on ops.sealed_ranges to pipeline;
do
$$
begin
    if to_regclass('intermediate.int_zone_counted_tweets') is not null then
        update ops.sealed_ranges as sealed
        set is_counted = true
        where exists (
            select
            from intermediate.int_zone_counted_tweets as counted
            where counted.tweet_id >= sealed.lower_id and counted.tweet_id < sealed.upper_id
        );
    end if;
end
$$;

create function ops.is_uncounted(bucket timestamptz) returns boolean
    language sql stable parallel safe
    return exists (
        select from ops.sealed_ranges as sealed
        where bucket >= sealed.starts_at and bucket < sealed.ends_at and not sealed.is_counted
    );
comment on function ops.is_uncounted(timestamptz) is
    'Whether nothing but sums is left of the bucket that begins at a moment';

-- In any time zone, as ops.is_sealed_day.
create function ops.is_uncounted_day(bucket date) returns boolean
    language sql stable parallel safe
    return exists (
        select from ops.sealed_ranges as sealed
        where
            (bucket - 1)::timestamp at time zone 'UTC' < sealed.ends_at
            and (bucket + 2)::timestamp at time zone 'UTC' > sealed.starts_at
            and not sealed.is_counted
    );
comment on function ops.is_uncounted_day(date) is
    'Whether nothing but sums is left of a day, whatever time zone it is of';
grant execute on function ops.is_uncounted(timestamptz), ops.is_uncounted_day(date) to pipeline, api_reader;


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
-- through for each of his tags. They pass by; "offset 0" does that without storing them.
read_uses as (
    select outdated.author_profile_id, found.*
    from (select distinct authors.author_profile_id from authors where authors.is_outdated) as outdated
    cross join lateral (
        select
            counted.zone_id,
            counted.twitter_created_at,
            counted.tweet_id,
            counted.total_engagement,
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
    offset 0
),

read_authors as (
    select
        authors.zone_id,
        authors.hashtag,
        authors.author_profile_id,
        max(read_uses.twitter_created_at) as last_used_at,
        max(array[coalesce(read_uses.total_engagement, -1), read_uses.tweet_id]) as best
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
        stored.sample_tweets,
        stored.sample_engagements,
        -- Of a row that is there already, whether it goes on with the one spelling it has; and with its three best.
        tag_sums.is_one_spelling and coalesce(stored.spellings = array[tag_sums.spelling], true) as is_simply_spelled,
        coalesce(cardinality(stored.sample_tweets) = 3, false)
        and coalesce(not stored.sample_tweets && tag_sums.lost_ids::text[], true)
        and coalesce(tag_sums.gained[1][1] < coalesce(stored.sample_engagements[3], -1), true) as is_top_kept
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
            present.sample_tweets,
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
        case when tags.is_top_kept then tags.sample_tweets else best.ids::text[] end as new_sample_tweets,
        case when tags.is_top_kept then tags.sample_engagements else best.engagements end as new_sample_engagements,
        -- One of the three best fell or went, and not all tweets are at hand.
        tags.is_last_lost
        or (
            coalesce(samples.ids && tags.lost_ids, false)
            and tags.new_tweet_count > coalesce(best.candidate_count, 0)
            and exists (
                select 1
                from unnest(samples.ids, tags.sample_engagements) as shown (tweet_id, engagement)
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
    -- Where a condition on the tag is false, nothing below it is executed. "offset 0" keeps it there: it would become a
    -- condition of the join, and everything be counted in vain.
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
        offset 0
    ) as voted on true
    left join lateral (
        select
            -- What a hand has left there must not stop the counting.
            case
                when tags.sample_tweets::text ~ '^[{](([0-8][0-9]{18}|[0-9]{1,18})[,}])+$'
                    then tags.sample_tweets::bigint[]
            end as ids
        where not tags.is_top_kept
        offset 0
    ) as samples on true
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
                from unnest(samples.ids, tags.sample_engagements) as shown (tweet_id, engagement)
                where coalesce(shown.tweet_id <> all(tags.lost_ids), true)
                union all
                select tags.gained[place][2], nullif(tags.gained[place][1], -1)
                from generate_subscripts(tags.gained, 1) as place
            ) as entry
        ) as entries
        where not tags.is_top_kept
        offset 0
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
        new_engagement_known_count, new_last, new_spellings, new_spelling_counts, new_sample_tweets,
        new_sample_engagements, $2
    from new_tags
    where place is null and new_tweet_count > 0 and new_spellings is not null and new_sample_tweets is not null
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
        sample_tweets = coalesce(new_tags.new_sample_tweets, present.sample_tweets),
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
create or replace function ops.read_tags_again(
    zones uuid[], tags text[], first_hour timestamptz, window_end timestamptz
) returns void
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
    read_uses as (
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
        offset 0
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
