"""What is to be run: windows that are not settled, from the schedule, late data and the ledger."""
