"""What was really written, read back and held against the plan."""
