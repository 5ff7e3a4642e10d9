-- What is spent at providers, by period, and how they are doing.

-- name: add
insert into ops.provider_budget as budget (source, period, starts_on, credit_limit, spent_credits, call_count)
values (%(source)s, %(period)s, %(starts_on)s, %(credit_limit)s, %(credits)s, %(calls)s)
on conflict (source, period, starts_on) do update
set
    credit_limit = excluded.credit_limit,
    spent_credits = budget.spent_credits + excluded.spent_credits,
    call_count = budget.call_count + excluded.call_count
returning budget.spent_credits;

-- name: correct
update ops.provider_budget
set spent_credits = greatest(0, spent_credits + %(credits)s)
where source = %(source)s and period = %(period)s and starts_on = %(starts_on)s;

-- name: spent
select budget.spent_credits, budget.call_count
from ops.provider_budget as budget
where budget.source = %(source)s and budget.period = %(period)s and budget.starts_on = %(starts_on)s;

-- name: note_success
insert into ops.provider_health as health (source, last_success_at)
values (%(source)s, %(now)s)
on conflict (source) do update
set
    last_success_at = greatest(health.last_success_at, excluded.last_success_at),
    failing_since = null,
    failure_count = 0;

-- name: note_failure
insert into ops.provider_health as health (
    source, failing_since, last_failure_at, failure_count, last_failure, stops_collection
)
values (%(source)s, %(now)s, %(now)s, 1, %(detail)s, %(stops_collection)s)
on conflict (source) do update
set
    failing_since = coalesce(health.failing_since, excluded.failing_since),
    last_failure_at = excluded.last_failure_at,
    failure_count = health.failure_count + 1,
    last_failure = excluded.last_failure,
    stops_collection = excluded.stops_collection;

-- name: failing
select health.source, health.failing_since, health.last_failure
from ops.provider_health as health
where health.failing_since is not null
order by health.failing_since
limit 1;
