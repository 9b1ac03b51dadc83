"""Public facts that the toolkit needs, each with its source in README.md."""
