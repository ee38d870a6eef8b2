"""Who trusts us: tenants, their installations, and how a caller is admitted."""
