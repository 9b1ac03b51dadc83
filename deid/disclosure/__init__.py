"""The shelf of disclosure controls."""
