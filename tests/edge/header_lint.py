"""What is wrong with the headers of an answer; the rules are ASVS 5.0 §3.4 and Atlassian's for Marketplace apps."""

import re

YEAR_SECONDS = 31_536_000
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")
_ABOUT_THE_SERVER = ("X-Powered-By", "X-AspNet-Version", "Via", "X-Runtime")


def flaws(status, headers, *, ancestors=(), is_file=False):
    """Sentences, one per fault.

    `ancestors` are the origins that may frame this answer, none for all but pages; `is_file`: it is a file of ours,
    whose address holds the hash of its content, so that everybody may keep it.
    """
    return [
        *_transport(headers),
        *_keeping(headers, may_be_kept=is_file and status < 400),
        *_policy(headers.get("Content-Security-Policy", ""), ancestors),
        *_leaks(headers),
        *([] if status != 503 or headers.get("Retry-After", "").isdigit() else ["503 without Retry-After"]),
        *([] if status != 405 or headers.get("Allow") else ["405 without Allow"]),
        *([] if status < 400 or headers.get("Content-Type") == "application/problem+json" else _no_problem(headers)),
    ]


def _transport(headers):
    found = re.fullmatch(
        r"max-age=(\d+)(; includeSubDomains)?(; preload)?", headers.get("Strict-Transport-Security", "")
    )
    if found is None or int(found[1]) < YEAR_SECONDS:
        yield "HSTS of less than a year"
    if headers.get("X-Content-Type-Options") != "nosniff":
        yield "content may be sniffed"
    if headers.get("Referrer-Policy") != "no-referrer":
        yield "addresses may be told to others"


def _keeping(headers, *, may_be_kept):
    kept = {part.strip() for part in headers.get("Cache-Control", "").split(",")}
    if may_be_kept:
        if kept != {"public", "max-age=31536000", "immutable"}:
            yield "a file of ours is not kept"
    elif kept != {"no-store", "no-cache"}:
        yield "an answer may be kept"


def _policy(text, ancestors):
    policy = {words[0]: words[1:] for part in text.split(";") if (words := part.split())}
    if policy.get("default-src") != ["'none'"]:
        yield "what no directive names may be loaded"
    if policy.get("base-uri") != ["'none'"]:
        yield "a base element may redirect addresses"
    if policy.get("form-action") not in (["'none'"], ["'self'"]):
        yield "a form may be sent elsewhere"
    if set(policy.get("frame-ancestors", [])) != set(ancestors or ["'none'"]):
        yield "framed by others than its own site"
    for directive, sources in policy.items():
        for source in sources:
            # exactly these: an `unsafe-…`, a wildcard, a bare scheme or a nonce is none of them
            if source not in {"'none'", "'self'", "data:"} and not _ORIGIN.fullmatch(source):
                yield f"{directive} allows {source}"
            if source == "data:" and directive != "img-src":
                yield f"{directive} allows data:"


def _leaks(headers):
    if "Set-Cookie" in headers:
        yield "a cookie is set"
    if any(name.lower().startswith("access-control-") for name in headers):
        yield "other origins may read it"
    if re.search(r"[\d/(]", headers.get("Server", "")):
        yield "the version of the server is told"
    for name in _ABOUT_THE_SERVER:
        if name in headers:
            yield f"{name} tells of the server"


def _no_problem(headers):
    # the one refusal that is no problem document, because load balancers read it: /readyz
    if headers.get("Content-Type", "").startswith("text/plain"):
        return []
    return ["a refusal that is no problem document"]
