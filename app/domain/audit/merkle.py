"""The Merkle tree of RFC 6962 §2.1 (the same as RFC 9162 §2.1) over leaf hashes: roots, proofs and their checks.

A proof is a list of roots of neighbouring ranges of leaves, so that one walk over the leaves makes it, in memory that
grows with their logarithm: `inclusion_ranges` and `consistency_ranges` name the ranges, `roots_of` hashes them.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Self

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
LEAF: Final = b"\x00"
"""A leaf and an inner node must never hash alike, or a node could be passed off as a leaf."""
_NODE: Final = b"\x01"

Range = tuple[int, int]
"""Leaves from the first index up to, not including, the second."""


class ProofRefused(Exception):
    """The proof does not prove it."""


def leaf_hash_of(data: bytes) -> bytes:
    """The hash of a leaf with that content."""
    return hashlib.sha256(LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(_NODE + left + right).digest()


class CompactRange:
    """The first `size` leaves, as the roots of the complete subtrees that they fill: all that appending needs."""

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    @classmethod
    def restored(cls, size: int, frontier: bytes) -> Self:
        """From what `frontier` gave; raises `ValueError` where these do not belong together."""
        if len(frontier) != size.bit_count() * HASH_BYTES:
            raise ValueError(f"{len(frontier)} bytes are no frontier of {size} leaves")
        made = cls()
        made.size = size
        made._roots = [frontier[start : start + HASH_BYTES] for start in range(0, len(frontier), HASH_BYTES)]
        return made

    def frontier(self) -> bytes:
        """The roots, the largest subtree first."""
        return b"".join(self._roots)

    def append(self, leaf: bytes) -> None:
        """One more leaf, by its hash."""
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(self._roots.pop(), node)
            size >>= 1
        self._roots.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree."""
        if not self._roots:
            return EMPTY_ROOT
        *others, node = self._roots
        for left in reversed(others):
            node = node_hash(left, node)
        return node


def inclusion_ranges(index: int, size: int) -> tuple[Range, ...]:
    """Whose roots prove that leaf `index` is in a tree of that size (PATH of RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    return tuple(_path(index, 0, end=size))


def consistency_ranges(old: int, new: int) -> tuple[Range, ...]:
    """Whose roots prove that a tree of size `old` grew to size `new` (PROOF of RFC 6962 §2.1.2)."""
    if not 0 < old <= new:
        raise ValueError(f"no tree of {new} leaves has grown out of one of {old}")
    return tuple(_subproof(old, (0, new), is_known=True))


def roots_of(ranges: Sequence[Range], leaves: Iterable[bytes]) -> tuple[bytes, ...]:
    """The root of each of these ranges, which do not overlap, in one walk over the tree's leaf hashes."""
    filled = {wanted: CompactRange() for wanted in ranges}
    ordered = iter(sorted(ranges))
    current = next(ordered, None)
    for index, leaf in enumerate(leaves):
        while current is not None and index >= current[1]:
            current = next(ordered, None)
        if current is None:
            break
        if index >= current[0]:
            filled[current].append(leaf)
    return tuple(filled[wanted].root() for wanted in ranges)


def verify_inclusion(leaf: bytes, proof: Sequence[bytes], *, index: int, size: int, root: bytes) -> None:
    """RFC 9162 §2.1.3.2; raises `ProofRefused`."""
    if not 0 <= index < size or len(root) != HASH_BYTES:
        raise ProofRefused(ProofRefused.__doc__)
    place, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofRefused(ProofRefused.__doc__)
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            place, last = _climbed(place, last)
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    if last != 0 or node != root:
        raise ProofRefused(ProofRefused.__doc__)


def verify_consistency(
    proof: Sequence[bytes], *, old_size: int, new_size: int, old_root: bytes, new_root: bytes
) -> None:
    """RFC 9162 §2.1.4.2; raises `ProofRefused`, also for an old tree without leaves: everything grows out of that."""
    if not 0 < old_size <= new_size or (old_size == new_size) != (not proof):
        raise ProofRefused(ProofRefused.__doc__)
    if not proof:
        if old_root != new_root:
            raise ProofRefused(ProofRefused.__doc__)
        return
    is_complete = old_size & (old_size - 1) == 0
    first, *path = [old_root, *proof] if is_complete else proof
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_node = new_node = first
    for sibling in path:
        if last == 0:
            raise ProofRefused(ProofRefused.__doc__)
        if place & 1 or place == last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            place, last = _climbed(place, last)
        else:
            new_node = node_hash(new_node, sibling)
        place, last = place >> 1, last >> 1
    if last != 0 or (old_node, new_node) != (old_root, new_root):
        raise ProofRefused(ProofRefused.__doc__)


def _climbed(place: int, last: int) -> tuple[int, int]:
    """Past the levels on which the last node of the tree has no sibling."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _path(index: int, start: int, *, end: int) -> Iterator[Range]:
    if end - start == 1:
        return
    middle = start + _split(end - start)
    if index < middle:
        yield from _path(index, start, end=middle)
        yield (middle, end)
    else:
        yield from _path(index, middle, end=end)
        yield (start, middle)


def _subproof(old: int, of: Range, *, is_known: bool) -> Iterator[Range]:
    """`old` counts leaves from the start of the tree; `is_known`: the verifier has the root of that range already."""
    start, end = of
    if old == end:
        if not is_known:
            yield of
        return
    middle = start + _split(end - start)
    if old <= middle:
        yield from _subproof(old, (start, middle), is_known=is_known)
        yield (middle, end)
    else:
        yield from _subproof(old, (middle, end), is_known=False)
        yield (start, middle)


def _split(count: int) -> int:
    """The largest power of two that is smaller than the count."""
    return 1 << (count - 1).bit_length() - 1
