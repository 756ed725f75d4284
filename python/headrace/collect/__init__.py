"""Parallel collection: one outcome for each target, whatever happens to the others.

``processes`` runs commands. It works in a native thread that never holds the GIL; Ctrl-C ends it, with everything it
started, within a quarter of a second.
"""

from headrace.collect.outcome import CommandOutput, Outcome
from headrace.collect.processes import processes
from headrace.collect.stream import OutcomeIterator

__all__ = ["CommandOutput", "Outcome", "OutcomeIterator", "processes"]
