"""Names of things, so that a client key is never passed where a cloud id is meant."""

from typing import NewType

TenantId = NewType("TenantId", int)
"""Our own key of one Jira site; never shown to it and never taken from a request."""

InstallationId = NewType("InstallationId", int)
"""Our own key of one trust relation (Connect or Forge) of a tenant."""

ClientKey = NewType("ClientKey", str)
"""Connect's name of an installation: `iss` of its tokens; changes when a site is imported."""

CloudId = NewType("CloudId", str)
"""Atlassian's name of a site."""

AccountId = NewType("AccountId", str)
"""Atlassian's name of a person; opaque, case-sensitive, personal data."""

ProjectId = NewType("ProjectId", int)
"""Jira's numeric id of a project; unlike the key nobody can change it."""

IssueId = NewType("IssueId", int)
"""Jira's numeric id of an issue; unlike the key it survives a move between projects."""

HOUSE = TenantId(0)
"""Our own audit log: for what concerns no tenant, or all of them. It has no installation and no data."""
