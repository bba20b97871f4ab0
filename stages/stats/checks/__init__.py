"""Mistakes that have happened, each a check with a name (science.md, section 4)."""
