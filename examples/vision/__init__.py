"""Examples that see."""
