"""The rules of the codebase, as tests: who may know whom, how long things may be, and that no test is forgotten."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
import tomllib

from codebase_tools import (
    ROOT,
    cpp_code,
    cpp_functions,
    files,
    imports_of,
    module_name,
    python_functions,
    shown,
    text_of,
    tree_of,
)

CPP = files("cpp/*.h", "cpp/*.cpp")
BINDINGS = files("bindings/*.h", "bindings/*.cpp")
PYTHON = files("python/headrace/*.py")
TEST_FILES = [path for path in files("tests/*.py") if path.name.startswith("test_")]
CPP_TESTS = files("tests/cpp/*_test.cpp")
NOTEBOOKS = files("notebooks/*.ipynb")


def complain(faults: list[str]) -> None:
    """Fail with every fault, not just the first."""
    if faults:
        pytest.fail("\n" + "\n".join(faults), pytrace=False)


def test_there_is_something_to_look_at():
    for found in (CPP, BINDINGS, PYTHON, TEST_FILES, CPP_TESTS):
        assert len(found) >= 4


# ---- who may know whom ------------------------------------------------------------------------------------------

CPP_MODULES = {
    "base": set(),
    "store": {"base"},
    "text": {"base"},
    "embed": {"base"},
    "collect": {"base"},
    "flow": {"base", "store", "text", "embed", "collect"},
}


def test_cpp_modules_include_only_what_lies_below_them():
    faults = []
    for path in CPP:
        parts = path.relative_to(ROOT / "cpp").parts
        module = parts[2] if parts[0] == "include" else parts[1] if parts[0] == "src" else None
        for header in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)', text_of(path), re.MULTILINE):
            wanted = header.split("/")[1] if header.startswith("headrace/") and header.count("/") > 1 else None
            if module in CPP_MODULES and wanted and wanted != module and wanted not in CPP_MODULES[module]:
                faults.append(f"{shown(path)}: {module} may not include {header}")
            if module == "flow" and "sqlite" in header.lower():
                faults.append(f"{shown(path)}: flow knows the store's interface, not {header}")
            if header.startswith("..") or "/src/" in header:
                faults.append(f"{shown(path)}: {header} goes around the public headers")
    complain(faults)


def test_cpp_knows_no_python():
    word = re.compile(r"python|pybind|\bPy[A-Z]\w+|\bGIL\b", re.IGNORECASE)
    faults = [f"{shown(path)}: {found[0]}" for path in CPP if (found := word.search(cpp_code(path)))]
    include = re.compile(r"#\s*include.*(pybind|Python\.h)")
    complain(faults + [f"{shown(path)}: {found[0]}" for path in CPP if (found := include.search(text_of(path)))])


def test_bindings_and_examples_use_public_headers():
    faults = []
    for path in [*BINDINGS, *files("cpp/examples/*.cpp")]:
        for header in re.findall(r'#\s*include\s*"([^"]+)"', text_of(path)):
            if not (header.startswith("headrace/") or (path.parent / header).is_file()):
                faults.append(f"{shown(path)}: {header}")
    complain(faults)


# A package may import those of its own layer and of the layers below.
LAYERS = [
    {"_core"},
    {"errors", "types", "stage"},
    {"_internal", "context"},
    {"graph", "pipeline", "plan", "run", "store", "config", "text", "embed", "collect"},
    {"connectors", "widgets", "cli", "__main__"},
    {"pipelines"},
]
LAZY_UPWARDS = {
    ("types", "widgets"): "_repr_html_ draws with widgets when a notebook asks for it",
    ("graph", "widgets"): "graphs draw themselves when a notebook asks for it",
    ("run", "widgets"): "runs draw themselves when a notebook asks for it",
    ("store", "widgets"): "stores and their runs draw themselves when a notebook asks for it",
    ("plan", "widgets"): "plans draw themselves when a notebook asks for it",
}


def layer_of(name: str) -> int | None:
    part = name.split(".")[1] if name.startswith("headrace.") else ""
    return next((n for n, layer in enumerate(LAYERS) if part in layer), None)


def test_python_packages_import_only_what_lies_below_them():
    faults = []
    for path in PYTHON:
        mine = module_name(path)
        if mine == "headrace":
            continue
        assert layer_of(mine) is not None, f"{shown(path)}: give {mine} a layer in tests/test_codebase.py"
        for imported in imports_of(path):
            wanted = layer_of(imported.name)
            if wanted is None or wanted <= layer_of(mine):
                continue
            if imported.lazy and (mine.split(".")[1], imported.name.split(".")[1]) in LAZY_UPWARDS:
                continue
            faults.append(f"{shown(path)}:{imported.line}: {mine} may not import {imported.name}")
    complain(faults)


def test_only_glue_and_api_know_the_core():
    outside = [path for path in PYTHON if (layer_of(module_name(path)) or 0) > 3]
    assert outside
    complain([shown(path) for path in outside for i in imports_of(path) if i.name.startswith("headrace._core")])


def test_connectors_and_pipelines_do_not_know_each_other():
    faults = []
    for kind in ("connectors", "pipelines"):
        systems = {path.name for path in (ROOT / "python/headrace" / kind).iterdir() if path.is_dir()}
        for path in files(f"python/headrace/{kind}/*.py"):
            mine = (*module_name(path).split("."), "")[2]
            for imported in imports_of(path):
                wanted = (*imported.name.split("."), "", "")[:3]
                if wanted[:2] == ("headrace", kind) and wanted[2] in systems - {mine}:
                    faults.append(f"{shown(path)}:{imported.line}: {mine or kind} knows {wanted[2]}")
    complain(faults)


PROBE = """
import sys, time
import numpy
before, started = set(sys.modules), time.process_time()
import headrace
spent = time.process_time() - started
print(spent, *sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""
LIGHT = {"headrace", "tqdm"}


def test_importing_headrace_is_quick_and_needs_no_extra():
    answers = [
        subprocess.run(
            [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, timeout=60
        ).stdout.split()
        for _ in range(3)
    ]
    loaded = {name for name in answers[0][1:] if not name.startswith("_")} - sys.stdlib_module_names
    assert loaded <= LIGHT
    assert min(float(answer[0]) for answer in answers) < 0.2


# ---- sizes ------------------------------------------------------------------------------------------------------

LONG_FILES = {
    "cpp/src/text/unicode_tables.cpp": "generated from the Unicode Character Database",
    "cpp/src/text/tokenizer_tables.cpp": "generated by tools/tokenizer_tables.py",
    "cpp/src/flow/engine.h": "one class whose parts are spread over files; being split",
    "bindings/python_stage.cpp": "being split",
}
LONG_FUNCTIONS = {
    "python/headrace/pipelines/documents/summary.py:summarise": "being split",
    "cpp/src/flow/execute.cpp:Runner::Engine::execute": "being split",
    "cpp/src/flow/monitor.cpp:Runner::Engine::finish_run": "being split",
    "cpp/src/flow/scheduler.cpp:Runner::Engine::take_task": "being split",
    "cpp/src/store/claim.cpp:SqliteStore::start_or_resume": "being split",
}
FILE_BUDGETS = [(files("cpp/*.h"), 200), (files("cpp/*.cpp"), 400), (BINDINGS, 250), (PYTHON, 500)]
FUNCTION_BUDGET = 40  # lines of code in the body
LISTING_BUDGET = 120  # of a binding: one .def after the other, no logic


def test_files_are_short():
    lengths = [(path, text_of(path).count("\n"), budget) for found, budget in FILE_BUDGETS for path in found]
    long = {
        shown(path): f"{shown(path)} has {n} lines, {budget} are allowed" for path, n, budget in lengths if n > budget
    }
    complain([fault for name, fault in long.items() if name not in LONG_FILES])
    complain([f"the allowance for {name} is not needed any more" for name in LONG_FILES if name not in long])


def test_functions_are_short():
    found = [f for path in [*CPP, *BINDINGS] for f in cpp_functions(path)]
    found += [f for path in PYTHON for f in python_functions(path)]
    assert len(found) > 500
    long = {}
    for function in found:
        allowed = LISTING_BUDGET if function.name.startswith(("bind_", "PYBIND11_MODULE")) else FUNCTION_BUDGET
        if function.length > allowed:
            place = f"{shown(function.path)}:{function.line}"
            fault = f"{place}: {function.name} has {function.length} lines, {allowed} are allowed"
            long[f"{shown(function.path)}:{function.name}"] = fault
    complain([fault for name, fault in long.items() if name not in LONG_FUNCTIONS])
    complain([f"the allowance for {name} is not needed any more" for name in LONG_FUNCTIONS if name not in long])


# ---- tests ------------------------------------------------------------------------------------------------------


def test_every_cpp_test_is_registered():
    build = ROOT / "build/dev"
    listed = subprocess.run(
        ["ctest", "--test-dir", str(build), "-N", "--show-only=json-v1"], capture_output=True, text=True, check=True
    ).stdout
    registered = {test["name"] for test in json.loads(listed)["tests"]}
    faults = []
    for path in CPP_TESTS:
        names = re.findall(r"^\s*(TEST|TEST_F|TEST_P|TYPED_TEST)\(\s*(\w+),\s*(\w+)\s*\)", cpp_code(path), re.MULTILINE)
        if not names:
            faults.append(f"{shown(path)} has no test")
        for kind, suite, name in names:
            derived = rf"(.*/)?{suite}(/\d+)?\.{name}([/<].*)?"  # of parameters and of types
            if not any(
                re.fullmatch(f"{suite}.{name}" if kind in ("TEST", "TEST_F") else derived, n) for n in registered
            ):
                faults.append(f"{shown(path)}: {suite}.{name} is not registered with ctest (is build/dev up to date?)")
    complain(faults)


def test_every_python_test_is_collected(request):
    faults = [f"{shown(path)} has no test" for path in TEST_FILES if not _test_names(path)]
    for path in files("tests/*.py"):
        if path not in TEST_FILES and path.name != "conftest.py" and _test_names(path):
            faults.append(f"{shown(path)} has tests, but its name does not start with test_")
    options = request.config.option
    whole = request.config.args == request.config.getini("testpaths") and not options.keyword
    if whole:  # a run of everything shows what was really collected
        collected = {item.path for item in request.session.items}
        faults += [
            f"{shown(path)} was not collected" for path in TEST_FILES if path not in collected and not _soak(path)
        ]
    complain(faults)


def _test_names(path: Path) -> list[str]:
    tree = tree_of(path)
    found = [n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
    return [name for name in found if name.startswith(("test_", "Test"))]


def _soak(path: Path) -> bool:
    return "pytest.mark.soak" in text_of(path)


def test_nothing_is_skipped_without_a_reason():
    faults = []
    for path in [*TEST_FILES, *files("tests/conftest.py", "tests/*/conftest.py")]:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and (fault := _skip_fault(node)):
                faults.append(f"{shown(path)}:{node.lineno}: {fault}")
            for decorator in getattr(node, "decorator_list", ()):
                if ast.unparse(decorator) in ("pytest.mark.skip", "pytest.mark.xfail"):
                    faults.append(f"{shown(path)}:{node.lineno}: {ast.unparse(decorator)} without a reason")
            if isinstance(node, ast.Name) and node.id in ("collect_ignore", "collect_ignore_glob"):
                faults.append(f"{shown(path)}:{node.lineno}: {node.id}")
    for path in CPP_TESTS:
        if found := re.search(r"\bDISABLED_\w+|GTEST_SKIP\(\)\s*;", cpp_code(path)):
            faults.append(f"{shown(path)}: {found[0]}")
    complain(faults)


def _skip_fault(node: ast.Call) -> str | None:
    name = ast.unparse(node.func)
    if not re.fullmatch(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)", name):
        return None
    reason = next((k.value for k in node.keywords if k.arg == "reason"), node.args[0] if node.args else None)
    said = isinstance(reason, ast.Constant) and isinstance(reason.value, str) and len(reason.value) > 10
    return None if said or isinstance(reason, ast.JoinedStr) else f"{name} without a reason"


# ---- one truth --------------------------------------------------------------------------------------------------


def test_there_is_one_version():
    import headrace

    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["version"]
    cmake = re.search(r"project\(headrace VERSION ([\d.]+)", text_of(ROOT / "CMakeLists.txt"))
    assert headrace.__version__ == project == cmake[1]


def test_public_names_are_documented():
    faults = []
    for path in PYTHON:
        name = module_name(path)
        if any(part.startswith("_") for part in name.split(".")) or name.endswith("__main__"):
            continue
        assigned = [
            n for n in tree_of(path).body if isinstance(n, ast.Assign) and "__all__" in map(ast.unparse, n.targets)
        ]
        if not assigned and tree_of(path).body[1:]:
            faults.append(f"{shown(path)} has no __all__")
    headrace = importlib.import_module("headrace")
    for name in headrace.__all__:
        value = getattr(headrace, name)
        if isinstance(value, (type, types.FunctionType)) and not (value.__doc__ or "").strip():
            faults.append(f"headrace.{name} has no docstring")
    complain(faults)


def test_notebooks_are_stripped_and_check_themselves():
    faults = []
    for path in NOTEBOOKS:
        cells = [cell for cell in json.loads(text_of(path))["cells"] if cell["cell_type"] == "code"]
        if any(cell["outputs"] or cell["execution_count"] for cell in cells):
            faults.append(f"{shown(path)} holds outputs: strip it")
        if not cells or "assert" not in "".join(cells[-1]["source"]):
            faults.append(f"{shown(path)}: its last cell asserts nothing")
    complain(faults)


# ---- words that must not appear ---------------------------------------------------------------------------------

FORBIDDEN_CALLS = re.compile(
    r"(^|\.)(pickle\.(loads?|Unpickler)|cPickle\.\w+|dill\.loads?|cloudpickle\.loads?|marshal\.loads?|shelve\.open"
    r"|os\.system|os\.popen|yaml\.(load|unsafe_load|full_load)|joblib\.load)$|^(eval|exec)$"
)
# The codec that a stage asks for by its name; see hr.Codec.
ASKED_FOR = {("python/headrace/_internal/given_codecs.py", "pickle.loads(data)")}


def test_dangerous_calls_do_not_appear():
    faults = []
    for path in [*PYTHON, *files("tools/*.py")]:
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            options = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if (shown(path), ast.unparse(node)) in ASKED_FOR:
                continue
            if FORBIDDEN_CALLS.search(name) or options.get("shell") == "True" or options.get("verify") == "False":
                faults.append(f"{shown(path)}:{node.lineno}: {ast.unparse(node):.80}")
    complain(faults)


def test_nothing_is_left_to_do():
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|not implemented yet", re.IGNORECASE)
    faults = []
    for path in [*CPP, *BINDINGS, *PYTHON, *files("tools", "docs", "tests/*.py", "tests/*.cpp")]:
        if path == Path(__file__) or path.suffix in (".db", ".bin") or "fixtures" in path.parts:
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|HACK)\b", line) and marks.search(line):
                faults.append(f"{shown(path)}:{number}: {line.strip():.80}")
    complain(faults)
