"""What belongs to people and tenants: kept for as long as it is needed, handed over when asked for, then erased."""
