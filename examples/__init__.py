"""Published ideas, each in one file that runs and can be read from top to bottom: python -m examples."""
