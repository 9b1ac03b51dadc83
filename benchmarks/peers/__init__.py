"""What `python benchmarks/peers.py` is made of: peers, jobs, results, the page."""
