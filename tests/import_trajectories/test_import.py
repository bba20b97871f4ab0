"""Logs of three kinds become records; what isn't told isn't guessed; what is broken is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.agent.actions import Action, parse_action
from stages.import_trajectories.__main__ import FORMATS, convert, main
from stages.import_trajectories.log import ImportFault
from stages.records import Trajectory, read_jsonl
from tests.import_trajectories import logs


def one(format_name: str, path: Path, **options: Any) -> Trajectory:
    (record,) = convert(format_name, [path], **options)
    return record


def test_calls_of_one_message_become_turns_with_their_own_results(tmp_path: Path) -> None:
    record = one("mini-swe-agent", logs.save(tmp_path, "a.traj.json", logs.mini_2()))
    roles = [message["role"] for message in record.messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert record.messages[2]["content"] == "I look first.\nbash ls"
    assert "shop.py" in record.messages[3]["content"]
    assert "no such file" in record.messages[5]["content"]
    first, second, third = record.info["steps"]
    assert (first["ok"], second["ok"], third["ok"]) == (True, False, False)
    assert record.info["exit_codes_known"] == 2
    assert parse_action(record.messages[2]["content"]) == Action("bash", "ls")


def test_what_the_log_tells_is_kept_and_its_configuration_is_not(tmp_path: Path) -> None:
    info = one("mini-swe-agent", logs.save(tmp_path, "a.traj.json", logs.mini_2())).info
    assert info["instance_id"] == "acme__shop-1"
    assert (info["submission"], info["exit_status"]) == (logs.PATCH, "Submitted")
    tokens = [info[f"{kind}_tokens"] for kind in ("input", "output", "cached")]
    assert tokens == [100, 20, 60]
    assert info["source"] == "mini-swe-agent-1.1, mini-swe-agent 2.3.0" and info["model"] == "m/x"
    assert "sk-secret" not in json.dumps(info)


def test_a_fenced_command_is_an_action_and_is_translated_on_demand(tmp_path: Path) -> None:
    path = logs.save(tmp_path, "acme__shop-1.traj.json", logs.mini_1())
    record = one("mini-swe-agent", path)
    assert record.info["instance_id"] == "acme__shop-1"
    assert record.messages[2]["content"].endswith("```")
    assert record.info["steps"][0]["action"] == "bash ls -l" and record.info["steps"][0]["ok"]
    translated = one("mini-swe-agent", path, translate=True).messages[2]["content"]
    assert translated == "THOUGHT: look\nbash ls -l"


def test_swe_agents_demonstrations_are_left_out(tmp_path: Path) -> None:
    path = logs.save(tmp_path, "acme__shop-1.traj", logs.swe_agent())
    record = one("swe-agent", path)
    assert "demonstration" not in json.dumps(record.messages)
    assert record.messages[1]["content"] == logs.TASK["content"]
    assert record.messages[2]["content"] == "I look.\nls -F"
    assert [step["action"] for step in record.info["steps"]] == ["bash ls -F", "submit"]
    assert (record.info["exit_codes_known"], record.info["steps"][0]["ok"]) == (0, False)
    assert record.info["source"] == "SWE-agent 1.1.0"
    translated = one("swe-agent", path, translate=True)
    assert [m["content"] for m in translated.messages[2::2]] == [
        "I look.\nbash ls -F",
        "Done.\nsubmit",
    ]


def test_openai_lines_are_sessions(tmp_path: Path) -> None:
    path = logs.save(tmp_path, "c.jsonl", [logs.chat(id="a"), logs.chat(id="a"), logs.chat(id=7)])
    records = convert("openai", [path])
    assert [(r.info["instance_id"], r.info["attempt"]) for r in records] == [
        ("a", 0),
        ("a", 1),
        ("7", 0),
    ]
    assert records[0].info["steps"][0]["action"] == "open shop.py"


@pytest.mark.parametrize("submission", [logs.PATCH, ""])
def test_a_submission_is_no_success_and_its_absence_no_failure(
    tmp_path: Path, submission: str
) -> None:
    log = logs.mini_2()
    log["info"]["submission"] = submission
    path = logs.save(tmp_path, "a.traj.json", log)
    assert one("mini-swe-agent", path).info["outcome"] == "unknown"


@pytest.mark.parametrize(
    ("results", "outcome"),
    [
        ({"resolved_ids": ["acme__shop-1"], "schema_version": 2}, "resolved"),
        ({"resolved_ids": [], "unresolved_ids": ["acme__shop-1"]}, "unresolved"),
        ({"resolved_ids": [], "error_ids": ["acme__shop-1"]}, "harness_error"),
        ({"resolved_ids": ["another"]}, "unknown"),
        ({"acme__shop-1": False}, "unresolved"),
        ({"acme__shop-1": {"resolved": True}}, "resolved"),
        ({"acme__shop-1": "timeout"}, "timeout"),
    ],
)
def test_outcomes_come_from_results(tmp_path: Path, results: Any, outcome: str) -> None:
    path = logs.save(tmp_path, "a.traj.json", logs.mini_2())
    graded = logs.save(tmp_path, "report.json", results)
    assert one("mini-swe-agent", path, results=graded).info["outcome"] == outcome


def test_outcomes_come_from_the_log_itself_where_it_has_them(tmp_path: Path) -> None:
    path = logs.save(tmp_path, "c.jsonl", logs.chat(id="a", resolved=False))
    assert one("openai", path).info["outcome"] == "unresolved"
    lines = logs.save(tmp_path, "r.jsonl", {"instance_id": "a", "resolved": True})
    assert one("openai", path, results=lines).info["outcome"] == "resolved"


def test_a_log_without_a_name_gets_its_tasks(tmp_path: Path) -> None:
    tasks = [
        {"instance_id": "t1", "problem_statement": "The total leaves the first price out."},
        {"instance_id": "t2", "problem_statement": "Another", "patch": "x"},
    ]
    tasks[0]["patch"] = logs.PATCH
    known = logs.save(tmp_path, "tasks.jsonl", tasks)
    path = logs.save(tmp_path, "c.jsonl", logs.chat())
    info = one("openai", path, tasks=known).info
    assert (info["instance_id"], info["upstream_fix"]) == ("t1", logs.PATCH)
    foreign = logs.save(tmp_path, "d.jsonl", logs.chat(id="t3"))
    with pytest.raises(ImportFault, match="'t3', which isn't among the tasks"):
        convert("openai", [foreign], tasks=known)
    silent = logs.save(tmp_path, "e.jsonl", logs.chat() | {"messages": logs.chat()["messages"][2:]})
    with pytest.raises(ImportFault, match="0 tasks"):
        convert("openai", [silent], tasks=known)


@pytest.mark.parametrize(
    ("format_name", "value", "said"),
    [
        ("mini-swe-agent", {"messages": []}, "a.json: field 'trajectory_format'"),
        ("mini-swe-agent", logs.mini_1() | {"messages": {}}, "a.json: field 'messages'"),
        ("mini-swe-agent", logs.mini_1() | {"info": []}, "a.json: field 'info'"),
        ("swe-agent", {"trajectory": []}, "a.json: field 'history'"),
        ("swe-agent", logs.swe_agent() | {"trajectory": [1]}, r"field 'trajectory\[0\]'"),
        ("openai", [logs.chat(), {"messages": "no"}], "a.json, line 2: field 'messages'"),
        ("openai", [logs.chat(), [1]], "a.json, line 2: holds a list, not an object"),
        ("openai", {"messages": [logs.TASK]}, "line 1: field 'messages' holds no assistant"),
        ("openai", {"messages": [{"role": "robot"}]}, r"line 1: field 'messages\[0\].role'"),
        (
            "openai",
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            r"'messages\[0\].content\[0\].type'",
        ),
        (
            "openai",
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "{"}}]}]},
            r"tool_calls\[0\].function.arguments'",
        ),
        ("openai", {"messages": [{"role": "user", "content": "\ud83d"}]}, "half a character"),
    ],
)
def test_what_cannot_be_read_is_named_and_nothing_is_written(
    tmp_path: Path,
    format_name: str,
    value: Any,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, out = logs.save(tmp_path, "a.json", value), tmp_path / "out.jsonl"
    with pytest.raises(ImportFault, match=said):
        convert(format_name, [path])
    with pytest.raises(SystemExit):
        main([format_name, str(path), "-o", str(out)])
    assert "error: " in capsys.readouterr().err and not out.exists()


def test_a_cut_file_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{\n"messages": [\n')
    with pytest.raises(ImportFault, match=r"a\.json, line 3: not JSON"):
        convert("mini-swe-agent", [path])


def test_the_command_writes_records_and_prints_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [logs.save(tmp_path, "b.traj.json", logs.mini_2())]
    paths.append(logs.save(tmp_path, "acme__shop-2.traj.json", logs.mini_1()))
    out = tmp_path / "out.jsonl"
    results = logs.save(tmp_path, "r.json", {"acme__shop-2": True})
    main(["mini-swe-agent", *map(str, paths), "--results", str(results), "-o", str(out)])
    said = capsys.readouterr().out
    assert "2 trajectories of 2 tasks" in said and "4, 3 with a recorded exit code" in said
    assert "outcome resolved: 1" in said and "outcome unknown: 1" in said
    records = read_jsonl(out, Trajectory)
    assert [record.info["outcome"] for record in records] == ["unknown", "resolved"]
    assert len({record.trajectory_id for record in records}) == 2


def test_help_shows_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(f"import_trajectories {name}" in said for name in FORMATS)
