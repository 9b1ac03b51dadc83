"""The shelf of sinks: where transformed batches become a release on disk."""
