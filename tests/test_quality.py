"""What a machine can check of the style: sizes, state, imports, examples."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from automl.architectures.catalogue import FAMILIES

ROOT = Path(__file__).parent.parent
FILES = sorted(path for part in ("automl", "metalearn", "tests") for path in (ROOT / part).rglob("*.py"))
LIBRARY = [path for path in FILES if path.relative_to(ROOT).parts[0] != "tests"]
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
FOUND_SLOW = ("ConfigSpace", "hpbandster", "optuna", "pandas", "sklearn", "smac", "sqlalchemy", "torch")
MUTATING = {"add", "append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}
MODULES_WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in LIBRARY
    if ">>>" in path.read_text(encoding="utf-8") and path.name not in ("estimator.py", "image_estimator.py")
]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_files_and_functions_stay_small(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines; split it"
    long = [f.name for f in functions(parsed(path)) if lines_of(f) > LONGEST_FUNCTION]
    assert not long, f"longer than {LONGEST_FUNCTION} lines: {long}"


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From the first decorator to the last statement, docstring included."""
    first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
    return (function.end_lineno or function.lineno) - first + 1


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_no_function_changes_what_its_module_holds(path: Path) -> None:
    tree = parsed(path)
    held = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    found = [change for function in functions(tree) for change in changes(function, held)]
    assert not found, f"state at module level: {found}"


def changes(function: ast.FunctionDef | ast.AsyncFunctionDef, held: set[str]) -> Iterator[str]:
    """Lines that rebind or change a name of the module that the function does not bind itself."""
    own = {a.arg for a in ast.walk(function) if isinstance(a, ast.arg)}
    own |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    shared = held - own
    for node in ast.walk(function):
        changed: ast.expr | None = None
        if isinstance(node, ast.Global):
            yield f"line {node.lineno}: global {', '.join(node.names)}"
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            changed = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATING:
            changed = node.func.value
        if isinstance(changed, ast.Name) and changed.id in shared:
            yield f"line {node.lineno}: {ast.unparse(node)}"  # type: ignore[attr-defined]


def imported_by(statement: str) -> tuple[set[str], float]:
    """Top-level packages that a fresh interpreter holds after the statement, and the seconds that it took."""
    program = (
        f"import sys, time; t = time.perf_counter(); {statement}; "
        "print(time.perf_counter() - t, *{name.partition('.')[0] for name in sys.modules})"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    seconds, *packages = answer.stdout.split()
    return set(packages), float(seconds)


@pytest.mark.parametrize("statement", ["import automl", "import automl.cli"])
def test_importing_takes_less_than_a_second_and_no_library_that_is_slow(statement: str) -> None:
    packages, _ = imported_by(statement)
    assert not packages & set(FOUND_SLOW)
    assert min(imported_by(statement)[1] for _ in range(3)) < 1.0


def test_reading_a_saved_model_needs_no_library_of_the_search() -> None:
    packages, _ = imported_by("import automl.estimator, automl.saving")
    assert not packages & {"ConfigSpace", "hpbandster", "optuna", "smac", "sqlalchemy", "torch"}


def test_all_public_names_can_be_imported() -> None:
    import automl

    for public in automl.__all__:
        assert getattr(automl, public) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = automl.nothing


@pytest.mark.parametrize("module", MODULES_WITH_EXAMPLES)
def test_the_examples_in_docstrings_hold(module: str) -> None:
    failed, tried = doctest.testmod(import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried > 0
    assert failed == 0


@pytest.mark.slow
@pytest.mark.parametrize(("module", "least"), [("automl.estimator", 6), ("automl.image_estimator", 4)])
def test_the_examples_of_the_estimators_hold(module: str, least: int) -> None:
    failed, tried = doctest.testmod(import_module(module))
    assert tried >= least
    assert failed == 0


def test_every_family_is_in_the_contract_that_families_do_not_know_each_other() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {c["name"]: c for c in settings["tool"]["importlinter"]["contracts"]}
    modules = {place.partition(":")[0] for place in FAMILIES.values()}
    assert set(contracts["Families do not know each other"]["modules"]) == modules
