"""An adapter as a peft folder for others: peft's own files, unchanged tensors, a filled card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.adapters.folder import AdapterError, load_adapter
from stages.export.folder import ExportError, front_matter, table, whole
from stages.export.measured import Measured
from stages.records import read_json, write_atomic, write_json

TENSORS = "adapter_model.safetensors"


def export_adapter(
    source: Path, folder: Path, base_name: str | None = None, measured: Measured | None = None
) -> None:
    """Copy the adapter of ``source`` to a new ``folder``.

    ``base_name`` (a hub name or path) replaces the base that the adapter names. Raises
    ExportError when the tensors aren't those that ``source`` was recorded with, when a file is
    missing, or when ``measured`` has no numbers of this adapter's condition.
    """
    if not (source / TENSORS).is_file():
        raise ExportError(
            f"{source}: no adapter there ({TENSORS} is missing). Name the folder of one, such as "
            "models/adapters/p1/<world>/A/skill-s0."
        )
    provenance = read_json(source / "provenance.json")
    try:
        _, lora = load_adapter(source, provenance["base_sha256"])
    except AdapterError as error:
        raise ExportError(str(error)) from None
    config = read_json(source / "adapter_config.json")
    name = base_name or str(config["base_model_name_or_path"])
    facts = _optional(source / "facts.json")
    certificate = _optional(source / "certificate.json")
    text = card({**provenance, "base_name": name}, vars(lora), facts, certificate, measured)
    with whole(folder) as place:
        shutil.copyfile(source / TENSORS, place / TENSORS)
        write_json(place / "adapter_config.json", {**config, "base_model_name_or_path": name})
        write_json(place / "provenance.json", {**provenance, "base_name": name})
        if certificate:
            write_json(place / "certificate.json", certificate)
        write_atomic(place / "README.md", text)


def card(
    provenance: Mapping[str, Any],
    lora: Mapping[str, Any],
    facts: Mapping[str, Any],
    certificate: Mapping[str, Any],
    measured: Measured | None,
) -> str:
    """The model card: what it belongs to, how it was trained, that it is live, what it did."""
    name = provenance["base_name"]
    head = [f"base_model: {name}", "library_name: peft", "pipeline_tag: text-generation", "tags:"]
    base = {
        "base model": name,
        "its parameters' sha256": provenance["base_sha256"],
        "adapter's sha256": provenance["adapter_sha256"],
    }
    parts = [
        front_matter([*head, "- lora", "- carryover"]) + "# LoRA adapter of an agent's experience",
        "Trained by Carryover on an agent's own finished sessions. It belongs to the base model "
        "below and to no other: on another one it computes nonsense without an error.",
        _rows(base),
        "## Training",
        _rows({**{k: v for k, v in lora.items() if k != "seed"}, **facts}),
        "## Certificate",
        _certified(certificate),
        "## Measured",
        "No measurement was given with it." if measured is None else measured.text(facts),
        "## Use",
        "```python\nfrom peft import PeftModel\nfrom transformers import AutoModelForCausalLM\n\n"
        f'base = AutoModelForCausalLM.from_pretrained("{name}")\n'
        'model = PeftModel.from_pretrained(base, "this folder")\n```',
    ]
    return "\n\n".join(parts) + "\n"


def _certified(certificate: Mapping[str, Any]) -> str:
    if not certificate:
        return "None was recorded: nothing shows that this adapter changes what its base says."
    shown = {
        "Frobenius norm of ΔW": f"{certificate['delta_norm']:.4f}",
        "adapted modules": len(certificate["delta_norms"]),
        "largest shift of a next-token logit": f"{certificate['logit_shift_max']:.4f}",
        "mean shift of the next-token logits": f"{certificate['logit_shift_mean']:.4f}",
        "probe prompts": certificate["n_probes"],
    }
    return "Measured on the base after training.\n\n" + _rows(shown)


def _rows(values: Mapping[str, Any]) -> str:
    return table([[key, str(value)] for key, value in values.items()], ["", ""])


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}
