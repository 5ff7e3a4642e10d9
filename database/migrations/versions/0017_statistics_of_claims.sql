-- The planner must know whether a handful of buckets is claimed or a backlog. Before PostgreSQL 17 nobody but a table's
-- owner may analyse it, and who is not the owner is told so in a warning alone: the models were planned blindly.

create function ops.analyze_claims(of_model text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as
$$
begin
    execute format('analyze ops.%I', of_model || '__claims');
end
$$;
comment on function ops.analyze_claims(text) is 'Analyse the table of the buckets that a model''s build has claimed';
revoke execute on function ops.analyze_claims(text) from public;
grant execute on function ops.analyze_claims(text) to pipeline;
