"""The reader of X12 837 claims: `source` is the part of the shelf, the others are what it is made of."""
