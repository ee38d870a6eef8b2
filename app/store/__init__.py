"""The database. Rows never leave this package; frozen values do."""
