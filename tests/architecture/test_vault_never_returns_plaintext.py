"""Secrets are opened in the vault and nowhere else, and nothing that it offers gives one back."""

import ast
import importlib
import inspect
import typing

from app.domain.secrets import Secret
from app.vault._cipher import Plain

PLAIN = (Secret, Plain, bytes, bytearray, memoryview)


def public_functions(module):
    """Name and function, also of the public classes that the module defines."""
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(member):
            for inner, function in inspect.getmembers(member):
                home = getattr(inspect.unwrap(function), "__module__", None) if callable(function) else None
                if not inner.startswith("_") and home == module.__name__:
                    yield f"{name}.{inner}", function
        elif inspect.isfunction(member):
            yield name, member


def parts_of(annotation):
    """The annotation and everything inside it."""
    yield annotation
    for inner in typing.get_args(annotation):
        yield from parts_of(inner)


def test_no_public_function_of_the_vault_is_annotated_to_return_plaintext(sources):
    checked = 0
    for source in sources:
        stem = source.name.removesuffix(".py")
        if stem.startswith("app/vault/") and not stem.rpartition("/")[2].startswith("_"):
            for name, function in public_functions(importlib.import_module(stem.replace("/", "."))):
                answer = typing.get_type_hints(inspect.unwrap(function))["return"]
                assert not set(parts_of(answer)) & set(PLAIN), name
                assert answer is not typing.Any, name
                checked += 1
    assert checked >= 10


def test_only_the_vault_reveals(sources):
    callers = {
        source.name
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr == "reveal"
    }
    assert callers
    assert all(name.startswith("app/vault/") for name in callers)


def test_only_the_vault_handles_plain_bytes(sources):
    importers = {
        source.name
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "Plain" for alias in node.names)
    }
    assert importers
    assert all(name.startswith("app/vault/_") or name == "app/vault/door.py" for name in importers)
