-- The block list as the normaliser and erasures read it, and deliveries that are rewritten.

-- name: version
select
    count(*),
    max(erased_keys.erased_at)
from ops.erased_keys;

-- name: secret
select erasure_key.secret from ops.erasure_key;

-- name: hashes
select erased_keys.kind, erased_keys.key_hash from ops.erased_keys;

-- name: block
insert into ops.erased_keys (kind, key_hash)
select keys.kind, keys.key_hash
from unnest(%(kinds)s::text[], %(hashes)s::bytea[]) as keys (kind, key_hash)
on conflict (kind, key_hash) do nothing;

-- name: rewrite_delivery
with rewritten as (
    update raw.deliveries
    set body = %(frame)s, body_bytes = %(body_bytes)s, dictionary_id = 0
    where deliveries.delivery_id = %(delivery_id)s
    returning delivery_id
)

insert into ops.delivery_rewrites (delivery_id, reason, body_sha256)
select rewritten.delivery_id, %(reason)s, sha256(%(body)s)
from rewritten;
