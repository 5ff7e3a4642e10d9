-- Compression dictionaries of bodies. The id 0 says that a body has none.

-- name: newest
select compression_dictionaries.dictionary_id
from raw.compression_dictionaries
where compression_dictionaries.source = %(source)s
order by compression_dictionaries.dictionary_id desc
limit 1;

-- name: add
insert into raw.compression_dictionaries (dictionary_id, source, dictionary)
select coalesce(max(compression_dictionaries.dictionary_id), 0) + 1, %(source)s, %(dictionary)s
from raw.compression_dictionaries
returning compression_dictionaries.dictionary_id;
