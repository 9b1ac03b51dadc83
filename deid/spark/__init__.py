"""A cluster of Spark that performs the tasks of a run; docs/how-to/spark.md."""
