-- What following tweets, profiles and rules over time needs to remember.
-- There is no row for each tweet that is to be followed: which tweets are due at a moment follows from their ids, which
-- are their times, and from a fixed grid (ingest/engagement/grid.py). A schedule table would have to be written again
-- at every snapshot, with an index that keeps that from being HOT.

-- One row: up to which moment every snapshot that was due has been taken, or counted as missed.
create table ops.engagement_progress (
    is_only_row boolean constraint engagement_progress_pkey primary key default true,
    settled_through timestamptz not null,
    settled_at timestamptz not null default now(),
    constraint engagement_progress_has_one_row check (is_only_row)
);

-- One row per UTC day and tier: what became of the snapshots that were due in it.
create table ops.engagement_coverage (
    due_on date not null,
    tier text not null,
    due_count bigint not null,
    taken_count bigint not null,
    absent_count bigint not null,
    missed_count bigint not null,
    over_budget_count bigint not null,
    constraint engagement_coverage_pkey primary key (due_on, tier),
    constraint engagement_coverage_adds_up check (due_count = taken_count + absent_count + missed_count),
    constraint engagement_coverage_knows_why check (over_budget_count between 0 and missed_count)
);
comment on column ops.engagement_coverage.taken_count is
    'Due snapshots with an observation before the next one was due';
comment on column ops.engagement_coverage.absent_count is 'The provider answered, and does not show the tweet';
comment on column ops.engagement_coverage.missed_count is 'Nobody asked, or the provider failed';
comment on column ops.engagement_coverage.over_budget_count is 'Those of the missed that the spending limit left out';

-- One row per tweet that the latest look-up did not show. Only credible answers count: an outage leaves no rows here.
create table ops.tweet_absences (
    tweet_id bigint constraint tweet_absences_pkey primary key,
    reason text not null,
    miss_count integer not null,
    first_missed_at timestamptz not null,
    last_missed_at timestamptz not null,
    constraint tweet_absences_were_missed check (miss_count > 0)
);
comment on column ops.tweet_absences.reason is
    'absent: merely not shown; else what the provider says, for instance suspended';
comment on column ops.tweet_absences.miss_count is
    'Consecutive look-ups without it; the row goes when it is shown again';

-- One row per account that the latest look-up did not show.
create table ops.profile_absences (
    profile_id bigint constraint profile_absences_pkey primary key,
    reason text not null,
    miss_count integer not null,
    first_missed_at timestamptz not null,
    last_missed_at timestamptz not null,
    constraint profile_absences_were_missed check (miss_count > 0)
);

-- One row per source and UTC day or month: what its calls cost, in the provider's own unit.
create table ops.provider_budget (
    source text not null,
    period text not null,
    starts_on date not null,
    credit_limit bigint,
    spent_credits bigint not null default 0,
    call_count bigint not null default 0,
    constraint provider_budget_pkey primary key (source, period, starts_on),
    constraint provider_budget_period_is_known check (period in ('day', 'month'))
);
comment on column ops.provider_budget.credit_limit is 'NULL: without limit';

-- One row per source: since when it has been failing, if it is.
create table ops.provider_health (
    source text constraint provider_health_pkey primary key,
    last_success_at timestamptz,
    failing_since timestamptz,
    last_failure_at timestamptz,
    failure_count integer not null default 0,
    last_failure text
);
comment on column ops.provider_health.failing_since is 'First failure since the latest answer; NULL while it answers';

-- One row per period in which a rule delivered, as the provider's own list of rules said. Without a foreign key: what
-- was collected through a rule stays when the rule goes, and so does knowing when it was.
create table core.twitter_rule_periods (
    rule_id uuid not null,
    active_from timestamptz not null,
    active_to timestamptz,
    confirmed_at timestamptz not null,
    zone_id uuid not null,
    source text not null,
    external_rule_id text not null,
    query text not null,
    interval_seconds numeric,
    constraint twitter_rule_periods_pkey primary key (rule_id, active_from),
    constraint twitter_rule_periods_end_after_begin check (active_to >= active_from)
);
comment on column core.twitter_rule_periods.active_to is 'NULL while it is active';
comment on column core.twitter_rule_periods.confirmed_at is
    'When the provider last said that it is active: a rule found inactive later was active until here at least';
create unique index idx_twitter_rule_periods_open on core.twitter_rule_periods (rule_id) where active_to is null;
comment on index core.idx_twitter_rule_periods_open is 'A rule has at most one open period';
create index idx_twitter_rule_periods_zone on core.twitter_rule_periods (zone_id, active_from);
comment on index core.idx_twitter_rule_periods_zone is 'When a zone was listened to';

