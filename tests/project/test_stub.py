"""`rover/_engine.pyi` documents the native module: same classes, same methods, same arguments."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from rover import _engine

STUB = ast.parse((Path(__file__).parents[2] / "rover/_engine.pyi").read_text())


def documented() -> dict[str, dict[str, list[str]]]:
    """Arguments of the functions (under "") and of the methods of each class."""
    found: dict[str, dict[str, list[str]]] = {"": {}}
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            found[""][node.name] = names_of(node)
        if isinstance(node, ast.ClassDef) and not node.bases:
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            found[node.name] = {method.name: names_of(method)[1:] for method in methods}
    return found


def names_of(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in function.args.args]


def arguments_of(function) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_every_public_name_is_documented_and_every_documented_name_exists():
    stated = {node.name for node in STUB.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert stated == {name for name in dir(_engine) if not name.startswith("_")}


def test_every_function_has_the_documented_arguments():
    for name, arguments in documented()[""].items():
        assert arguments_of(getattr(_engine, name)) == arguments, name


def test_every_class_has_the_documented_methods():
    for name, methods in documented().items():
        if not name:
            continue
        native = getattr(_engine, name)
        assert {method for method in dir(native) if not method.startswith("_")} == {
            method for method in methods if not method.startswith("_")
        }, name
        for method, arguments in methods.items():
            function = native if method == "__init__" else getattr(native, method)
            assert arguments_of(function) == arguments, f"{name}.{method}"


def test_the_exceptions_are_the_documented_ones():
    for name in ("KernelUnsupported", "ProgramRejected"):
        assert issubclass(getattr(_engine, name), RuntimeError)
