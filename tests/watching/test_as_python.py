"""`jaxrng-doctor run`: what a program sees, prints and returns is the same as under `python`."""

import os
import subprocess
import sys
import zipfile

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.one_jax]

ABOUT_ITSELF = """
    "What this is."
    import sys
    import __main__

    print(__name__, __doc__, __file__, __package__, __spec__ and __spec__.name, __cached__)
    print(type(__loader__).__name__, sorted(globals()), __main__.__dict__ is globals())
    print(sys.argv, sys.path)
"""

# JAX reads these when it is imported.
SETTINGS = """
    import os

    os.environ["JAX_ENABLE_X64"] = "1"
    os.environ["JAX_DEFAULT_PRNG_IMPL"] = "rbg"
    import jax

    print(jax.random.normal(jax.random.key(0), (2,)), jax.random.key(0).dtype)
"""

PRINTING = """
    import sys, threading, time

    import jax

    def say():
        for number in range(30):
            time.sleep(0.02)
            print("of a thread", number)

    thread = threading.Thread(target=say)

    @jax.jit
    def draw(key):
        print("tracing")
        sys.stdout.flush()
        if thread.ident is None:
            thread.start()
        time.sleep(0.3)
        return jax.random.normal(key)

    draw(jax.random.key(0))
    thread.join()
    print("end")
"""

PROGRAMS = {
    "printing": PRINTING,
    "settings": SETTINGS,
    "itself": ABOUT_ITSELF,
    "annotations": "def f(x: NotThere): pass\n",
    "hook": "import sys\nsys.excepthook = lambda *e: print('hook', e[1])\nraise KeyError(1)\n",
    "no stderr": "import sys\nsys.stderr.close()\n",
    "warnings": "import warnings\nprint(warnings.filters)\nwarnings.warn('old', UserWarning)\n",
    "old finder": "import sys\nsys.meta_path.insert(0, object())\nimport jax\nprint(1)\n",
    "early": "import sys\nprint([m for m in ('jax', 'numpy') if m in sys.modules])\n",
}


@pytest.fixture
def both(tmp_path, cli_environment):
    """Run a command line with `python` and with `jaxrng-doctor run`; return both processes."""

    def run(*typed):
        def by(*command):
            return subprocess.run(
                [sys.executable, *command, *typed],
                cwd=tmp_path,
                env=cli_environment,
                capture_output=True,
                text=True,
                check=False,
            )

        return by(), by("-m", "jaxrng_doctor", "run")

    return run


def assert_same(alone, watched):
    assert watched.stdout == alone.stdout
    assert watched.stderr.startswith(alone.stderr)
    assert watched.returncode == alone.returncode


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_script(write, both, program):
    write("script.py", PROGRAMS[program])

    alone, watched = both("script.py", "--flag")

    assert_same(alone, watched)
    assert watched.stderr.endswith("0 suppressed\n")


def test_a_module_in_a_package(write, both):
    write("package/__init__.py", "")
    write("package/part/__init__.py", "import sys; print(sys.argv)")
    write("package/part/tool.py", ABOUT_ITSELF + "    from .. import part; print(part.__name__)\n")

    alone, watched = both("-m", "package.part.tool", "x")

    assert alone.stdout.endswith("package.part\n")
    assert watched.returncode == alone.returncode
    # While Python looks for the module, `sys.argv[0]` is -m.
    assert watched.stdout == alone.stdout.replace("['-m', 'x']", "['package.part.tool', 'x']")


def test_a_package_with_a_main(write, both):
    write("package/__init__.py", "")
    write("package/__main__.py", ABOUT_ITSELF)

    assert_same(*both("-m", "package"))


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_a_folder(write, both, tmp_path, packed):
    main = write("app/__main__.py", "import part; print(part.x, __package__, __spec__.name)\n")
    part = write("app/part.py", "x = 5\n")
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.write(main, "__main__.py")
        archive.write(part, "part.py")

    alone, watched = both("app.zip" if packed else "app")

    assert alone.stdout == "5  __main__\n"
    assert_same(alone, watched)


def test_a_link_to_a_script_finds_what_is_beside_the_script(write, both, tmp_path):
    write("real/part.py", "x = 5\n")
    script = write("real/script.py", "import part; print(part.x, __file__)\n")
    (tmp_path / "link.py").symlink_to(script)

    assert_same(*both("link.py"))


def test_there_is_no_such_module(run_cli):
    done = run_cli("run", "-m", "nothing")

    assert done.returncode == 2
    assert done.stderr.startswith("error: module not found: nothing\n")


