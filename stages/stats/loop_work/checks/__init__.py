"""Known mistakes of self-improvement loops, each a check with a name."""
