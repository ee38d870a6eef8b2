"""What a change can ask for is what a worker does, and what happens by itself says why."""

import re
from typing import get_args

from croniter import croniter

from app.domain.ports import JobKind
from app.jobs.schedule import SCHEDULE, TENANT_JOBS


def test_every_kind_of_work_has_one_job():
    assert sorted(job.kind for job in TENANT_JOBS) == sorted(get_args(JobKind))


def test_every_kind_of_work_is_asked_for_somewhere(sources):
    asked = {kind for source in sources for kind in re.findall(r'enqueue\("([^"]+)"', source.text)}
    assert asked == set(get_args(JobKind))


def test_every_scheduled_job_has_a_valid_time_and_a_reason():
    for job in SCHEDULE:
        assert len(job.cron.split()) in {5, 6}
        assert croniter.is_valid(job.cron)
        assert job.why
        assert job.name not in get_args(JobKind)
    assert len({job.name for job in SCHEDULE}) == len(SCHEDULE)


def test_every_job_for_a_tenant_says_why():
    assert all(job.why for job in TENANT_JOBS)
