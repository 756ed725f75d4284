"""Documents in, searchable vectors out.

A source (folder, git repository, GitLab project) -> convert -> chunk -> embed -> publish -> finalise.
Run it again and only what has changed is touched; kill it and run it again, and it goes on from where it was.
"""

from headrace.pipelines.documents.run import DocumentsRun, run
from headrace.pipelines.documents.search import search
from headrace.pipelines.documents.settings import Settings

__all__ = ["DocumentsRun", "Settings", "run", "search"]
