"""Writers of synthetic populations, one for each input format."""
