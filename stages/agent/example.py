"""The worked example that a parameter adds to the system message (x4)."""

from __future__ import annotations

WORKED_EXAMPLE = """Example of a session:
search total
found: shop.py line 4
open shop.py
def total(prices):
    return max(prices)
edit shop.py
<<<
    return max(prices)
===
    return sum(prices)
>>>
edited
submit"""
