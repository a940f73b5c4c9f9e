"""Random and damaged requests through ingest and ledger to every reader: what is accepted is counted or listed."""
