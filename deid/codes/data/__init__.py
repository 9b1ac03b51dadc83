"""Tables of codes, made by `python -m deid.codes.build`; docs/reference/code-lists.md says from what."""
