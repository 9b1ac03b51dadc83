"""What outgrows memory or lies on disk: sealed under keys that live in memory, for the owner alone."""
