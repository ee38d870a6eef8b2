"""The product and the simulated Jira in one browser; a package, so that its product ends with it."""
