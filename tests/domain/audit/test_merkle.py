"""The tree of RFC 6962 against the vectors of another implementation, and against its definition written naively."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.audit.merkle import (
    EMPTY_ROOT,
    CompactRange,
    ProofRefused,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash_of,
    node_hash,
    roots_of,
    verify_consistency,
    verify_inclusion,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "merkle"
INCLUSION = sorted((VECTORS / "inclusion").rglob("*.json"))
CONSISTENCY = sorted((VECTORS / "consistency").rglob("*.json"))
# RFC 6962 §2.1.3 has a tree of seven leaves; the roots are those of the published vectors of Certificate Transparency.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
SIZES = st.integers(1, 70)


def identifier(path):
    return str(path.relative_to(VECTORS).with_suffix(""))


def decoded(texts):
    return [base64.b64decode(text) for text in texts or ()]


def leaves_of(count):
    return [leaf_hash_of(str(number).encode()) for number in range(count)]


def naive_root(leaves):
    """MTH of RFC 6962 §2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def outcome(check):
    try:
        check()
    except ProofRefused:
        return "refused"
    return "accepted"


def test_all_vectors_are_here():
    assert (len(INCLUSION), len(CONSISTENCY)) == (98, 98)


@pytest.mark.parametrize("path", INCLUSION, ids=identifier)
def test_an_inclusion_proof_is_judged_as_the_vector_says(path):
    case = json.loads(path.read_text())
    leaf, root = base64.b64decode(case["leafHash"] or ""), base64.b64decode(case["root"] or "")
    proof = decoded(case["proof"])
    judged = outcome(
        lambda: verify_inclusion(leaf, proof, index=case["leafIdx"], size=case["treeSize"], root=root),
    )
    assert judged == ("refused" if case["wantErr"] else "accepted"), case["desc"]


@pytest.mark.parametrize("path", CONSISTENCY, ids=identifier)
def test_a_consistency_proof_is_judged_as_the_vector_says(path):
    case = json.loads(path.read_text())
    old, new = base64.b64decode(case["root1"] or ""), base64.b64decode(case["root2"] or "")
    sizes = {"old_size": case["size1"], "new_size": case["size2"]}
    judged = outcome(lambda: verify_consistency(decoded(case["proof"]), **sizes, old_root=old, new_root=new))
    assert judged == ("refused" if case["wantErr"] else "accepted"), case["desc"]


def test_the_roots_of_the_known_tree_are_the_published_ones():
    tree = CompactRange()
    for data in INPUTS:
        tree.append(leaf_hash_of(bytes.fromhex(data)))
    assert tree.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert CompactRange().root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


@given(count=st.integers(0, 200))
def test_a_compact_range_has_the_root_of_the_definition(count):
    tree, leaves = CompactRange(), leaves_of(count)
    for leaf in leaves:
        tree.append(leaf)
    assert (tree.size, tree.root()) == (count, naive_root(leaves))


@given(first=st.integers(0, 100), more=st.integers(0, 100))
def test_a_compact_range_goes_on_where_it_was_put_down(first, more):
    leaves, tree = leaves_of(first + more), CompactRange()
    for leaf in leaves[:first]:
        tree.append(leaf)
    tree = CompactRange.restored(first, tree.frontier())
    for leaf in leaves[first:]:
        tree.append(leaf)
    assert tree.root() == naive_root(leaves)


@pytest.mark.parametrize(("size", "frontier"), [(0, b"x" * 32), (3, b"x" * 32), (4, b"x" * 31), (4, b"")])
def test_a_frontier_of_another_size_is_refused(size, frontier):
    with pytest.raises(ValueError, match="no frontier"):
        CompactRange.restored(size, frontier)


@given(size=SIZES, data=st.data())
def test_every_leaf_of_every_tree_can_be_proven(size, data):
    index, leaves = data.draw(st.integers(0, size - 1)), leaves_of(size)
    proof = roots_of(inclusion_ranges(index, size), iter(leaves))
    verify_inclusion(leaves[index], proof, index=index, size=size, root=naive_root(leaves))


@given(new=SIZES, data=st.data())
def test_every_growth_of_every_tree_can_be_proven(new, data):
    old, leaves = data.draw(st.integers(1, new)), leaves_of(new)
    proof = roots_of(consistency_ranges(old, new), iter(leaves))
    roots = {"old_root": naive_root(leaves[:old]), "new_root": naive_root(leaves)}
    verify_consistency(proof, old_size=old, new_size=new, **roots)


def flipped(values, bit):
    """The same with one bit the other way round."""
    joined = bytearray(b"".join(values))
    joined[bit // 8] ^= 1 << bit % 8
    return [bytes(joined[start : start + 32]) for start in range(0, len(joined), 32)]


@given(size=SIZES, data=st.data())
def test_an_inclusion_proof_with_any_bit_flipped_is_refused(size, data):
    index, leaves = data.draw(st.integers(0, size - 1)), leaves_of(size)
    told = [leaves[index], naive_root(leaves), *roots_of(inclusion_ranges(index, size), leaves)]
    leaf, root, *proof = flipped(told, data.draw(st.integers(0, len(told) * 256 - 1)))
    with pytest.raises(ProofRefused):
        verify_inclusion(leaf, proof, index=index, size=size, root=root)


@given(new=SIZES, data=st.data())
def test_a_consistency_proof_with_any_bit_flipped_is_refused(new, data):
    old, leaves = data.draw(st.integers(1, new)), leaves_of(new)
    told = [naive_root(leaves[:old]), naive_root(leaves), *roots_of(consistency_ranges(old, new), leaves)]
    old_root, new_root, *proof = flipped(told, data.draw(st.integers(0, len(told) * 256 - 1)))
    with pytest.raises(ProofRefused):
        verify_consistency(proof, old_size=old, new_size=new, old_root=old_root, new_root=new_root)


@given(size=st.integers(2, 70), data=st.data())
def test_a_proof_is_of_one_place_only(size, data):
    index, other = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    leaves = leaves_of(size)
    proof = roots_of(inclusion_ranges(index, size), leaves)
    with pytest.raises(ProofRefused):
        verify_inclusion(leaves[index], proof, index=other, size=size, root=naive_root(leaves))


def test_an_inner_node_does_not_pass_for_a_leaf():
    leaves = leaves_of(4)
    node = node_hash(leaves[0], leaves[1])
    with pytest.raises(ProofRefused):
        verify_inclusion(leaf_hash_of(leaves[0] + leaves[1]), [node], index=0, size=2, root=naive_root(leaves))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3)])
def test_what_is_not_in_the_tree_has_no_ranges(index, size):
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_ranges(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 1), (3, 2)])
def test_what_did_not_grow_has_no_ranges(old, new):
    with pytest.raises(ValueError, match="has grown"):
        consistency_ranges(old, new)
