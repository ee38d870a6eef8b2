"""What belongs to people and tenants: registered, reported, handed over when asked for, and erased when due."""
