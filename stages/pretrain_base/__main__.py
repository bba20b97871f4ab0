"""Make the embedded base model from scratch: tokenizer, weights, model card."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from stages.params import ParamsError, load_params
from stages.pretrain_base.card import write_card
from stages.pretrain_base.train import pretrain
from stages.records import write_json

FOLDER = Path("models/base")


def main() -> None:
    try:
        params = load_params().organism
    except ParamsError as error:
        sys.exit(f"pretrain_base: {error}")
    began = time.perf_counter()
    pretrain(params, FOLDER)
    write_card(params, FOLDER)
    seconds = round(time.perf_counter() - began, 1)
    write_json(Path("timings") / "pretrain_base.json", {"seconds": seconds})


if __name__ == "__main__":
    main()
