"""The one door to secrets: it answers questions and never hands a stored secret out."""
