"""The one place that talks to each outside system."""
