"""What moves batches: threads that read ahead and write behind, so that the steps of a run share the cores."""
