"""Suppressed findings and baselines, with real projects and real processes."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from jaxrng_doctor.config.pyproject import read_config
from jaxrng_doctor.rules import CODES

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))

RunCli = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[[str, str], Path]

TWICE = """\
import jax


def {name}(x, key):
    return jax.random.normal(key, x.shape) + jax.random.uniform(key, x.shape)
"""

CONFIG = """
[tool.jaxrng-doctor]
no-run = true
{settings}

[[tool.jaxrng-doctor.targets]]
target = "lab/one.py:one"
args = {{ x = "f32[3]" }}

[[tool.jaxrng-doctor.targets]]
target = "lab/old/two.py:two"
args = {{ x = "f32[3]" }}
{overrides}
"""


@pytest.fixture
def project(write: Write) -> Callable[[str, str], Path]:
    """A function that writes two files with one RNG005 finding each, and the given settings."""

    def make(settings: str = "", overrides: str = "") -> Path:
        write("lab/one.py", TWICE.format(name="one"))
        write("lab/old/two.py", TWICE.format(name="two"))
        return write("pyproject.toml", CONFIG.format(settings=settings, overrides=overrides)).parent

    return make


def read(done: subprocess.CompletedProcess[str]) -> Any:
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    return document


def reported(document: Any) -> dict[str, list[str]]:
    """For each target, the codes of its findings, and why findings are suppressed."""
    return {
        target["target"].rpartition(":")[2]: [
            *(f["code"] for f in target["findings"]),
            *(f"{s['finding']['code']} by {s['by']} {s['reason']}" for s in target["suppressed"]),
        ]
        for target in document["targets"]
    }


def test_per_file_ignores_and_exclude(run_cli: RunCli, project: Any) -> None:
    folder = project('per-file-ignores = { "lab/*.py" = ["RNG00"] }\nexclude = ["old"]')
    done = run_cli("check", "--format", "json", cwd=folder / "lab")
    assert reported(read(done)) == {"one": ['RNG005 by per-file-ignores "lab/*.py"'], "two": []}
    assert done.returncode == 0


def test_a_target_has_settings_separate_and_flags_win(run_cli: RunCli, project: Any) -> None:
    project('fail-on = "error"', 'ignore = ["RNG005"]\nno-run = false')
    done = run_cli("check", "--format", "json")
    document = read(done)
    assert reported(document) == {"one": ["RNG005"], "two": []}
    compared = {t["target"]: t["comparison"] is not None for t in document["targets"]}
    assert compared == {"lab/one.py:one": False, "lab/old/two.py:two": True}
    assert done.returncode == 1
    done = run_cli("check", "--format", "json", "--ignore", "RNG001", "--fail-on", "never")
    assert reported(read(done)) == {"one": ["RNG005"], "two": ["RNG005"]}
    assert done.returncode == 0


@pytest.mark.slow
def test_a_target_fails_from_its_own_gravity_on(run_cli: RunCli, project: Any) -> None:
    project('fail-on = "never"', 'fail-on = "note"')
    assert run_cli("check", "lab/one.py:one").returncode == 0
    done = run_cli("check", "lab/old/two.py:two", "--run", "--format", "json")
    assert read(done)["targets"][0]["comparison"] is not None
    assert done.returncode == 1


def test_expect_of_all_targets_and_of_one(run_cli: RunCli, write: Write) -> None:
    write(
        "noise.py",
        """
        import jax

        def shared(x, key):
            return jax.vmap(lambda x, key: x + jax.random.normal(key), (0, None))(x, key)

        def declared(x, key):
            return shared(x, key)
        """,
    )
    entry = "[[tool.jaxrng-doctor.targets]]\ntarget = 'noise.py:{}'\nargs = {{ x = 'f32[3]' }}\n"
    write(
        "pyproject.toml",
        "[tool.jaxrng-doctor]\nexpect = 'same'\nno-run = true\n"
        f"{entry.format('shared')}{entry.format('declared')}expect = 'different'",
    )
    done = run_cli("check", "--format", "json")
    assert reported(read(done)) == {"shared": ["RNG001 by expect "], "declared": ["RNG001"]}


def test_a_comment_for_the_file(run_cli: RunCli, project: Any, write: Write) -> None:
    project()
    write("lab/one.py", "# jaxrng: ignore-file[RNG001, RNG005] twins\n" + TWICE.format(name="one"))
    write("lab/old/two.py", TWICE.format(name="two") + "\n# jaxrng: ignore-file\n")
    done = run_cli("check", "--format", "json")
    assert reported(read(done)) == {
        "one": ["RNG005 by file-comment twins"],
        "two": ["RNG005 by file-comment "],
    }
    assert done.returncode == 0


FRESH = """\
import jax

