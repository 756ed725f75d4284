"""The part of GitLab's API that reads repositories, over real bare git repositories, for the real python-gitlab client.

Repositories are folders ``ROOT/group/name.git``. ``GitLabServer.faults`` answers the next requests with errors.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse


class GitLabServer:
    """A server on a port of its own, in a thread.

    ``tokens`` maps a token to the projects that it may read (None: all). ``requests`` holds what was asked for.
    """

    def __init__(self, root: Path, tokens: dict[str, set[str] | None]) -> None:
        self.root, self.tokens = root, tokens
        self.requests: list[str] = []
        self.faults: deque[tuple[int, dict[str, str]]] = deque()
        config = uvicorn.Config(self._app(), port=0, log_level="warning", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> GitLabServer:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def git(self, project: str, *arguments: str) -> bytes:
        """What git says about a project; 404 where it fails."""
        folder = self.root / f"{self.path_of(project)}.git"
        if not folder.is_dir():
            raise HTTPException(404, "404 Project Not Found")
        done = subprocess.run(["git", "--git-dir", str(folder), *arguments], capture_output=True)
        if done.returncode:
            raise HTTPException(404, "404 Not Found")
        return done.stdout

    def _projects(self) -> list[str]:
        return sorted(str(path.relative_to(self.root))[:-4] for path in self.root.glob("*/*.git"))

    def path_of(self, project: str) -> str:
        """The path of a project, given its path or its number."""
        known = self._projects()
        return known[int(project) - 1] if project.isdigit() and 0 < int(project) <= len(known) else project

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def guard(request: Request, answer: Any) -> Response:
            self.requests.append(f"{request.url.path}?{request.url.query}")
            if self.faults:
                code, headers = self.faults.popleft()
                return JSONResponse({"message": f"{code} fault"}, code, headers)
            token = request.headers.get("PRIVATE-TOKEN")
            if token is not None and token not in self.tokens:
                return JSONResponse({"message": "401 Unauthorized"}, 401)
            allowed = self.tokens.get(token or "", set())
            project = request.url.path.removeprefix("/api/v4/projects/").split("/repository")[0]
            if allowed is not None and self.path_of(project) not in allowed:
                return JSONResponse({"message": "404 Project Not Found"}, 404)
            return await answer(request)

        self._add_routes(app)
        return app

    def _add_routes(self, app: FastAPI) -> None:
        base = "/api/v4/projects/{project:path}"

        @app.get(base + "/repository/tree")
        def tree(
            project: str,
            request: Request,
            response: Response,
            path: str = "",
            ref: str = "HEAD",
            recursive: bool = False,
            per_page: int = 20,
            page_token: str = "",
        ) -> list[dict[str, str]]:
            self.git(project, "cat-file", "-e", f"{ref}:{path}")
            flags = ["-r", "-t"] if recursive else []
            listed = self.git(project, "ls-tree", "-z", *flags, ref, *([f"{path}/"] if path else []))
            entries = []
            for line in filter(None, listed.decode().split("\0")):
                about, _, name = line.partition("\t")
                mode, kind, blob = about.split()
                entries.append({"id": blob, "name": Path(name).name, "type": kind, "path": name, "mode": mode})
            begin = next((i + 1 for i, entry in enumerate(entries) if entry["path"] == page_token), 0)
            page = entries[begin : begin + min(per_page, 100)]
            if begin + len(page) < len(entries):
                query = urlencode({**request.query_params, "page_token": page[-1]["path"]})
                response.headers["Link"] = f'<{request.url.replace(query=query)}>; rel="next"'
            return page

        @app.get(base + "/repository/branches/{branch:path}")
        def branch(project: str, branch: str) -> dict[str, Any]:
            commit = self.git(project, "rev-parse", "--verify", f"refs/heads/{branch}").decode().strip()
            return {"name": branch, "commit": {"id": commit}}

        @app.get(base + "/repository/branches")
        def branches(project: str) -> list[dict[str, str]]:
            names = self.git(project, "for-each-ref", "--format=%(refname:short)", "refs/heads").decode().split()
            return [{"name": name} for name in names]

        @app.get(base + "/repository/blobs/{blob}/raw")
        def blob(project: str, blob: str) -> Response:
            return Response(self.git(project, "cat-file", "blob", blob), media_type="application/octet-stream")

        @app.get(base)
        def about(project: str) -> dict[str, Any]:
            head = self.git(project, "symbolic-ref", "--short", "HEAD").decode().strip()
            path = self.path_of(project)
            return {"id": self._projects().index(path) + 1, "path_with_namespace": path, "default_branch": head}
