"""Which windows a backfill runs, what keeps it from running, and how far it is."""
