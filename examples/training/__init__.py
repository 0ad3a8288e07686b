"""Examples of what training does, and of how to train."""
