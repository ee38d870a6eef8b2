"""How much may be asked of Jira, by whom and when: one quota of points an hour for all tenants together."""
