"""What a notebook shows: ``widgets.timeline(run)``, ``widgets.stages(run)``, ``widgets.errors(run)``."""

from headrace.widgets.views import Picture, errors, stages, throughput, timeline

__all__ = ["Picture", "errors", "stages", "throughput", "timeline"]
