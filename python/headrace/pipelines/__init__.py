"""The reference pipelines."""
