-- A moment that somebody asked the marts for stays for a while, whatever the schedules do.

alter table ops.as_of add column held_until timestamptz;
comment on column ops.as_of.held_until is
    'Until when scheduled builds keep this moment instead of the present; NULL when nobody asked for one';
