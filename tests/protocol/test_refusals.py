"""Every reason has a code of its own, a message and one answer."""

import pytest

from app.protocol import refusals

GROUPS = {refusals.Refusal, refusals.TokenRefused, refusals.NotForThis}
REASONS = [
    member
    for member in vars(refusals).values()
    if isinstance(member, type) and issubclass(member, refusals.Refusal) and member not in GROUPS
]


def test_no_two_reasons_share_a_code():
    codes = [reason.code for reason in [*REASONS, *GROUPS]]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.__name__)
def test_a_reason_is_of_one_group_and_its_docstring_is_its_message(reason):
    groups = [group for group in (refusals.TokenRefused, refusals.NotForThis) if issubclass(reason, group)]
    assert len(groups) == 1 or reason is refusals.KeySetUnfit
    assert str(reason()) == reason.__doc__
    assert "(exp)" in str(reason("exp"))
