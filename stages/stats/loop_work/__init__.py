"""Self-improvement loops: from a loop's records to metrics, verdicts, audit and plots."""
