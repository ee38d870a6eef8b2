"""The lint of headers finds what it is there to find: each rule has been seen to fail."""

import pytest

from tests.edge.header_lint import flaws

SITE = "https://example.atlassian.net"
POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
GOOD = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store, no-cache",
    "Content-Security-Policy": POLICY,
    "Server": "gunicorn",
}
PAGE = (
    "default-src 'none'; script-src 'self' https://connect-cdn.atl-paas.net; img-src 'self' data:; "
    f"frame-ancestors {SITE}; base-uri 'none'; form-action 'self'"
)
PROBLEM = {"Content-Type": "application/problem+json"}
WRONG = {
    "no HSTS": {"Strict-Transport-Security": ""},
    "HSTS of a day": {"Strict-Transport-Security": "max-age=86400"},
    "HSTS of a year less a second": {"Strict-Transport-Security": "max-age=31535999; includeSubDomains"},
    "HSTS taken back": {"Strict-Transport-Security": "max-age=0; includeSubDomains"},
    "HSTS with a word of nobody's": {"Strict-Transport-Security": "max-age=63072000; forever"},
    "no nosniff": {"X-Content-Type-Options": ""},
    "no referrer policy": {"Referrer-Policy": ""},
    "referrers to everybody": {"Referrer-Policy": "unsafe-url"},
    "no cache control": {"Cache-Control": ""},
    "no-store alone": {"Cache-Control": "no-store"},
    "no-cache alone": {"Cache-Control": "no-cache"},
    "kept by the browser": {"Cache-Control": "private, max-age=60"},
    "no policy": {"Content-Security-Policy": ""},
    "no default": {"Content-Security-Policy": POLICY.replace("default-src 'none'; ", "")},
    "a default of ourselves": {"Content-Security-Policy": POLICY.replace("default-src 'none'", "default-src 'self'")},
    "inline scripts": {"Content-Security-Policy": POLICY + "; script-src 'unsafe-inline'"},
    "evaluated scripts": {"Content-Security-Policy": POLICY + "; script-src 'self' 'unsafe-eval'"},
    "inline styles": {"Content-Security-Policy": POLICY + "; style-src 'unsafe-inline'"},
    "hashed inline": {"Content-Security-Policy": POLICY + "; script-src 'unsafe-hashes'"},
    "scripts from anywhere": {"Content-Security-Policy": POLICY + "; script-src *"},
    "scripts from any https": {"Content-Security-Policy": POLICY + "; script-src https:"},
    "scripts from data": {"Content-Security-Policy": POLICY + "; script-src data:"},
    "frames for every site": {"Content-Security-Policy": POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")},
    "frames for all of Atlassian": {
        "Content-Security-Policy": POLICY.replace("ancestors 'none'", "ancestors https://*.atlassian.net")
    },
    "frames for a site that is not the tenant's": {
        "Content-Security-Policy": POLICY.replace("ancestors 'none'", "ancestors https://example.com")
    },
    "nothing about frames": {"Content-Security-Policy": POLICY.replace("frame-ancestors 'none'; ", "")},
    "nothing about base": {"Content-Security-Policy": POLICY.replace("base-uri 'none'; ", "")},
    "forms to anywhere": {"Content-Security-Policy": POLICY.replace("form-action 'none'", "form-action https:")},
    "a cookie": {"Set-Cookie": "session=1; Secure; HttpOnly; SameSite=Lax"},
    "other origins": {"Access-Control-Allow-Origin": "*"},
    "the version of the server": {"Server": "gunicorn/27.0.1"},
    "the framework": {"Server": "Werkzeug/3.1 Python/3.13"},
    "what it is powered by": {"X-Powered-By": "Flask"},
}


@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG.keys())
def test_a_fault_is_found(changed):
    assert len(flaws(200, GOOD | changed)) >= 1


@pytest.mark.parametrize("name", [name for name in GOOD if name != "Server"])
def test_a_header_that_is_missing_is_found(name):
    assert flaws(200, {each: value for each, value in GOOD.items() if each != name}) != []


@pytest.mark.parametrize("status", [200, 204, 304])
def test_what_is_right_has_no_fault(status):
    assert flaws(status, GOOD) == []
    assert flaws(status, GOOD | {"Content-Security-Policy": PAGE}, ancestors=[SITE]) == []
    kept = GOOD | {"Cache-Control": "public, max-age=31536000, immutable"}
    assert flaws(status, kept, is_file=True) == []
    assert flaws(status, kept) != []


def test_a_page_is_framed_by_all_of_its_ancestors_and_no_other():
    page = GOOD | {"Content-Security-Policy": PAGE}
    assert flaws(200, page) != []
    assert flaws(200, page, ancestors=[SITE, "https://jira.example.com"]) != []
    assert flaws(200, page, ancestors=["https://jira.example.com"]) != []


def test_a_refusal_is_a_problem_document_says_when_and_says_what():
    assert flaws(404, GOOD) != []
    assert flaws(404, GOOD | PROBLEM) == []
    assert flaws(404, GOOD | PROBLEM | {"Cache-Control": "public, max-age=31536000, immutable"}, is_file=True) != []
    assert flaws(405, GOOD | PROBLEM) != []
    assert flaws(405, GOOD | PROBLEM | {"Allow": "GET"}) == []
    assert flaws(503, GOOD | PROBLEM) != []
    assert flaws(503, GOOD | PROBLEM | {"Retry-After": "soon"}) != []
    assert flaws(503, GOOD | PROBLEM | {"Retry-After": "5"}) == []
