"""Bounds as they would be stored, without facts that they follow from."""

from app.domain.tracking.derived import IssueBounds


def save_bounds(uow, issue, *, policy="p", silent_before=None, **promises):
    """Store exactly these of that issue: by promise, with hyphens for underscores, the bounds of its cycles."""
    project = uow.issues.find(issue).project
    cycles = tuple((name.replace("_", "-"), each) for name, bounds in promises.items() for each in bounds)
    uow.bounds.save([IssueBounds(issue, project, cycles)], policy=policy, silent_before=silent_before)
