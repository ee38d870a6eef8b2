"""The product, run by its own commands, but: where a request asks for it, and in every job, something fails.

Around each failure are secrets: in the locals of every frame, in messages, causes and breadcrumbs.
"""

from dataclasses import replace
from functools import partial

import sentry_sdk
from flask import request

from app import wiring
from app.jobs import runner

CANARY = "canary7f3a"
BREAK = "X-Break"
"""A request with this header fails: `view` in the view, `outside` beyond the app's own handlers."""


def fail(**secrets):
    """Raise, with these and a canary in every place that a report could be made of."""
    held = {"secret": CANARY, "sent": secrets}
    sentry_sdk.set_user({"email": CANARY, "ip_address": CANARY})
    sentry_sdk.set_tag("secret", CANARY)
    sentry_sdk.set_context("secret", held)
    sentry_sdk.add_breadcrumb(category="http", message=CANARY, data=held)
    try:
        raise ValueError(f"this quotes {held}")
    except ValueError as cause:
        raise RuntimeError(CANARY, held) from cause


def fail_in_view(view, **values):
    """The view, or a failure that has all of the request in its locals."""
    if request.headers.get(BREAK) == "view":
        fail(
            headers=dict(request.headers),
            cookies=dict(request.cookies),
            query=request.query_string.decode(),
            body=request.get_data(as_text=True),
        )
    return view(**values)


def web_app(build=wiring.web_app):
    """The app of the product, around whose views and before whose handlers things fail on request."""
    app = build()
    for endpoint, view in app.view_functions.items():
        app.view_functions[endpoint] = partial(fail_in_view, view)
    served = app.wsgi_app

    def wsgi_app(environ, start_response):
        if environ.get("HTTP_X_BREAK") == "outside":
            fail(environ=dict(environ))
        return served(environ, start_response)

    app.wsgi_app = wsgi_app
    return app


wiring.web_app = web_app
runner.TENANT_JOBS = tuple(replace(job, run=lambda *given: fail(given=given)) for job in runner.TENANT_JOBS)
runner.SCHEDULE = tuple(replace(job, run=lambda *given: fail(given=given)) for job in runner.SCHEDULE)

if __name__ == "__main__":
    wiring.pledge()
