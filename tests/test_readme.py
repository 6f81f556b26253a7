"""The README tells the truth: its example runs, CI runs its commands, its links lead somewhere."""

import re
from pathlib import Path

import pytest

from docs.reference.links import slug

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOLD = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_example_runs_and_finds_about_half_on_the_upper_state(
    tmp_path, monkeypatch, capsys, unchecked_annotations
):
    (example,) = code_blocks("python")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    printed = re.search(r"upper state: ([\d.]+), 95 %: ([\d.]+) to ([\d.]+)", capsys.readouterr().out)
    fraction, low, high = map(float, printed.groups())
    # Exact 0.493, fewest switches 0.50, 2,000 trajectories: standard error 0.011.
    assert fraction == pytest.approx(0.50, abs=3 * 0.011)
    # What the text says of it, of which the last digit may differ on another machine.
    said = re.search(
        r"It prints ([\d.]+), 95 %: ([\d.]+) to ([\d.]+)\. The exact wave packet has ([\d.]+)\.", README
    )
    assert [float(number) for number in said.groups()[:3]] == pytest.approx([fraction, low, high], abs=0.002)
    assert low <= float(said[4]) <= high


def test_ci_runs_the_commands_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for name in ("test_command", "demo_command"):
        command = re.search(rf"^{name}='(.*)'$", script, re.MULTILINE)[1]
        assert f"\n{command}\n" in README


@pytest.mark.parametrize("path", TOLD, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(path):
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", TOLD, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_heading_finds_it(path):
    without_code = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)
    text = without_code.sub("", path.read_text(encoding="utf-8"))
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text):
        if "://" in target:
            continue
        page = path.parent / target if target else path
        there = without_code.sub("", page.read_text(encoding="utf-8"))
        headings = re.findall(r"^#+ (.+?) *$", there, flags=re.MULTILINE)
        assert anchor in map(slug, headings), (target, anchor)


@pytest.mark.parametrize("path", TOLD, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_is_named_exists(path):
    text = path.read_text(encoding="utf-8")
    files = set(re.findall(r"tests/[\w/]+\.py", text))
    assert [name for name in files if not (ROOT / name).exists()] == []
    # A promise names its test as `tests/file.py::test_name`.
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", text)
    assert [f"{f}::{t}" for f, t in named if f"def {t}(" not in (ROOT / f).read_text(encoding="utf-8")] == []
