"""Write numbers.json with PyTorch: python -m tests.reference.make. It says which version made them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.reference.cases import Library, compute

PATH = Path(__file__).with_name("numbers.json")


def lines(numbers: dict) -> str:
    """JSON with a line for each array."""

    def written(value: object, indent: str) -> str:
        if not isinstance(value, dict):
            return json.dumps(value)
        inner = indent + "  "
        body = ",\n".join(f"{inner}{json.dumps(key)}: {written(v, inner)}" for key, v in value.items())
        return f"{{\n{body}\n{indent}}}"

    return written(numbers, "") + "\n"


def main() -> None:
    import torch

    library = Library(torch.tensor, torch.nn, torch.optim, torch.optim.lr_scheduler, torch.float64)
    PATH.write_text(lines({"PyTorch": torch.__version__, **compute(library)}))


if __name__ == "__main__":
    main()
