"""The assets that are not dbt models, by layer."""
