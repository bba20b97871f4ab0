"""Consolidation strategies: what a stream of sessions is turned into, one file each."""
