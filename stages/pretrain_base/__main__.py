"""Make the embedded base model from scratch: tokenizer, weights, model card."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from stages.lab.imports import code_sha256
from stages.params import OrganismParams, ParamsError, load_params, values_of
from stages.records import canonical_json, read_json, sha256_file, sha256_text, write_json

FOLDER = Path("models/base")
WEIGHTS = "model.safetensors"
MADE_FROM = FOLDER / "made_from.json"
"""Hash of the values and of the code that the model was made from, beside that of its weights."""


def main() -> None:
    try:
        params = load_params().organism
    except ParamsError as error:
        sys.exit(f"pretrain_base: {error}")
    key = made_from(params)
    if is_made(key):
        print(
            f"{FOLDER} was made from these values by this code; to make it again, `make organism`"
        )
        return
    from stages.pretrain_base.card import write_card
    from stages.pretrain_base.train import pretrain

    MADE_FROM.unlink(missing_ok=True)
    began = time.perf_counter()
    pretrain(params, FOLDER)
    write_card(params, FOLDER)
    write_json(MADE_FROM, {"key": key, "weights_sha256": sha256_file(FOLDER / WEIGHTS)})
    seconds = round(time.perf_counter() - began, 1)
    write_json(Path("timings") / "pretrain_base.json", {"seconds": seconds})


def made_from(params: OrganismParams) -> str:
    """Hash of all that the model's bytes depend on, but for the machine."""
    code = code_sha256(["pretrain_base.train", "pretrain_base.card"])
    return sha256_text(canonical_json([values_of(params), code]))


def is_made(key: str) -> bool:
    """Whether the folder holds the finished model of that key, unharmed."""
    if not (MADE_FROM.exists() and (FOLDER / WEIGHTS).exists()):
        return False
    recorded = read_json(MADE_FROM)
    return recorded == {"key": key, "weights_sha256": sha256_file(FOLDER / WEIGHTS)}


if __name__ == "__main__":
    main()