# jaxrng: ignore-file[RNG005] was so once


def good(x, key):  # jaxrng: ignore
    return jax.random.normal(key, x.shape)  # jaxrng: ignore[RNG001]


class Model:
    def call(self, x, key):
        return jax.random.normal(key, x.shape)


model = Model()
"""


@pytest.mark.slow
def test_what_suppresses_nothing(run_cli: RunCli, write: Write) -> None:
    write("fresh.py", FRESH)
    call = ("--arg", "x=f32[3]", "--format", "json")
    document = read(run_cli("check", "fresh.py:good", "fresh.py:model.call", *call))
    messages = {f["line"]: f["message"] for t in document["targets"] for f in t["findings"]}
    assert messages == {
        3: "`# jaxrng: ignore-file[RNG005]` suppresses nothing",
        6: "`# jaxrng: ignore` suppresses nothing",
        7: "`# jaxrng: ignore[RNG001]` suppresses nothing",
    }
    # Another function in the file may need the comment.
    document = read(run_cli("check", "fresh.py:model.call", *call))
    assert reported(document) == {"model.call": []}
    # Without a run, or with other rules selected, comments are not reported as unused.
    assert reported(read(run_cli("check", "fresh.py:good", *call, "--no-run"))) == {"good": []}
    assert reported(read(run_cli("check", "fresh.py:good", *call, "--select", "RNG003"))) == {
        "good": []
    }


@pytest.mark.slow
def test_codes_that_are_not_in_brackets(run_cli: RunCli, write: Write) -> None:
    bare = TWICE.format(name="both").rstrip("\n")
    write("slip.py", f"{bare}  # jaxrng: ignore RNG005\n")
    done = run_cli("check", "slip.py:both", "--arg", "x=f32[3]", "--format", "json")
    (target,) = json.loads(done.stdout)["targets"]
    reused, slip = target["findings"]
    assert (reused["code"], slip["code"]) == ("RNG005", "RNG900")
    assert slip["message"] == "`# jaxrng: ignore RNG005` suppresses nothing"
    assert "did you mean `# jaxrng: ignore[RNG005]`?" in str(slip["help"])


@pytest.mark.slow
def test_the_comment_about_an_unused_comment(run_cli: RunCli, write: Write) -> None:
    write("fresh.py", FRESH.replace("ignore[RNG001]", "ignore[RNG001, RNG900] kept"))
    done = run_cli("check", "fresh.py:good", "--arg", "x=f32[3]", "--format", "json")
    assert reported(read(done)) == {"good": ["RNG900", "RNG900 by comment kept"]}


def test_a_baseline(run_cli: RunCli, project: Any, write: Write) -> None:
    folder = project()
    written = run_cli("check", "--write-baseline", "lab/known.json")
    assert "2 findings written to lab/known.json" in written.stderr
    assert written.returncode == 0
    baseline = folder / "lab" / "known.json"
    document = json.loads(baseline.read_text())
    assert [entry["path"] for entry in document["findings"]] == ["lab/old/two.py", "lab/one.py"]
    assert "line" not in baseline.read_text()
    assert str(folder) not in baseline.read_text()

    # A finding stays known if its line moves and its layout changes. Another finding is new.
    moved = '"""Moved."""\n\n\n' + TWICE.format(name="one").replace("key,", "key,  ")
    more = "\n\ndef other(key):\n    return jax.random.bits(key) + jax.random.bits(key)\n"
    write("lab/one.py", moved + more)
    write("pyproject.toml", CONFIG.format(settings="baseline = 'lab/known.json'", overrides=""))
    done = run_cli("check", "--format", "json", cwd=folder / "lab")
    assert reported(read(done)) == {
        "one": ["RNG005 by baseline "],
        "two": ["RNG005 by baseline "],
    }
    assert done.returncode == 0
    assert "No new findings in 4 draws (2 in the baseline)" in run_cli("check").stdout
    new = run_cli("check", "lab/one.py:one", "lab/one.py:other", "--format", "json")
    assert reported(read(new)) == {"one": ["RNG005 by baseline "], "other": ["RNG005"]}
    assert new.returncode == 1
    assert "known.json" not in new.stderr  # only some targets were checked

    # Fixed findings are reported, with how to remove them. The other entry stays the same.
    write(
        "lab/one.py", "import jax\n\ndef one(x, key):\n    return jax.random.normal(key, x.shape)\n"
    )
    done = run_cli("check")
    assert done.returncode == 0
    assert "1 finding of lab/known.json did not occur" in done.stderr
    assert "--write-baseline lab/known.json" in done.stderr
    assert run_cli("check", "--write-baseline", "lab/known.json").returncode == 0
    (left,) = json.loads(baseline.read_text())["findings"]
    assert left == document["findings"][0]


@pytest.mark.slow
def test_a_baseline_for_a_program_that_is_run(run_cli: RunCli, write: Write) -> None:
    write(
        "train.py",
        TWICE.format(name="step") + "\njax.jit(step)(jax.numpy.zeros(3), jax.random.key(0))\n",
    )
    assert run_cli("run", "train.py").returncode == 1
    assert run_cli("run", "--write-baseline", "known.json", "train.py").returncode == 0
    done = run_cli("run", "--baseline", "known.json", "train.py")
    assert (done.returncode, done.stdout) == (0, "")
    assert "in the baseline)" in done.stderr
    assert "did not occur" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such baseline: known.json\nrun: jaxrng-doctor check --write-baseline"),
        ("[tool]", "known.json is not a baseline"),
        ("{}", "known.json is not a baseline"),
        ('{"version": 99, "fingerprints": 1, "findings": []}', "of another version"),
        ('{"version": 1, "fingerprints": 1, "findings": [{}]}', "known.json is damaged"),
        ('{"version": 1, "fingerprints": 1, "findings": {}}', "known.json is damaged"),
        ('{"version": 1, "fingerprints": 1, "findings": [{"fingerprint": 1}]}', "is damaged"),
        ("[" * 100_000, "known.json is not a baseline"),
    ],
)
def test_a_baseline_that_cannot_be_read(
    run_cli: RunCli, write: Write, text: str | None, words: str
) -> None:
    if text is not None:
        write("known.json", text)
    done = run_cli("check", "a:f", "--baseline", "known.json")
    assert words in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


def test_a_baseline_overwrites_no_other_file(run_cli: RunCli, project: Any) -> None:
    folder = project()
    before = (folder / "pyproject.toml").read_bytes()
    done = run_cli("check", "--write-baseline", "pyproject.toml")
    assert "would overwrite a file that is not a baseline" in done.stderr
    assert done.returncode == 2
    assert (folder / "pyproject.toml").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flag", "what"),
    [("--write-baseline", "--write-baseline known.json"), ("--baseline", "the baseline")],
)
def test_no_report_goes_where_the_baseline_is(
    run_cli: RunCli, write: Write, flag: str, what: str
) -> None:
    empty = '{"version": 1, "fingerprints": 1, "findings": []}'
    path = write("known.json", empty)
    done = run_cli("check", "a:f", flag, "known.json", "--format", "json:./known.json")
    said = f"error: --format json:./known.json and {what} both use {path}"
    assert said in done.stderr
    assert (done.returncode, done.stdout) == (2, "")
    assert path.read_text() == empty


@pytest.mark.slow
def test_a_failure_leaves_the_baseline_as_it_is(
    run_cli: RunCli, project: Any, write: Write
) -> None:
    folder = project()
    write("lab/one.py", "def one(x, key):\n    raise ValueError\n")
    done = run_cli("check", "--write-baseline", "known.json")
    assert done.returncode == 3
    assert "known.json was not written" in done.stderr
    assert not (folder / "known.json").exists()


def test_statistics(run_cli: RunCli, project: Any) -> None:
    project()
    done = run_cli("check", "--statistics")
    assert done.stdout == (
        "2  RNG005  reused-key\n\n"
        "2 errors, 0 warnings, 0 notes · 4 draws seen · 0 gaps · 0 suppressed\n"
    )
    assert done.returncode == 1
    done = run_cli("check", "--statistics", "--format", "json")
    assert json.loads(done.stdout) == [{"code": "RNG005", "name": "reused-key", "count": 2}]
    done = run_cli("check", "--statistics", "--format", "sarif")
    assert "--format: unknown value 'sarif'" in done.stderr
    assert done.returncode == 2


def test_the_settings_that_hold(run_cli: RunCli, project: Any, write: Write) -> None:
    folder = project(
        'exclude = ["a \\"b\\"\\\\", "ü"]\nper-file-ignores = { "x*" = ["RNG0"] }',
        'in-axes = [0, "None"]\ntimeout = 0.5',
    )
    shown = run_cli("check", "--show-settings", "--fail-on", "note", cwd=folder / "lab").stdout
    assert shown.startswith(f"# settings in {folder / 'pyproject.toml'}\n")
    for line in (
        'fail-on = "note"  # flag',
        "no-run = true  # pyproject.toml",
        "timeout = 60  # default",
        "# baseline is not set",
    ):
        assert f"\n{line}\n" in shown
    written = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["jaxrng-doctor"]
    assert tomllib.loads(shown)["tool"]["jaxrng-doctor"].items() >= written.items()
    before = read_config(folder, CODES)
    write("pyproject.toml", shown)
    after = read_config(folder, CODES)
    assert (after.targets, after.exclude) == (before.targets, before.exclude)
    assert after.per_file_ignores == before.per_file_ignores


CALLED = """
import jax

