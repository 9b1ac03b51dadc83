"""What would happen: one step for each column, before any data is read."""
