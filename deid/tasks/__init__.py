"""A run shared out in tasks: each transforms splits of a table, and the driver alone decides, commits and publishes.

See docs/adr/0032-spark-transforms-and-the-driver-commits.md. Who performs them is another matter: deid.spark a cluster,
deid.engine.processes processes of this machine.
"""
