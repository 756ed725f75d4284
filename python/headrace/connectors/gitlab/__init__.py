"""A folder of a GitLab project as a source of documents, through GitLab's API."""

from headrace.connectors.gitlab._project import Project

__all__ = ["Project"]
