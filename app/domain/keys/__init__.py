"""The keys under which secrets are kept: made, wrapped anew, counted, and their use recorded."""
