"""Glue between the public API and the C++ core; private."""
