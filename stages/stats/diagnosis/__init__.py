"""Why a verdict is negative or inconclusive: the tree of ``walk.py``, a node for each cause."""