def test_threads_that_go_on_are_watched_to_their_end(write, run_cli):
    write(
        "script.py",
        """
        import concurrent.futures, sys, threading, time

        def late():
            time.sleep(0.2)
            import jax

            jax.random.normal(jax.random.key(0))
            sys.stdout.write("done\\n")  # at once: `print` writes twice

        executor = concurrent.futures.ThreadPoolExecutor(2)  # which is never shut down
        executor.submit(int).result()
        executor.submit(late)
        threading.Thread(target=late).start()
        """,
    )

    done = run_cli("run", "script.py")

    assert done.stdout == "done\ndone\n"
    assert "error[RNG005]" in done.stderr


# With JAX 0.6 a child that exits hangs, also under plain Python.
@pytest.mark.one_jax
@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
def test_a_process_that_the_program_forks_off_reports_nothing(write, run_cli):
    write(
        "script.py",
        """
        import os, sys, warnings

        import jax

        warnings.simplefilter("ignore")  # JAX warns of forks
        for _ in range(2):
            jax.random.normal(jax.random.key(0))
        child = os.fork()
        if not child:
            sys.exit(7)
        os.waitpid(child, 0)
        """,
    )

    done = run_cli("run", "script.py")

    assert done.stderr.count("error[RNG005]") == 1


def test_a_program_that_imports_the_doctor_is_watched(write, run_cli):
    write(
        "script.py",
        """
        import jaxrng_doctor

        with jaxrng_doctor.watch() as report:
            import jax

            for _ in range(2):
                jax.random.normal(jax.random.key(0))
        print([finding.code for finding in report.findings])
        """,
    )

    done = run_cli("run", "script.py")

    assert done.stdout == "['RNG005']\n"
    assert "error[RNG005]" in done.stderr


def test_the_report_comes_whatever_stderr_has_become(write, run_cli):
    write("script.py", "import io, sys\nsys.stderr = io.StringIO()\n")

    assert "0 errors" in run_cli("run", "script.py").stderr


FAILING = """
    import sys, traceback

    import jax
    import jax.numpy as jnp
    from jax import lax

    def fails(*args):
        raise ValueError("its own")

    calls = [
        lambda: jax.grad(lambda x: jnp.sin(x))(jnp.ones(3)),
        lambda: jax.vmap(lambda x, y: x)(jnp.ones(3), jnp.ones(4)),
        lambda: jax.vmap(fails)(jnp.ones(3)),
        lambda: jax.grad(fails)(1.0),
        lambda: jax.jit(fails)(1.0),
        lambda: jax.jvp(fails, (1.0,), (1.0,)),
        lambda: jax.vjp(fails, 1.0),
        lambda: lax.scan(fails, 0.0, jnp.arange(3.0)),
        lambda: lax.cond(True, fails, fails, 1.0),
        lambda: jax.vmap(3),
        lambda: jax.grad(),
        lambda: jax.grad(jax.checkpoint(fails))(1.0),
        lambda: jax.random.normal(3.0),
        lambda: jax.random.normal(jax.random.split(jax.random.key(0))),
    ]
    for call in calls:
        try:
            call()
        except Exception as error:
            traceback.print_exc(file=sys.stdout)
    for _ in range(2):
        jax.random.split(jax.random.key(0))
    fails()
"""


def test_tracebacks_have_no_frames_of_the_doctor(write, both):
    write("script.py", FAILING)

    alone, watched = both("script.py")

    assert alone.stdout.count("Traceback") >= 14
    assert_same(alone, watched)
    # A call that fails is not a gap, and the other calls are checked.
    assert "0 gaps" in watched.stderr


def test_what_failed_once_is_examined_when_it_does_not(write, run_cli):
    write(
        "script.py",
        """
        import jax
        import jax.numpy as jnp

        ready = False

        def noisy(x):
            if not ready:
                raise RuntimeError
            return x + jax.random.normal(jax.random.key(0))

        for _ in range(2):
            try:
                jax.vmap(noisy)(jnp.zeros(3))
            except RuntimeError:
                ready = True
        """,
    )

    assert "error[RNG001]" in run_cli("run", "script.py").stderr


def test_compiled_code_names_the_programs_lines_and_no_others(write, both):
    write(
        "script.py",
        """
        import jax

        def noisy(key):
            return jax.vmap(jax.random.normal)(jax.random.split(key, 3)).sum()

        lowered = jax.jit(noisy).lower(jax.random.key(0))
        print(lowered.as_text(debug_info=True), lowered.compile().as_text())
        """,
    )

    alone, watched = both("script.py")

    assert "script.py" in alone.stdout
    assert watched.stdout == alone.stdout


@pytest.mark.skipif(os.name == "nt", reason="POSIX shell")
def test_stderr_that_is_closed_from_the_start(write, tmp_path, cli_environment):
    write("script.py", "print('ran')\n")
    command = f"{sys.executable} -m jaxrng_doctor run script.py 2>&-"

    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env=cli_environment, stdout=subprocess.PIPE, check=True
    )

    assert done.stdout == b"ran\n"
