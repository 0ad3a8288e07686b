"""How far the operations agree with PyTorch on PyTorch's own sample inputs; see __main__.py."""
