"""p-Models: batched fine-tuning and evaluation, and their files."""
