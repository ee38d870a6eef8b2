"""People's data: what is held of whom, reports to Atlassian about it, and its erasure."""
