"""What leaves beside the rows: manifest, codebook and packages, staged with them, all or nothing."""
