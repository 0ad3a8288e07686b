"""What was tried for the gates that fail, a file an example: `python -m examples trials NAME`."""
