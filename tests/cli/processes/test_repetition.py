"""The commands that a report rebuilds from lineages make the same bytes again."""

import pytest

from apcli.api import runs
from apcli.progress import Progress
from apcli.records import lines
from apcli.stages.report.answers.rebuilt.commands import commands_of
from apcli.stages.report.runs.experiment import build

pytestmark = pytest.mark.slow  # several trainings, twice

DENSE = "out/resnet20-digits.seed0.safetensors out/resnet20-digits.seed1.safetensors"
LOWEST = "out/resnet20-digits.seed0.lowest-0.8.safetensors,out/resnet20-digits.seed1.lowest-0.8.safetensors"
TUNE = "apcli finetune --epochs 1 --images 100 --lr 0.02 --seed 5 --trace none"
STUDY = [
    "apcli train resnet20 --images 200 --epochs 1 --opt adamw --lr 0.003 --mixup 0.1 --seeds 0,1 -o out",
    f"apcli prune {DENSE} --method lowest,random --scope global --sparsity 0.5,0.8 | {TUNE} > files.txt",
    f"apcli prune {DENSE} --structure filter --sparsity 0.5 | {TUNE} >> files.txt",
    f"apcli prune {DENSE} --like {LOWEST} | {TUNE} >> files.txt",
    f"apcli prune {DENSE.split()[0]} --method random --sparsity 0.3 --seeds 0,7 --layers last | {TUNE} >> files.txt",
    "apcli divergence --dist ap2,student-t:df=3 --layers all < files.txt > records.jsonl",
]


def run(shell, line):
    """A line of commands as the shell would run it, in this process."""
    pipeline, arrow, place = line.partition(" > ") if " > " in line else line.partition(" >> ")
    passed = None
    for stage in pipeline.split(" | "):
        command, _, given = stage.partition(" < ")
        result = shell(command.removeprefix("apcli "), (shell.folder / given).read_bytes() if given else passed)
        assert result.code == 0, result.err
        passed = result.raw
    if place:
        with (shell.folder / place).open("wb" if arrow == " > " else "ab") as file:
            file.write(passed)


def test_the_same_bytes_again(tmp_path, open_shell, monkeypatch):
    first, again = (open_shell(tmp_path / name) for name in ("first", "again"))
    for shell in (first, again):
        shell.folder.mkdir()
    for line in STUDY:
        run(first, line)
    monkeypatch.chdir(first.folder)
    records = lines.load((first.folder / "records.jsonl").read_text().splitlines(), "records")
    (group,) = build(records, runs.file_describer(Progress())).groups
    commands = commands_of(group)
    assert len(commands) == len(STUDY)
    for line in commands:
        run(again, line)
    files = {path.relative_to(first.folder): path.read_bytes() for path in first.folder.rglob("*.safetensors")}
    assert len(files) == 2 + 2 * (8 + 2 + 2 + 2), "dense files; each pruned one before and after"
    for name, content in files.items():
        assert (again.folder / name).read_bytes() == content, name
    assert (again.folder / "report.html").is_file()
