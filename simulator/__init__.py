"""Atlassian, on your desk: sites that install, sign, frame and serve REST. Imports nothing from the app.

One process, threads, state in memory, loopback only. It signs with `atlassian-jwt` and PyJWT, never with
code of ours, so that both ends of the wire are never the same program. From one seed come the same people,
issues, ids (of Forge installations too) and history; shared secrets, keys, OAuth tokens and delivery
identifiers are new in every run, because an app keeps what it has seen of them.

It is a test tool: `POST /sites/{site}/token` and `/fit` mint any token a test asks for, genuine or broken.
That is safe only because the listeners answer loopback names only, and same-origin pages only.
"""
