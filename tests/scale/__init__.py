"""Checks at full size: ``make scale``."""
