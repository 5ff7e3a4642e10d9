-- Dead letters, as people look at them and have them read again.

-- name: report
select
    report.source,
    report.stage,
    report.reason,
    report.letter_count,
    report.first_seen_at,
    report.last_seen_at,
    report.latest_detail
from raw.dead_letter_report as report
order by report.letter_count desc, report.source, report.stage, report.reason;

-- Deliveries with open dead letters that a filter names; NULL matches everything.
-- name: deliveries_with_dead_letters
select distinct letters.delivery_id
from raw.dead_letters as letters
where
    letters.resolved_at is null
    and (%(source)s::text is null or letters.source = %(source)s)
    and (%(reason)s::text is null or letters.reason = %(reason)s)
    and (%(since)s::timestamptz is null or letters.received_at >= %(since)s)
    and letters.delivery_id > %(after)s
order by letters.delivery_id
limit %(limit)s;

-- name: count_dead_letters
select count(*), count(distinct letters.delivery_id)
from raw.dead_letters as letters
where
    letters.resolved_at is null
    and (%(source)s::text is null or letters.source = %(source)s)
    and (%(reason)s::text is null or letters.reason = %(reason)s)
    and (%(since)s::timestamptz is null or letters.received_at >= %(since)s);
