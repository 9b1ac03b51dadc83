"""Training of the network that finds names and places in notes; needs the `train` extra."""
