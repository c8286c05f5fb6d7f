"""Pipelines at work: one loop each, that runs windows and writes the ledger."""
