"""C-CDA documents: one XML document to a file, its header and entries as tables."""
