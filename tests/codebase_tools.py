"""What the rules of the codebase look at: files that git knows, includes, imports, functions and their lengths."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def files(*patterns: str) -> list[Path]:
    """The files that git tracks, or would track, below the root; ``patterns`` as in .gitignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted({ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path), str(path))


@dataclass(frozen=True)
class Function:
    path: Path
    name: str
    line: int
    length: int  # lines of code in its body


def module_name(path: Path) -> str:
    """``headrace.cli.run`` for python/headrace/cli/run.py."""
    parts = path.relative_to(ROOT / "python").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@dataclass(frozen=True)
class Imported:
    name: str  # the full name of a module, or of something in it
    line: int
    lazy: bool  # inside a function


def imports_of(path: Path) -> Iterator[Imported]:
    """All imports of a module of headrace, relative ones made absolute."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node, lazy in _walk(tree_of(path), False):
        if isinstance(node, ast.Import):
            yield from (Imported(alias.name, node.lineno, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (Imported(f"{module}.{alias.name}", node.lineno, lazy) for alias in node.names)


def _walk(node: ast.AST, lazy: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        inside = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child, inside
        yield from _walk(child, inside)


def python_functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield Function(path, node.name, node.lineno, _body_lines(node, text_of(path).splitlines()))


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """Lines of code in a function's body: without the docstring, comments, blank lines and functions inside it."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    inside = set(range(body[0].lineno, (node.end_lineno or node.lineno) + 1))
    for inner in ast.walk(node):
        if inner is not node and isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside -= set(range(inner.lineno, (inner.end_lineno or inner.lineno) + 1))
    return sum(1 for n in inside if lines[n - 1].strip() and not lines[n - 1].lstrip().startswith("#"))


_CPP_NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^()\s]{0,16})\(.*?\)(?P=mark)"|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'',
    re.DOTALL,
)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)


@cache
def cpp_code(path: Path) -> str:
    """C++ without comments, texts and directives, line by line as it was."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found[0])

    without = re.sub(r"(?<=\d)'(?=\d)", "0", text_of(path))  # 1'000
    return _DIRECTIVE.sub(blank, _CPP_NOISE.sub(blank, without))


def cpp_functions(path: Path) -> Iterator[Function]:
    """Functions with their bodies: an opening brace after a parameter list, outside any other function."""
    code = cpp_code(path)
    scopes: list[tuple[str, int, str]] = []  # what it is, where it starts, its name
    head = 0
    for found in re.finditer(r"[{};]", code):
        place = found.start()
        before = code[head:place]
        head = place + 1
        if found[0] == "{":
            scopes.append((_kind(before, [kind for kind, _, _ in scopes]), place - len(before.lstrip()), before))
        elif found[0] == "}" and scopes:
            kind, start, name = scopes.pop()
            if kind == "function":
                body = code[start + len(name.lstrip()) : place + 1].splitlines()
                yield Function(
                    path, _name(name), code.count("\n", 0, start) + 1, sum(1 for line in body if line.strip())
                )


def _kind(before: str, around: list[str]) -> str:
    if "function" in around or "other" in around:
        return "other"
    if re.search(r"\bnamespace\b|\bextern\s*$", before):
        return "scope"
    if re.search(r"\b(class|struct|union|enum)\b", before) and not re.search(r"\)[^()]*$", before):
        return "scope"
    return "function" if re.search(r"\)[^()=]*(:[^:].*)?$", before, re.DOTALL) else "other"


def _name(head: str) -> str:
    found = re.search(r"([\w:~]+(?:\s*operator\s*\S+)?)\s*\(", head)
    return found[1] if found else "?"
