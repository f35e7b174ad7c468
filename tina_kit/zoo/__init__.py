"""p-Models: batched fine-tuning, batched evaluation, and the file one of them is kept in."""
