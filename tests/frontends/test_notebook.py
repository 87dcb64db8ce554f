"""Notebooks, executed by a real kernel: the outputs of their cells, and the lines they refer to."""

from __future__ import annotations

import html
import re
import subprocess
import sys

import nbformat
import pytest

pytestmark = pytest.mark.slow

DEFINED = """\
# A cell's lines count from its first.
x, key = jnp.zeros((32, 10)), jax.random.key(0)

def add_noise(x, key):
    return x + jax.random.normal(key, x.shape)"""

WATCHED = """\
%%jaxrng
@jax.jit
def step(x, key):
    return jax.vmap(add_noise, in_axes=(0, None))(x, key)

for _ in range(3):
    y = step(x, key)
y.shape"""

CELLS = {
    "load": "import jax\nimport jax.numpy as jnp\n%load_ext jaxrng_doctor",
    "define": DEFINED,
    "check": "%jaxrng check add_noise(x, key=key) --expect same",
    "check mapped": "%jaxrng check add_noise(*(x, key)) --in-axes 0,None --no-run",
    "watch": WATCHED,
    "ignore": "%jaxrng check add_noise(x, key) --in-axes 0,None --ignore RNG001",
    "python": "import jaxrng_doctor\njaxrng_doctor.check(add_noise, (x, key), in_axes=(0, None))",
    "typo": "%jaxrng chek add_noise(x, key)",
    "no call": "%jaxrng check add_noise",
    "no rule": "%%jaxrng --ignore RNG777\n1",
    "fails": "%%jaxrng\n\n1 / 0",
    "after": "y.shape",
    "lambda": "%jaxrng check (lambda x, k: x + jax.random.normal(k))(x, key) --in-axes 0,None",
    "maps": "%jaxrng check jax.vmap(add_noise, in_axes=(0, None))(x, key)",
    "awaits": "%%jaxrng\nimport asyncio\nawait asyncio.sleep(0)",
    "async": (
        "import asyncio, jaxrng_doctor\n"
        "with jaxrng_doctor.watch() as report:\n"
        "    await asyncio.sleep(0)\n"
        "    jax.vmap(add_noise, in_axes=(0, None))(x, key)\n"
        "report"
    ),
    "two magics": "%%jaxrng\n%%time\nz = jax.vmap(add_noise, in_axes=(0, None))(x, key)",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, cli_environment):
    """The outputs of each cell of a notebook, which a separate process has executed."""
    folder = tmp_path_factory.mktemp("notebook")
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS.values()]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "noise.ipynb")
    code = (
        "import nbformat, nbclient\n"
        "notebook = nbformat.read('noise.ipynb', 4)\n"
        "nbclient.NotebookClient(notebook, kernel_name='python3', allow_errors=True).execute()\n"
        "nbformat.write(notebook, 'done.ipynb')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        # The kernel keeps its history and its connection files in this folder.
        env={**cli_environment, "IPYTHONDIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(folder / "done.ipynb", 4)
    return {name: cell.outputs for name, cell in zip(CELLS, executed.cells, strict=True)}


def shown(outputs, kind):
    return [o.data[kind] for o in outputs if "data" in o and kind in o.data]


def page_in(outputs):
    (frame,) = shown(outputs, "text/html")
    assert 'sandbox="allow-scripts"' in frame
    return html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])


def number_of(name):
    return list(CELLS).index(name) + 1


def line_of(name, text):
    return next(n for n, line in enumerate(CELLS[name].splitlines(), 1) if text in line)


def test_a_call_is_checked(outputs):
    (text,) = shown(outputs["check mapped"], "text/plain")
    assert "error[RNG001]: shared-key-under-vmap" in text
    place = f"In[{number_of('define')}]:{line_of('define', 'random.normal')}:16 in add_noise"
    assert f"--> {place}" in text
    assert "return x + jax.random.normal(key, x.shape)" in text
    assert "from the trace alone" in text
    page = page_in(outputs["check mapped"])
    assert place.replace(" in ", ' <span class="dim">in ') in page


def test_a_page_in_a_notebook_has_the_noise_and_the_program(outputs):
    page = page_in(outputs["python"])
    assert '<figure class="noise">' in page
    assert "Key tree" in page
    assert "RNG001" in page


def test_options_reach_the_check(outputs):
    (text,) = shown(outputs["ignore"], "text/plain")
    assert "RNG001" not in text
    (text,) = shown(outputs["check"], "text/plain")
    assert "All clear: no shared noise in 1 draw" in text


def test_a_cell_is_watched(outputs):
    assert shown(outputs["watch"], "text/plain")[0] == "(32, 10)"
    text = shown(outputs["watch"], "text/plain")[1]
    assert "error[RNG001]" in text
    assert "error[RNG014]" in text
    assert "draws from one key in 3 calls" in text
    mapped = line_of("watch", "jax.vmap(")
    assert f"::: In[{number_of('watch')}]:{mapped}:12 in step" in text
    assert f"{mapped} |     return jax.vmap(add_noise, in_axes=(0, None))(x, key)" in text


def test_a_watched_cell_does_what_it_does_without(outputs):
    assert shown(outputs["after"], "text/plain") == ["(32, 10)"]
    (error,) = outputs["fails"]
    assert (error.output_type, error.ename) == ("error", "ZeroDivisionError")
    frames = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error.traceback))
    assert re.search(r"^----> 3 1 / 0$", frames, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("typo", "%jaxrng: unknown command 'chek'"),
        ("no call", "'add_noise' is not a function call"),
        ("no rule", "unknown rule 'RNG777'"),
    ],
)
def test_what_is_mistyped_is_reported_in_a_line(outputs, name, said):
    (output,) = outputs[name]
    assert output.name == "stderr"
    assert said in output.text
    assert "Traceback" not in output.text


def test_what_a_line_defines_or_maps_has_its_source(outputs):
    (text,) = shown(outputs["lambda"], "text/plain")
    assert f"--> In[{number_of('lambda')}]:1:" in text
    assert "1 | (lambda x, k: x + jax.random.normal(k))(x, key)" in text
    (text,) = shown(outputs["maps"], "text/plain")
    assert f"::: In[{number_of('maps')}]:1:1" in text
    assert "1 | jax.vmap(add_noise, in_axes=(0, None))(x, key)" in text
    assert "get_ipython" not in text


def test_a_cell_that_awaits_is_reported_another_way_and_that_way_works(outputs):
    (output,) = outputs["awaits"]
    assert "%%jaxrng cannot watch a cell with a top-level await" in output.text
    assert "with jaxrng_doctor.watch() as report:" in output.text
    (text,) = shown(outputs["async"], "text/plain")
    assert "error[RNG001]" in text


def test_another_magic_may_follow(outputs):
    assert "Wall time" in "".join(o.get("text", "") for o in outputs["two magics"])
    (text,) = shown(outputs["two magics"], "text/plain")
    assert "error[RNG001]" in text


def test_an_exception_in_a_cell_shows_no_line_of_the_doctor_s(outputs):
    (error,) = outputs["fails"]
    assert "notebook.py" not in "\n".join(error.traceback)
