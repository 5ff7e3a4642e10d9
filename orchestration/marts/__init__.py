"""What keeps the marts: their verification, their backfill, and how dbt is run."""
