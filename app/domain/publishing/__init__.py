"""What Jira itself shows of our clocks, where its users look: on the issue, in searches, on the Security tab."""
