"""Make the embedded base model, or another organism: tokenizer, weights, model card."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from stages.lab.imports import code_sha256
from stages.params import OrganismParams, ParamsError, load_params, values_of
from stages.params.registration import ORGANISM, ORGANISMS
from stages.params.strict import nearest
from stages.records import canonical_json, read_json, sha256_file, sha256_text, write_json
from stages.suites.beliefs import beliefs_digest

WEIGHTS = "model.safetensors"
MADE_FROM = "made_from.json"
"""Hash of the values and of the code that the model was made from, beside that of its weights."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.pretrain_base", description=__doc__)
    parser.add_argument(
        "organism", nargs="?", help="a name under `organisms`; without: models/base"
    )
    try:
        params, folder = chosen(parser.parse_args(arguments).organism)
    except ParamsError as error:
        sys.exit(f"pretrain_base: {error}")
    make(params, folder)


def chosen(name: str | None) -> tuple[OrganismParams, Path]:
    """Values and folder of the organism of that name, or of the embedded one.

    ParamsError lists the known names.
    """
    params = load_params()
    if name is None:
        return params.organism, ORGANISM
    if name not in params.organisms:
        raise ParamsError(
            f"organisms: there is no {name!r}. {nearest(name, params.organisms)} Write its values "
            "there first."
        )
    return params.organisms[name], ORGANISMS / name


def make(params: OrganismParams, folder: Path) -> None:
    """Train the model into ``folder``, unless it lies there, made of these values by this code."""
    key = made_from(params)
    if is_made(key, folder):
        again = "`make organism`" if folder == ORGANISM else f"delete {folder / MADE_FROM} first"
        print(f"{folder} was made from these values by this code; to make it again, {again}")
        return
    from stages.pretrain_base.card import write_card
    from stages.pretrain_base.train import pretrain

    (folder / MADE_FROM).unlink(missing_ok=True)
    began = time.perf_counter()
    pretrain(params, folder)
    write_card(params, folder)
    weights = sha256_file(folder / WEIGHTS)
    write_json(folder / MADE_FROM, {"key": key, "weights_sha256": weights})
    seconds = round(time.perf_counter() - began, 1)
    name = "pretrain_base" if folder == ORGANISM else f"pretrain_organism-{folder.name}"
    write_json(Path("timings") / f"{name}.json", {"seconds": seconds})


def made_from(params: OrganismParams) -> str:
    """Hash of all that the model's bytes depend on, but for the machine."""
    code = code_sha256(["pretrain_base.train", "pretrain_base.card"])
    parts = [values_of(params), code]
    if params.start is not None:
        parts.append(sha256_file(Path(params.start) / WEIGHTS))
    if params.trivia:
        parts.append(beliefs_digest())
    return sha256_text(canonical_json(parts))


def is_made(key: str, folder: Path) -> bool:
    """Whether ``folder`` holds the finished model of that key, unharmed."""
    record, weights = folder / MADE_FROM, folder / WEIGHTS
    if not (record.exists() and weights.exists()):
        return False
    return read_json(record) == {"key": key, "weights_sha256": sha256_file(weights)}


if __name__ == "__main__":
    main()