@jax.jit
def noise(key):
    return jax.random.normal(key, (3,))

key = jax.random.key(0)
"""


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        # At the call that repeats the key, of two calls or of all in a loop.
        ("noise(key)\nnoise(key)  # {}", []),
        ("for _ in range(3):\n    noise(key)  # {}", []),
        # Not where it would hide the repetition in another call, or at the first use.
        ("noise(key)\nnoise(key)  # {}\nnoise(key)", ["RNG014"]),
        ("noise(key)  # {}\nnoise(key)\nnoise(key)", ["RNG014"]),
        (
            "jax.random.normal(key)  # {}\njax.random.normal(key)\njax.random.normal(key)",
            ["RNG005"],
        ),
    ],
)
def test_a_comment_at_a_call_hides_no_other_call(
    run_cli: RunCli, write: Write, calls: str, expected: list[str]
) -> None:
    write("script.py", CALLED + calls.format("jaxrng: ignore[RNG014] the same noise"))
    done = run_cli("run", "--format", "json", "script.py")
    targets = json.loads(done.stderr[done.stderr.index("{") :])["targets"]
    assert [f["code"] for target in targets for f in target["findings"]] == expected


HELPER = """
import jax

def noise(key):
    return jax.random.normal(key, (3,))

"""
THRICE = """
def fn(x, key):
    x = x + noise(key)
    x = x + noise(key)  # {}
    return x * noise(key)
