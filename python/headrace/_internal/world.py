"""What a root step saw of the outside world, so that it need not be asked again while nothing of that has changed.

A step is followed only where everything it can reach is known to look outside through calls that Python audits: two
tests, one on its code before it runs (:func:`unfollowable`), one while it runs (:class:`Watch`). Whoever fails either
is asked again in every run. Seen: files opened for reading, folders listed, the working directory, the home folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import PurePath
from types import TracebackType
from typing import Any

from headrace._internal.introspect import is_installed_file
from headrace._internal.outlook import unfollowable

__all__ = ["Watch", "unchanged", "unfollowable"]

MOST_ENTRIES = 200_000  # a larger snapshot costs more than asking again
RACY_NS = 2_000_000_000  # younger than this, a time stamp may hide a second change: the content is hashed too
MOST_HASHED = 256 << 20  # bytes a snapshot

HARMLESS = frozenset(
    (
        "import compile exec code.__new__ function.__new__ object.__getattr__ object.__setattr__ object.__delattr__ "
        "sys._getframe sys._getframemodulename sys._current_frames builtins.id marshal.loads marshal.load "
        "marshal.dumps time.sleep gc.get_objects gc.get_referrers gc.get_referents array.__new__ sys.unraisablehook "
        "sys.excepthook sys.addaudithook pickle.find_class os.walk"
    ).split()
)
"""Audit events that say nothing about the outside, or whose looks outside raise events of their own."""

WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

# [size or -1 for a folder, mtime_ns, ctime_ns, inode]; None: there is nothing
Look = list[int] | None

_watches: dict[int, Watch] = {}  # by thread
_hook_lock = threading.Lock()
_hooked = False


class Watch:
    """Follows what the calling thread sees of the outside between ``with`` and its end; may be entered again.

    ``opaque`` is None, or why it can't be told whether what was seen has changed.
    """

    def __init__(self, function: Callable[..., Any] | None = None):
        self.opaque: str | None = None if function is None else unfollowable(function)
        self.seen: dict[str, Look] = {}
        self._outer: Watch | None = None

    def __enter__(self) -> Watch:
        if self.opaque is None:
            _install_hook()
            self._outer = _watches.get(threading.get_ident())
            _watches[threading.get_ident()] = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _watches.get(threading.get_ident()) is self:
            if self._outer is not None:
                _watches[threading.get_ident()] = self._outer
            else:
                del _watches[threading.get_ident()]

    def snapshot(self) -> dict[str, Any] | None:
        """Return what was seen, as JSON; None where that can't be told, or changed while it was looked at."""
        hashed, entries, now = 0, [], time.time_ns()
        for path, before in sorted(self.seen.items()):
            if self.opaque is not None or _look(path) != before:
                return None
            racy = before is not None and now - max(before[1], before[2]) < RACY_NS
            if racy and before is not None:
                hashed += max(before[0], 0)
                if hashed > MOST_HASHED:
                    return None
            entries.append([path, before, _digest(path) if racy else None])
        return None if self.opaque is not None else {"version": 1, **_surroundings(), "seen": entries}

    # ---- called by the audit hook -----------------------------------------------------------------------------

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take one audit event in. Never raises."""
        if self.opaque is not None or event in HARMLESS:
            return
        try:
            handler = _HANDLERS.get(event)
            if handler is None:
                self.opaque = f"it uses {event}"
            else:
                handler(self, *arguments)
        except Exception as error:
            self.opaque = f"{event} could not be followed: {type(error).__name__}"

    def _opened(self, path: Any, mode: Any, flags: Any) -> None:
        if isinstance(path, int):
            self.opaque = "it opens a file descriptor"
            return
        name = _absolute(os.fsdecode(path))
        if is_installed_file(name) or "/__pycache__/" in name:
            return  # a module that is being imported
        if (isinstance(flags, int) and flags & WRITE_FLAGS) or (isinstance(mode, str) and set(mode) & set("wax+")):
            self.opaque = f"it writes {name}"
        elif name.startswith(("/proc/", "/sys/", "/dev/")):
            self.opaque = f"it reads {name}"
        else:
            self._add(name)

    def _listed(self, path: Any = None) -> None:
        if isinstance(path, int):
            self.opaque = "it lists a file descriptor"
        else:
            self._add(_absolute(os.fsdecode(path if path is not None else ".")))

    def _globbed(self, pattern: Any, folder: Any = None, recursive: bool = False) -> None:
        self._matched(os.path.join(os.fsdecode(folder if folder is not None else "."), os.fsdecode(pattern)), recursive)

    def _path_globbed(self, folder: Any, pattern: Any) -> None:
        self._matched(os.path.join(os.fspath(folder), str(pattern)), True)

    def _matched(self, pattern: str, recursive: bool) -> None:
        """Note what a pattern looks up without an event: all before its first wildcard.

        What a name after a wildcard finds can't be told, except after ``**``, which lists every folder.
        """
        parts = PurePath(_absolute(pattern)).parts
        first = next((n for n, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
        self._add(os.path.join(*parts[:first]))
        for part in parts[first:]:
            if part == "**" and recursive:
                break
            if not set(part) & set("*?["):
                self.opaque = f"it looks for {part} in folders that it does not list"

    def _add(self, path: str) -> None:
        if path not in self.seen:
            self.seen[path] = _look(path)
            if len(self.seen) > MOST_ENTRIES:
                self.opaque = f"it sees more than {MOST_ENTRIES} files and folders"


_HANDLERS: dict[str, Callable[..., None]] = {
    "open": Watch._opened,
    "os.listdir": Watch._listed,
    "os.scandir": Watch._listed,
    "glob.glob": lambda watch, pattern, recursive: None,  # the same as the next, with less said
    "glob.glob/2": lambda watch, pattern, recursive, root, dir_fd: watch._globbed(pattern, root, recursive),
    "pathlib.Path.glob": Watch._path_globbed,
    "pathlib.Path.rglob": lambda watch, folder, pattern: watch._path_globbed(folder, os.path.join("**", pattern)),
}


def _absolute(path: str) -> str:
    """``path`` from the root, not tidied up: ``a/..`` need not be where ``a`` is."""
    return os.path.join(os.getcwd(), path)


def _install_hook() -> None:
    global _hooked  # noqa: PLW0603 - a hook can't be removed: one for the process, from the first watch on
    with _hook_lock:
        if not _hooked:
            sys.addaudithook(_hook)
            _hooked = True


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watches:
        watch = _watches.get(threading.get_ident())
        if watch is not None:
            watch.note(event, arguments)


def _look(path: str) -> Look:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise OSError(f"{path} is neither a file nor a folder")
    size = -1 if stat.S_ISDIR(found.st_mode) else found.st_size
    return [size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _digest(path: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    if os.path.isdir(path):
        for name in sorted(os.listdir(os.fsencode(path))):
            digest.update(name + b"\0")
    else:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _surroundings() -> dict[str, str]:
    return {"cwd": os.getcwd(), "home": os.environ.get("HOME", "")}


def unchanged(snapshot: dict[str, Any] | None) -> bool:
    """Whether everything in ``snapshot`` is as it was. Any doubt is a no."""
    if not snapshot or snapshot.get("version") != 1:
        return False
    try:
        if any(snapshot[name] != value for name, value in _surroundings().items()):
            return False
        return all(
            _look(path) == before and (digest is None or _digest(path) == digest)
            for path, before, digest in snapshot["seen"]
        )
    except (OSError, KeyError, TypeError, ValueError):
        return False
