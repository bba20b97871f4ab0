"""What the stats stage measured of an adapter's condition, for its card."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.export.folder import ExportError, table
from stages.records import read_json


@dataclasses.dataclass(frozen=True)
class Measured:
    """The metrics of one experiment."""

    path: Path
    conditions: Mapping[str, Any]
    """condition -> resolve_rate, lo, hi, n, episodes, ..."""
    details: Mapping[str, Any]
    """registration, comparisons, experiment; empty where there are none"""
    verdicts: Mapping[str, Any]
    """criterion -> verdict, estimate, lo, hi, ...; empty where there are none"""

    def text(self, facts: Mapping[str, Any]) -> str:
        """Markdown: base beside this adapter's condition, with intervals; then the verdicts.

        Raises ExportError where the metrics hold no such condition, or are of other sessions.
        """
        arm = str(facts.get("arm", "skill"))
        if arm not in self.conditions:
            raise ExportError(
                f"{self.path}: no condition {arm!r}, which this adapter was trained as; there are "
                f"{', '.join(sorted(self.conditions))}. Name the metrics of its own experiment."
            )
        self._require_same_sessions(facts)
        shown = [name for name in ("base", arm) if name in self.conditions]
        names = ["condition", "resolve rate", "tasks", "episodes", "steps", "against base"]
        parts = [
            self._whose(facts),
            table([self._row(name) for name in shown], names),
        ]
        if self.verdicts:
            asked = ["criterion", "estimate", "asked", "verdict"]
            parts.append(table([_verdict(n, v) for n, v in self.verdicts.items()], asked))
        return "\n\n".join(parts)

    def _require_same_sessions(self, facts: Mapping[str, Any]) -> None:
        """Numbers of an earlier run, with adapters trained on other sessions, aren't this one's."""
        own = facts.get("source_sha256")
        sources = {each.get("source_sha256") for each in self.details.get("synthesis", {}).values()}
        if own and sources and own not in sources:
            raise ExportError(
                f"{self.path}: the adapters measured there were trained on other sessions than "
                f"this one (field 'source_sha256' is {own[:12]} here). Run `dvc repro "
                f"stats@{self.path.stem}`, or leave --metrics out."
            )

    def _whose(self, facts: Mapping[str, Any]) -> str:
        about, registration = (self.details.get(k, {}) for k in ("experiment", "registration"))
        seeds, worlds = (len(about.get(key, ())) or "?" for key in ("seeds", "worlds"))
        status = f"{registration.get('status', '')} {str(registration.get('hash', ''))[:12]}"
        own = ", ".join(f"{key} {facts[key]}" for key in ("world", "split", "seed") if key in facts)
        return (
            f"Experiment {self.path.stem} ({status.strip() or 'registration unknown'}); the "
            f"numbers are of the whole condition over {seeds} seeds and {worlds} repositories, of "
            f"which this adapter is one ({own or 'unknown which'}). Intervals: 95 %, by task."
        )

    def _row(self, name: str) -> list[str]:
        row = self.conditions[name]
        transfer = self.details.get("comparisons", {}).get(name, {}).get("forward_transfer")
        return [
            name,
            f"{row['resolve_rate']:.3f} [{row['lo']:.3f}, {row['hi']:.3f}]",
            str(row["n"]),
            str(row["episodes"]),
            f"{row['steps']:.1f}",
            _signed(transfer, "value") if transfer else "",
        ]


def read_measured(path: Path) -> Measured:
    """``metrics/<experiment>.json`` and, where they exist, its details and verdicts."""
    beside = {}
    for name in ("details", "verdicts"):
        other = path.parent / name / path.name
        beside[name] = read_json(other) if other.exists() else {}
    return Measured(path, read_json(path), beside["details"], beside["verdicts"])


def _verdict(name: str, row: Mapping[str, Any]) -> list[str]:
    asked = f"{row.get('comparator')} {row.get('threshold')}"
    return [name, _signed(row, "estimate"), asked, str(row.get("verdict"))]


def _signed(row: Mapping[str, Any], key: str) -> str:
    values = [row.get(name) for name in (key, "lo", "hi")]
    estimate, lo, hi = ("–" if v is None else f"{v:+.3f}" for v in values)
    return f"{estimate} [{lo}, {hi}]"
