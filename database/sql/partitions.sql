-- What the catalogue says of our partitions.

-- Bounds as PostgreSQL writes them: FOR VALUES FROM ('…') TO ('…').
-- name: attached
select
    children.relname::text,
    pg_get_expr(children.relpartbound, children.oid),
    pg_inherits.inhdetachpending
from pg_inherits
inner join pg_class as children on pg_inherits.inhrelid = children.oid
where pg_inherits.inhparent = to_regclass(%(table)s)
order by children.relname;

-- Rows as the statistics know them.
-- name: sizes
select
    children.relname::text,
    greatest(children.reltuples::bigint, statistics.n_live_tup, 0),
    pg_total_relation_size(children.oid)
from pg_inherits
inner join pg_class as children on pg_inherits.inhrelid = children.oid
left join pg_stat_all_tables as statistics on children.oid = statistics.relid
where pg_inherits.inhparent = to_regclass(%(table)s);

-- name: attachment
select pg_inherits.inhdetachpending
from pg_inherits
where
    pg_inherits.inhparent = to_regclass(%(table)s)
    and pg_inherits.inhrelid = to_regclass(%(partition)s);

-- name: exists
select to_regclass(%(table)s) is not null;

-- name: foreign_keys
select
    constraints.conname::text,
    pg_get_constraintdef(constraints.oid)
from pg_constraint as constraints
where constraints.conrelid = to_regclass(%(table)s) and constraints.contype = 'f'
order by constraints.conname;

-- pg_partman makes the partitions of the tables in its configuration; TimescaleDB leaves native partitions alone.
-- name: extensions
select
    pg_extension.extname::text,
    pg_extension.extversion,
    pg_namespace.nspname::text
from pg_extension
inner join pg_namespace on pg_extension.extnamespace = pg_namespace.oid
where pg_extension.extname in ('pg_partman', 'timescaledb')
order by pg_extension.extname;
