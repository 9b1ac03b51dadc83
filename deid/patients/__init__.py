"""Who the patients are: positions, tags, and whose an identifier or a note is."""
