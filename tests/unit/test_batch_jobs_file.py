# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of jobs: the three formats, what is wrong with a line, and what decides a job's identity."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from sync_engine.batch import identity, plan
from sync_engine.batch.jobs_file import JobsFileError, read
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.interface.wording import Message

DRAFT = Path(__file__).parents[2] / "sync_engine" / "draft"


def rows(path: Path, text: str) -> list[tuple[int, dict, str]]:
    path.write_text(text, encoding="utf-8")
    return [(row.line, row.fields, row.problem) for row in read(path)]


def test_json_lines_know_their_lines(tmp_path: Path) -> None:
    text = '{"prompt": "a"}\n\n{"prompt": "b", "seed": 3}\nnope\n[1]\n'
    found = rows(tmp_path / "jobs.jsonl", text)
    assert found[:2] == [(1, {"prompt": "a"}, ""), (3, {"prompt": "b", "seed": 3}, "")]
    assert [line for line, _, problem in found if problem] == [4, 5]


def test_csv_gives_every_field_its_kind(tmp_path: Path) -> None:
    text = (
        "prompt,seed,guidance,ldr,loras,width\n"
        '"a lake,\nat dawn",7,4.5,true,a.safetensors:0.5;b.safetensors,512\n'
        "hills,,,,,\n"
        "bad,1.5,,,,\nworse,x,,,,\nlong,1,,,,,9\n"
    )
    found = rows(tmp_path / "jobs.csv", text)
    assert found[0][:2] == (
        2,
        {
            "prompt": "a lake,\nat dawn",
            "seed": 7,
            "guidance": 4.5,
            "ldr": True,
            "loras": ["a.safetensors:0.5", "b.safetensors"],
            "width": 512,
        },
    )
    assert found[1][:2] == (4, {"prompt": "hills"})
    assert found[2] == (5, {"prompt": "bad", "seed": 1.5}, ""), "the spec's own check refuses it"
    assert [(line, bool(problem)) for line, _, problem in found[3:]] == [(6, True), (7, True)]


def test_a_matrix_is_every_combination(tmp_path: Path) -> None:
    text = (
        '[fields]\nsteps = 4\n[matrix]\nprompt = ["a", "b"]\nseed = {first = 5, count = 3}\n'
        'size = ["512x256", "1024 × 512"]\n'
    )
    found = rows(tmp_path / "jobs.toml", text)
    assert len(found) == 2 * 3 * 2
    assert found[0] == (4, {"steps": 4, "prompt": "a", "seed": 5, "width": 512, "height": 256}, "")
    assert found[-1][1] == {"steps": 4, "prompt": "b", "seed": 7, "width": 1024, "height": 512}
    two = '[[matrix]]\nprompt = ["a"]\n\n[[matrix]]\nprompt = ["b"]\nseed = [1, 2]\n'
    assert [(line, fields["prompt"]) for line, fields, _ in rows(tmp_path / "two.toml", two)] == [
        (2, "a"),
        (5, "b"),
        (5, "b"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[matrix]\nprompt = 'a'\n", 2, "not a list"),
        ("[matrix]\nprompt = ['a']\nsize = ['big']\n", 3, "not a size"),
        ("[matrix]\nprompt = ['a']\nseed = {first = 1, count = 99999999999}\n", 3, "not a list"),
        ("[matrix]\nprompt = ['a']\n[more]\nx = 1\n", 3, "neither"),
        ("[matrix]\na={first=1, count=10000}\nb={first=1, count=10000}\n", 1, "combinations"),
    ],
)
def test_a_bad_matrix_names_the_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    ((found, _, problem),) = rows(tmp_path / "jobs.toml", text)
    assert (found, words in problem) == (line, True), problem


