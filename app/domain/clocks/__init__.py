"""Pure date arithmetic: a rule and the facts in, bounds, state and the reasons out."""
