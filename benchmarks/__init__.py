"""tinygrad_lite and PyTorch side by side: `python -m benchmarks`."""