"""
TWICE_BY_A_HELPER = """
def fn(x, key):
    x = x + noise(key)
    return x * noise(key)  # {}
"""
AT_THE_FIRST = """
def fn(x, key):
    x = x + jax.random.normal(key, (3,))  # {}
    return x * jax.random.normal(key, (3,))
"""
AT_THE_SPLIT = """
def fn(x, key):
    def one(row):
        a, b = jax.random.split(key)  # {}
        return row + jax.random.normal(a) * jax.random.normal(b)

    return jax.vmap(one)(x)
"""


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("program", "comment", "expected"),
    [
        (TWICE_BY_A_HELPER, "jaxrng: ignore[RNG005] the same", []),
        (TWICE_BY_A_HELPER, "jaxrng: ignore[reused-key] the same", []),
        (TWICE_BY_A_HELPER, "jaxrng: ignore the same", ["RNG005"]),
        (THRICE, "jaxrng: ignore[RNG005] the same", ["RNG005"]),
        (AT_THE_FIRST, "jaxrng: ignore[RNG005] the same", []),
        (AT_THE_FIRST, "jaxrng: ignore common noise", ["RNG005"]),
        (AT_THE_SPLIT, "jaxrng: ignore[RNG001] a is shared", ["RNG001"]),
    ],
)
def test_a_comment_hides_no_fault_that_it_may_not_mean(
    run_cli: RunCli, write: Write, program: str, comment: str, expected: list[str]
) -> None:
    write("model.py", HELPER + program.format(comment))
    arguments = ("--arg", "x=f32[3]", "--arg", "key=key", "--format", "json")
    (target,) = json.loads(run_cli("check", "model.py:fn", *arguments).stdout)["targets"]
    codes = [f["code"] for f in target["findings"]]
    assert [code for code in codes if code != "RNG900"] == expected
