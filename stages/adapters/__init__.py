"""Adapters as tensors and folders: what training writes and evaluation reads."""
