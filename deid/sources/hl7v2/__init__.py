"""HL7 v2 messages as a source: `paths` and `vocabulary` for descriptions, `source` for reading."""
