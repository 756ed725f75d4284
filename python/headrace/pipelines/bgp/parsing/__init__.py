"""Reading router configurations: from text to AS numbers and BGP groups."""

from headrace.pipelines.bgp.parsing.inspector import RouterInspector, detect_format, redact_secrets

__all__ = ["RouterInspector", "detect_format", "redact_secrets"]
