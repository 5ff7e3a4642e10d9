"""From raw deliveries to the facts of ``core``: read, map, merge, write."""
