"""Where the browser of whoever consents to our own grant comes back, in a window of its own."""

from flask import render_template, request

from app.edge.caller import now, services


def callback() -> str:
    """`GET /oauth/callback?code=&state=`: keeps what came for whoever exchanges it. It leads nowhere else, whatever it
    is asked, and shows nothing of what it was sent. What is no answer to a question of ours is nowhere: 404.
    """
    services().integrations.connecting.receive(request.query_string.decode("latin-1"), now=now())
    return render_template("oauth_callback.html")
