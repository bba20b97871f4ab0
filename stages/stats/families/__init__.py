"""Families of named estimands, a file each; ``estimands.py`` has one line of dispatch per family.

Every family is a function (results, parts of the name) → estimand, or None for a name that isn't
its own, and ``NAMES``, a line per name. An estimand is α → Estimate or Undefined; its interval
never narrows as α falls (verdict.py).
"""
