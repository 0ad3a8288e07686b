"""Changes that are no bugs: the gradient stays right. Each with the reason; all else must be caught."""

EQUIVALENT: dict[tuple[str, str, str], str] = {}
"""(module.function, kind of change, its last statement) -> why it changes nothing."""
