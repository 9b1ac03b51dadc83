"""What is known before the first row is written: the first reading of a source, and what is decided by it."""