@pytest.mark.parametrize(
    ("name", "content"),
    [("jobs.txt", b""), ("jobs.toml", b"[matrix\n"), ("jobs.jsonl", b"\xff\xfe"), ("absent.csv", None)],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(JobsFileError, match="jobs = ") as told:
        list(read(tmp_path / name))
    assert told.value.hint


def planned(home: Path, *jobs: dict) -> plan.Plan:
    home.mkdir(exist_ok=True)
    (home / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
    return plan.Plan(plan.write_plan(home / "jobs.jsonl", home / "plans"))


def test_a_plan_names_all_bad_lines_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(JobsFileError) as told:
        planned(tmp_path, {"prompt": "a"}, {"prompt": ""}, *[{"prompt": "a", "steps": 0}] * 30)
    assert "31 jobs cannot be used" in told.value.message
    assert "line 2: prompt = '': empty" in told.value.message
    assert "… and 11 more" in told.value.message
    heard = Message.from_json(told.value.message.to_json())
    assert "line 2: prompt = '': leer." in heard.said_in(lambda text: {"empty": "leer"}.get(text, text))
    assert not (tmp_path / "plans").exists()
    with pytest.raises(JobsFileError, match="no jobs"):
        planned(tmp_path)


def test_jobs_without_a_seed_get_one_that_stays(tmp_path: Path) -> None:
    first = planned(tmp_path / "a", {"prompt": "a"}, {"prompt": "a"}, {"prompt": "b"})
    again = planned(tmp_path / "b", {"prompt": "b"}, {"prompt": "a"}, {"prompt": "a"}, {"prompt": "c"})
    assert len({first[number].spec.seed for number in range(3)}) == 3
    assert set(first.identities) <= set(again.identities), "in another order, and with more"


def test_one_job_twice_is_one_job(tmp_path: Path) -> None:
    notes: list[str] = []
    path = tmp_path / "jobs.jsonl"
    path.write_text('{"prompt": "a", "seed": 1}\n' * 2 + '{"prompt": "a", "seed": 1, "height": 512}\n')
    made = plan.Plan(plan.write_plan(path, tmp_path, notes.append))
    assert len(made) == 1
    assert notes == ["2 jobs are in the file more than once; each is made once."]


def test_jobs_of_one_model_stand_together(tmp_path: Path) -> None:
    specs = [{"prompt": "a", "seed": n, "precision": ("fp32", "bf16")[n % 2]} for n in range(6)]
    made = planned(tmp_path, *specs)
    assert made.by_group() == [0, 2, 4, 1, 3, 5]
    assert made[3].spec.precision == "bf16"
    with pytest.raises(JobsFileError, match="plan = "):
        plan.Plan(tmp_path / "jobs.jsonl")


def key(**fields: object) -> str:
    spec = EnvironmentSpec.from_dict({"prompt": "a", "seed": 1, **fields})
    return identity.identity_of(identity.resolved(spec))


def test_what_decides_pixels_decides_the_identity() -> None:
    assert len(key()) == 40
    assert key() == key(width=1024, height=512, steps=16, guidance=3.0, model="draft"), "the defaults"
    assert key(guidance=3) == key(guidance=3.0)
    others = ({"seed": 2}, {"steps": 5}, {"prompt": "b"}, {"precision": "fp32"}, {"solver": "euler"})
    for other in others:
        assert key(**other) != key(), other
    for same in ({"device": "cpu"}, {"device": "cuda:1"}, {"offload": "model"}, {"compile": True}):
        assert key(**same) == key(), "the farm decides where a job runs"


def test_files_count_by_what_is_in_them(tmp_path: Path) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    first.write_bytes(b"one")
    second.write_bytes(b"one")
    (tmp_path / "c.safetensors").write_bytes(b"two")
    assert key(loras=[f"{first}:0.5"]) == key(loras=[f"{second}:0.50"])
    assert key(loras=[str(first)]) != key(loras=[str(tmp_path / "c.safetensors")])
    assert key(loras=[str(first)]) != key(loras=[f"{first}:0.5"])


def test_a_model_counts_by_its_revision_or_its_content(tmp_path: Path) -> None:
    one, two, other = tmp_path / "one", tmp_path / "two", tmp_path / "other"
    index = json.loads((DRAFT / "model_index.json").read_text())
    for folder, extra in ((one, {}), (two, {}), (other, {"more": 1})):
        folder.mkdir()
        (folder / "model_index.json").write_text(json.dumps(index | extra))
    assert key(model=str(one)) == key(model=str(two)) != key(model=str(other))
    revision = "0" * 40
    assert key(model=f"a/b@{revision}") != key(model=f"a/b@{revision[:-1]}1")
    sdxl = key(model="sdxl")
    assert sdxl == key(model="sdxl", steps=30, guidance=6.0), "known without its weights"
    with pytest.raises(identity.ModelNotAvailable, match="has no revision"):
        key(model="a/b")


def test_every_field_counts_that_is_no_placement() -> None:
    """Also one that a later version adds, until it is named as placement."""
    spec = identity.resolved(EnvironmentSpec.from_dict({"prompt": "a", "seed": 1}))
    for name, value in spec.to_dict().items():
        if name in identity.PLACEMENT or name in ("model", "loras", "guides"):
            continue
        changed = dataclasses.replace(spec, **{name: "other" if isinstance(value, str) else 7})
        assert identity.identity_of(changed) != identity.identity_of(spec), name


def test_the_examples_of_the_guide_are_jobs(tmp_path: Path) -> None:
    text = (DRAFT.parents[1] / "docs" / "user" / "batch.md").read_text(encoding="utf-8")
    counts = {}
    for kind, example in re.findall(r"^```(toml|jsonl|csv)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        path = tmp_path / f"jobs.{kind}"
        path.write_text(example, encoding="utf-8")
        counts[kind] = len(plan.Plan(plan.write_plan(path, tmp_path)))
    assert counts == {"toml": 16, "jsonl": 2, "csv": 2}


def test_relative_files_begin_at_the_file_of_jobs(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "lake.png").write_bytes(b"white")
    (tmp_path / "style.safetensors").write_bytes(b"a")

    def job(mask: str) -> Path:
        guides = [{"type": "region", "prompt": "a lake", "mask": mask}]
        fields = {"prompt": "a", "guides": guides, "loras": ["style.safetensors:0.5"]}
        path = tmp_path / "jobs.jsonl"
        path.write_text(json.dumps(fields) + "\n")
        return path

    spec = plan.Plan(plan.write_plan(job("masks/lake.png"), tmp_path))[0].spec
    assert spec.guides[0].mask == str(tmp_path / "masks" / "lake.png")
    assert spec.loras == (f"{tmp_path / 'style.safetensors'}:0.5",)
    with pytest.raises(JobsFileError, match=r"line 1: guides\[0\]\.mask = '.*pond\.png' is no file"):
        plan.write_plan(job("masks/pond.png"), tmp_path)


def test_a_mask_counts_by_what_is_in_it(tmp_path: Path) -> None:
    for name, content in (("a.png", b"one"), ("b.png", b"one"), ("c.png", b"two")):
        (tmp_path / name).write_bytes(content)

    def with_mask(name: str) -> str:
        return key(guides=[{"type": "region", "prompt": "a lake", "mask": str(tmp_path / name)}])

    assert with_mask("a.png") == with_mask("b.png") != with_mask("c.png")
    assert with_mask("a.png") != key()
