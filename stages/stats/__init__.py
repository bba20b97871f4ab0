"""Estimates, intervals, verdicts and the audit, from what the other stages wrote."""

import gc

# Imports and records are next to no garbage, and looking for it was a seventh of the stage's time.
gc.set_threshold(50_000, 20, 100)
