"""Windows, stages and what runs next: pure decisions over data."""
