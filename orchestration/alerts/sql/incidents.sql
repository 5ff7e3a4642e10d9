-- Incidents: what went wrong, since when, and who was told.

-- name: open
insert into ops.incidents (subject, title, detail, opened_at)
values (%(subject)s, %(title)s, %(detail)s, %(now)s)
on conflict (subject) where recovered_at is null do nothing;

-- What is said to be well has recovered; what is looked at each time has recovered once it is not found any more.
-- name: recover
update ops.incidents
set recovered_at = %(now)s
where
    incidents.recovered_at is null
    and incidents.subject <> all(%(failing)s::text[])
    and (
        incidents.subject = any(%(well)s::text[])
        or split_part(incidents.subject, ':', 1) = any(%(states)s::text[])
    );

-- name: untold
select
    incidents.incident_id,
    incidents.subject,
    incidents.title,
    incidents.detail,
    incidents.opened_at,
    incidents.recovered_at
from ops.incidents
where incidents.told_at is null or (incidents.recovered_at is not null and incidents.recovery_told_at is null)
order by incidents.incident_id
limit %(limit)s;

-- name: note_told
update ops.incidents
set
    told_at = coalesce(incidents.told_at, %(now)s),
    recovery_told_at = case when incidents.recovered_at is not null then %(now)s::timestamptz end
where incidents.incident_id = %(incident_id)s;

-- name: spending
select
    budget.source,
    budget.period,
    budget.starts_on,
    budget.spent_credits,
    budget.credit_limit
from ops.provider_budget as budget
where
    budget.credit_limit > 0
    and budget.spent_credits >= %(share)s * budget.credit_limit
    and budget.starts_on = case
        when budget.period = 'day' then %(today)s::date
        else date_trunc('month', %(today)s::date)::date
    end
order by budget.source, budget.period;
