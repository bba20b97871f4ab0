"""Training of LoRA adapters: batches, losses, the optimizer, the engines."""
