"""Turn identified, coded healthcare encounters into encrypted Parquet datasets for research and public health."""

__version__ = "0.1.0"
