"""Phase 3: what a matrix of repositories × models × splits says as a whole."""