-- One row per handle and name that an account no longer carries. The present ones are those of the profile.
create table core.twitter_profile_names (
    profile_id bigint not null
        constraint twitter_profile_names_profile_id_fkey
        references core.twitter_profiles (twitter_user_id) on delete cascade,
    valid_to timestamptz not null,
    valid_from timestamptz not null,
    username text,
    name text,
    constraint twitter_profile_names_pkey primary key (profile_id, valid_to)
);
create index idx_twitter_profile_names_username on core.twitter_profile_names (lower(username) text_pattern_ops);
comment on index core.idx_twitter_profile_names_username is 'Who once carried a handle';

-- A renamed account is noticed by whichever statement gives its profile another name. The condition is checked without
-- calling the function, so that the many updates which rename nobody cost next to nothing.
create function core.keep_former_name() returns trigger
    language plpgsql as
$$
begin
    insert into core.twitter_profile_names (profile_id, valid_to, valid_from, username, name)
    select
        old.twitter_user_id,
        new.last_updated_at,
        coalesce(max(former.valid_to), old.first_seen_at),
        old.username,
        old.name
    from core.twitter_profile_names as former
    where former.profile_id = old.twitter_user_id
    on conflict (profile_id, valid_to) do nothing;
    return null;
end
$$;

create trigger twitter_profiles_keep_former_name after update on core.twitter_profiles
    for each row
    when (
        new.last_updated_at > old.last_updated_at
        and (
            (old.username is not null and new.username is not null and old.username <> new.username)
            or (old.name is not null and new.name is not null and old.name <> new.name)
        )
    )
    execute function core.keep_former_name();

create view core.twitter_profile_name_history as
select
    former.profile_id,
    former.valid_from,
    former.valid_to,
    former.username,
    former.name
from core.twitter_profile_names as former
union all
select
    profiles.twitter_user_id,
    coalesce(
        (
            select max(former.valid_to) from core.twitter_profile_names as former
            where former.profile_id = profiles.twitter_user_id
        ),
        profiles.first_seen_at
    ),
    null,
    profiles.username,
    profiles.name
from core.twitter_profiles as profiles
where profiles.username is not null or profiles.name is not null;

-- The design document's row of a profile snapshot: counts, and the change since the one before.
create view core.twitter_profile_snapshots_with_deltas as
select
    snapshots.profile_id,
    snapshots.snapshot_at,
    snapshots.followers_count,
    snapshots.following_count,
    snapshots.tweets_count,
    snapshots.favourites_count,
    snapshots.followers_count - lag(snapshots.followers_count) over by_time as delta_followers,
    snapshots.following_count - lag(snapshots.following_count) over by_time as delta_following,
    snapshots.tweets_count - lag(snapshots.tweets_count) over by_time as delta_tweets,
    (snapshots.followers_count - lag(snapshots.followers_count) over by_time)
    / nullif(extract(epoch from snapshots.snapshot_at - lag(snapshots.snapshot_at) over by_time) / 86400, 0)
        as followers_growth_rate
from core.twitter_profile_snapshots as snapshots
window by_time as (partition by snapshots.profile_id order by snapshots.snapshot_at);
comment on column core.twitter_profile_snapshots_with_deltas.followers_growth_rate is
    'Followers gained per day since the snapshot before; may be negative; NULL when unknown';

comment on table ops.engagement_progress is 'Up to when every due snapshot was taken or counted as missed (one row)';
comment on table ops.engagement_coverage is 'What became of the due snapshots of each UTC day and tier';
comment on table ops.tweet_absences is 'One row per tweet that the latest look-up did not show';
comment on table ops.profile_absences is 'One row per account that the latest look-up did not show';
comment on table ops.provider_budget is 'What the calls to each source cost, by UTC day and month';
comment on table ops.provider_health is 'One row per source: since when it has been failing, if it is';
comment on table core.twitter_rule_periods is 'One row per period in which a rule delivered';
comment on table core.twitter_profile_names is 'One row per handle and name that an account no longer carries';
comment on view core.twitter_profile_name_history is
    'Every handle and name of an account with the period it was seen in';
comment on view core.twitter_profile_snapshots_with_deltas is 'Profile snapshots with the change since the one before';

grant select, insert, update, delete on
    ops.engagement_progress, ops.engagement_coverage, ops.tweet_absences, ops.profile_absences, ops.provider_budget,
    ops.provider_health, core.twitter_rule_periods, core.twitter_profile_names
    to pipeline;
grant select on core.twitter_profile_name_history, core.twitter_profile_snapshots_with_deltas to pipeline;
grant select on
    ops.engagement_progress, ops.engagement_coverage, ops.provider_budget, ops.provider_health,
    core.twitter_rule_periods, core.twitter_profile_names, core.twitter_profile_name_history,
    core.twitter_profile_snapshots_with_deltas
    to api_reader;
