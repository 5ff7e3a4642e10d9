-- Archives that are rewritten without what was erased.

-- name: note_rewritten
update ops.partition_archives as archives
set
    row_count = %(row_count)s,
    content_checksum = %(content_checksum)s,
    file_sha256 = %(file_sha256)s,
    file_bytes = %(file_bytes)s
where archives.table_name = %(table_name)s and archives.suffix = %(suffix)s;
