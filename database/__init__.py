"""PostgreSQL: settings, connections, the embedded server, migrations and partition arithmetic."""
