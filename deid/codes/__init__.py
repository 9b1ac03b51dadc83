"""The shelf of code systems."""
