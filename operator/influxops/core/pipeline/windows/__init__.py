"""Windows of time: cadences, zones, and which windows of a parent a child needs."""
