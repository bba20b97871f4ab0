"""The suite microrepo before and after a change of its environment (e10)."""
