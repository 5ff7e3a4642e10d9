"""The pipeline under faults: real processes are killed under load, and nothing acknowledged may be missing after it."""
