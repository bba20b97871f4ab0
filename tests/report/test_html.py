"""The page: whole, escaped, the same bytes each time."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from stages.report import svg
from stages.report.__main__ import main
from stages.report.html import page
from stages.report.read import read_measured
from stages.report.sessions import EACH, sessions, shown_files


class Balance(HTMLParser):
    """Checks that every element that is opened is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)


def test_the_page_is_whole_and_asks_for_nothing(root_with_episodes: Path) -> None:
    text = page(read_measured("p1"))
    balance = Balance()
    balance.feed(text)
    assert balance.open == []
    assert {"table", "svg", "details"} <= set(balance.seen)
    assert not {"script", "link", "img", "b"} & set(balance.seen)
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; more" in text
    assert "http" not in text
    assert "prefers-color-scheme: dark" in text


def test_the_same_bytes_twice(root_with_episodes: Path) -> None:
    main(["p1", "--html"])
    path = root_with_episodes / "plots/report/p1.html"
    first = path.read_bytes()
    main(["p1", "--html"])
    assert path.read_bytes() == first


def test_a_handful_of_episodes_resolved_and_not(root_with_episodes: Path) -> None:
    shown = sessions("p1")
    assert list(shown) == ["base", "skill"]
    outcomes = [t.info["outcome"] for t in shown["skill"]]
    assert outcomes == ["resolved"] + ["unresolved"] * EACH
    assert all(t.info["instance_id"] != "t99" for t in shown["base"])


def test_without_episodes_the_page_says_so(root: Path) -> None:
    assert "None are on this machine" in page(read_measured("p1"))


def test_points_lie_inside_the_picture() -> None:
    rows = [{"x": "a", "y": 0.0, "lo": -0.2, "hi": 0.1}, {"x": "b", "y": 0.9, "lo": 0.8, "hi": 1.0}]
    drawn = ElementTree.fromstring(svg.points(rows, "x", "y", "share"))
    heights = [float(c.attrib["cy"]) for c in drawn.iter("circle")]
    assert svg.TOP < heights[1] < heights[0] < svg.HEIGHT - svg.BOTTOM
    assert svg.points([], "x", "y", "share") == ""


def test_curves_have_a_legend() -> None:
    rows = [{"arm": a, "seed": 0, "step": s, "loss": 1.0} for a in ("x", "y") for s in (1, 2)]
    drawn = ElementTree.fromstring(svg.lines(rows, "loss"))
    assert len(list(drawn.iter("polyline"))) == 2
    assert {"x", "y"} <= {t.text for t in drawn.iter("text")}
    assert svg.lines([], "loss") == ""


def test_a_stream_shows_its_first_run_s_last_checkpoint_and_no_measures(tmp_path):
    folder = tmp_path / "streams/oak_harbor/A"
    for name in ("naive-s0/tasks-c0002", "naive-s0/tasks-c0010", "naive-s1/tasks-c0002"):
        write(folder / f"{name}.jsonl")
    write(folder / "naive-s0/retention.jsonl")
    write(tmp_path / "arms/oak_harbor/A/indicators-stale-s0.jsonl")
    write(tmp_path / "oak_harbor/A/skill-s0.jsonl")
    shown = {name: path.name for name, path in shown_files(tmp_path).items()}
    assert shown == {"naive": "tasks-c0010.jsonl", "skill": "skill-s0.jsonl"}
    assert "naive-s0" in shown_files(tmp_path)["naive"].parts


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
