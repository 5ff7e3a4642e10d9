"""What must not be shown or kept any more: suppression by events and look-ups, purge, erasure."""
