"""Checkpoints of base models: find, fetch, size up, load. Nothing is downloaded while a stage runs.

A checkpoint is a folder in the hub's own layout: config.json, safetensors, a tokenizer.
"""
