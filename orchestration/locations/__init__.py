"""One module for each Dagster code location, each holding ``defs``."""
