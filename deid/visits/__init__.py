"""What the rows of a visit tell: its columns, its codes, its stays and what is derived of them."""
