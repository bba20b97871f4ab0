"""Logs of other agents as Carryover's trajectories, so that adapters can be trained from them."""
