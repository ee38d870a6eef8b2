"""A rotation finds every wrapped key there is: they are made in one place and kept in one table."""

import ast

from app.store import tables as _tables  # noqa: F401  its import fills the metadata
from app.store.db import Base


def test_data_keys_are_made_in_one_place(sources):
    """There the re-wrap is told to wait; one made elsewhere could stay under a key that is then retired."""
    makers = {
        source.name
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) in {"new_data_key", "add_data_key"}
    }
    assert makers == {"app/domain/keys/operations.py"}


def test_wrapped_keys_are_in_the_one_table_that_is_walked_over():
    named = {table.fullname for table in Base.metadata.tables.values() if "kek_id" in table.columns}
    # the second holds no key: it shows which one is the right one, and goes when that is retired
    assert named == {"app.data_keys", "registry.key_proofs"}
