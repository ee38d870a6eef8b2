"""What we tell Atlassian about ourselves: one source of modules, rendered for Connect and for Forge."""
