"""Data of tables: standard populations."""
