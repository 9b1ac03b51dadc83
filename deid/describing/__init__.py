"""Drafts of descriptions, for tables that nobody has described."""
