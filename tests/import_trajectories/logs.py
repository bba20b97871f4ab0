"""Small logs in each format, written out by hand after the formats' own descriptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SYSTEM = {"role": "system", "content": "You fix issues."}
TASK = {"role": "user", "content": "<task>\nThe total leaves the first price out.\n</task>"}
PATCH = "diff --git a/shop.py b/shop.py\n"


def call(number: str, command: str) -> dict[str, Any]:
    arguments = json.dumps({"command": command})
    return {"id": number, "type": "function", "function": {"name": "bash", "arguments": arguments}}


def answer(number: str, text: str, code: int) -> dict[str, Any]:
    content = f"<returncode>{code}</returncode>\n<output>\n{text}</output>"
    return {
        "role": "tool",
        "content": content,
        "tool_call_id": number,
        "extra": {"returncode": code, "raw_output": text},
    }


def mini_2() -> dict[str, Any]:
    """As mini-swe-agent 2.x writes it: tool calls, two of them in one message."""
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 60},
    }
    both = [call("1", "ls"), call("2", "cat nowhere.py")]
    return {
        "info": {
            "model_stats": {"instance_cost": 0.1, "api_calls": 2},
            "config": {"model": {"model_name": "m/x", "model_kwargs": {"api_key": "sk-secret"}}},
            "mini_version": "2.3.0",
            "exit_status": "Submitted",
            "submission": PATCH,
        },
        "messages": [
            SYSTEM,
            TASK,
            {
                "role": "assistant",
                "content": "I look first.",
                "tool_calls": both,
                "extra": {"actions": [], "response": {"usage": usage}},
            },
            answer("1", "shop.py\n", 0),
            answer("2", "no such file\n", 1),
            {"role": "assistant", "content": None, "tool_calls": [call("1", "echo done")]},
            {"role": "exit", "content": PATCH, "extra": {"exit_status": "Submitted"}},
        ],
        "trajectory_format": "mini-swe-agent-1.1",
        "instance_id": "acme__shop-1",
    }


def mini_1() -> dict[str, Any]:
    """As mini-swe-agent 1.x writes it: commands in fences."""
    return {
        "info": {"mini_version": "1.17.3", "exit_status": "LimitsExceeded", "submission": ""},
        "messages": [
            SYSTEM,
            TASK,
            {"role": "assistant", "content": "THOUGHT: look\n\n```bash\nls -l\n```"},
            {"role": "user", "content": "<returncode>0</returncode>\n<output>\nshop.py\n</output>"},
        ],
        "trajectory_format": "mini-swe-agent-1",
    }


def swe_agent() -> dict[str, Any]:
    """As SWE-agent 1.x writes it, with a demonstration before the session."""
    said = {"role": "assistant", "agent": "main", "message_type": "action"}
    return {
        "environment": "swe_main",
        "trajectory": [
            {"action": "ls -F\n", "observation": "shop.py\n", "response": "I look.", "state": {}},
            {"action": "submit", "observation": "", "response": "Done.", "state": {}},
        ],
        "history": [
            {**SYSTEM, "agent": "main"},
            {"role": "user", "content": "A demonstration", "is_demo": True},
            {"role": "user", "content": [{"type": "text", "text": TASK["content"]}]},
            {**said, "content": "I look.", "thought": "I look.", "action": "ls -F\n"},
            {"role": "tool", "content": "shop.py\n", "message_type": "observation"},
            {**said, "content": "Done.\nsubmit", "thought": "Done.", "action": "submit"},
        ],
        "info": {
            "exit_status": "submitted",
            "submission": PATCH,
            "swe_agent_version": "1.1.0",
            "model_stats": {"tokens_sent": 10, "tokens_received": 5},
        },
    }


def chat(**extra: Any) -> dict[str, Any]:
    """A line of OpenAI messages."""
    turns = [SYSTEM, TASK, {"role": "assistant", "content": "open shop.py"}]
    return {"messages": [*turns, {"role": "user", "content": "def total(prices):"}], **extra}


def save(folder: Path, name: str, value: Any) -> Path:
    path = folder / name
    lines = value if isinstance(value, list) else [value]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path
