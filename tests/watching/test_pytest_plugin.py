"""`pytest --jaxrng`, in real pytest runs."""

import importlib.metadata
import importlib.util
import xml.etree.ElementTree as ET

import pytest

pytest_plugins = ["pytester"]

INSTALLED = any(
    entry.name == "jaxrng" for entry in importlib.metadata.entry_points(group="pytest11")
)
PLUGIN = [] if INSTALLED else ["-p", "jaxrng_doctor.frontends.pytest_plugin"]

TESTS = """
    import jax
    import jax.numpy as jnp
    import pytest

    X = jnp.zeros((4, 3))

    def shared(key):
        return jax.jit(jax.vmap(lambda row: row + jax.random.normal(key, row.shape)))(X)

    def test_shared():
        shared(jax.random.key(0))

    def test_healthy():
        jax.random.normal(jax.random.key(0))

    def test_that_fails_by_itself():
        shared(jax.random.key(0))
        assert 1 + 1 == 3
"""

ENDED = (
    TESTS
    + """
    def test_that_is_called_a_failure():
        shared(jax.random.key(0))
        pytest.fail("own")

    def test_that_raises_nothing():
        with pytest.raises(ValueError):
            shared(jax.random.key(0))
"""
)


@pytest.fixture
def run(pytester, cli_environment, monkeypatch):
    """Run pytest on one file of tests, in a separate process."""
    monkeypatch.setenv("PYTHONPATH", cli_environment["PYTHONPATH"])
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")

    def run_pytest(text, *flags):
        pytester.makepyfile(text)
        return pytester.runpytest_subprocess(*PLUGIN, *flags)

    return run_pytest


@pytest.mark.sampled(2)
@pytest.mark.parametrize("ci", ["", "true"])
def test_a_test_that_shares_noise_fails_with_the_finding_as_its_reason(run, monkeypatch, ci):
    monkeypatch.setenv("CI", ci)  # if set, pytest does not shorten its summary
    monkeypatch.setenv("COLUMNS", "300")
    result = run(TESTS, "--jaxrng", "--junit-xml=out.xml")

    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*_ test_shared _*",
            "*.py:8:47: RNG001 all 4 examples of vmap draw the same numbers *shared-key-under*",
            "*assert (1 + 1) == 3*",
            "*= jaxrng-doctor =*",
            "error[[]RNG001[]]: shared-key-under-vmap: all 4 examples*",
            "  seen in 2 tests:",
            "    *::test_shared",
            "    *::test_that_fails_by_itself",
            "*= short test summary info =*",
            "FAILED *::test_shared - RNG001 *.py:8:47: all 4 examples*",
        ]
    )
    assert result.stdout.str().count("error[RNG001]") == 1
    reasons = [case.get("message") for case in ET.parse("out.xml").iter("failure")]
    assert "\n" not in reasons[0]
    assert reasons[0].startswith("RNG001 test_a_test_that")
    assert reasons[0].endswith(".py:8:47: all 4 examples of vmap draw the same numbers")
    properties = [p.get("value") for p in ET.parse("out.xml").iter("property")]
    assert [text.count("error[RNG001]") for text in properties] == [1, 1]  # the whole reports


@pytest.mark.slow
@pytest.mark.one_jax
def test_a_line_of_traceback_is_the_tests_own(run):
    result = run(TESTS, "--jaxrng", "--tb=line")

    result.stdout.fnmatch_lines(["*/test_a_line*.py:10: RNG001 *.py:8:47: all 4 examples*"])
    assert "pytest_plugin.py" not in result.stdout.str()


BY_NAME = """
    import jax.numpy as jnp
    from jax import grad, vmap
    from jax.lax import map as map_over
    from jax.random import key, normal

    KEY, X = key(0), jnp.ones((4, 3))

    def noisy(row):
        return row + normal(KEY, row.shape)

    made_before = vmap(noisy)

    def test_made_before():
        made_before(X)

    def test_made_within():
        vmap(noisy)(X)

    def test_batches():
        map_over(noisy, X, batch_size=2)

    def test_gradients():
        for _ in range(2):
            grad(lambda x: noisy(x).sum())(X)

    def test_healthy():
        vmap(lambda k: normal(k))(jnp.array([key(1), key(2)]))
"""


@pytest.mark.slow
def test_what_a_module_of_tests_has_imported_by_name(run):
    result = run(BY_NAME, "--jaxrng", "--jaxrng-strict")

    result.assert_outcomes(failed=4, passed=1)
    found = [line for line in result.stdout.lines if line.startswith("error[")]
    assert [line.partition("]")[0] for line in found] == [
        "error[RNG001",
        "error[RNG001",
        "error[RNG001",  # of the batches, too: also RNG003
        "error[RNG014",
    ]


@pytest.mark.slow
@pytest.mark.one_jax
@pytest.mark.parametrize(("flags", "passed"), [((), 1), (("--jaxrng-strict",), 0)])
def test_a_gap_is_reported_a_test_that_passes(run, flags, passed):
    result = run(
        """
        import jax
        import numpy as np

        def test_opaque():
            shape = jax.ShapeDtypeStruct((), "float32")
            f = jax.jit(lambda k: jax.pure_callback(lambda k: np.float32(0), shape, k))
            f(jax.random.PRNGKey(0))
        """,
        "--jaxrng",
        *flags,
    )

    result.assert_outcomes(passed=passed, failed=1 - passed)
    result.stdout.fnmatch_lines(["*gap: a key goes into `pure_callback`, which is not followed*"])


@pytest.mark.slow
@pytest.mark.one_jax
def test_however_a_test_ends_it_is_reported_to_share_noise(run):
    result = run(ENDED, "--jaxrng=warn")

    result.assert_outcomes(failed=3, passed=2)
    result.stdout.fnmatch_lines(
        [
            "*= jaxrng-doctor =*",
            "error[[]RNG001[]]*",
            "  seen in 4 tests:",
            "    *::test_shared",
            "    *::test_that_fails_by_itself",
            "    *::test_that_is_called_a_failure",
            "    *::test_that_raises_nothing",
        ]
    )


@pytest.mark.one_jax
def test_without_the_flag_nothing_is_watched(run):
    result = run(TESTS)

    result.assert_outcomes(failed=1, passed=2)
    result.stdout.no_fnmatch_line("*RNG001*")


@pytest.mark.slow
@pytest.mark.one_jax
def test_warn_only_tells(run):
    result = run(TESTS, "--jaxrng=warn")

    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["*= jaxrng-doctor =*", "error[[]RNG001[]]*", "*::test_shared"])


@pytest.mark.one_jax
def test_a_word_that_is_no_mode(run):
    result = run(TESTS, "--jaxrng=loud")

    assert result.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.slow
@pytest.mark.one_jax
def test_marks_say_what_is_intended(run):
    result = run(
        """
        import jax
        import jax.numpy as jnp
        import pytest

        def shared(key):
            return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(jnp.zeros((4, 3)))

        @pytest.mark.jaxrng(ignore=["RNG001"])
        def test_ignored():
            shared(jax.random.key(0))

        @pytest.mark.jaxrng(expect="same")
        def test_expected():
            shared(jax.random.key(0))

        @pytest.mark.jaxrng(ignore=["RNG005"])
        def test_of_another_rule():
            shared(jax.random.key(0))
        """,
        "--jaxrng",
        "--strict-markers",
    )

    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["  seen in *::test_of_another_rule"])


@pytest.mark.slow
@pytest.mark.one_jax
@pytest.mark.parametrize(
    ("typed", "reported"),
    [
        (
            'ignores=["RNG001"]',
            "*pytest.mark.jaxrng: unexpected argument 'ignores'; use *ignore=*expect=*",
        ),
        ('ignore=["RNG100"]', "*pytest.mark.jaxrng ignore: unknown rule 'RNG100'"),
        ('expect="sane"', "*pytest.mark.jaxrng expect: unknown value 'sane'"),
    ],
)
def test_a_mark_that_says_nothing_known_is_an_error(run, typed, reported):
    result = run(
        f"""
        import pytest

        @pytest.mark.jaxrng({typed})
        def test_typo():
            pass
        """,
        "--jaxrng",
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([reported])


@pytest.mark.slow
@pytest.mark.one_jax
def test_what_fixtures_draw_belongs_to_the_test(run):
    result = run(
        """
        import jax
        import pytest

        @pytest.fixture
        def noise():
            return jax.random.normal(jax.random.key(0))

        def test_again(noise):
            jax.random.normal(jax.random.key(0))
        """,
        "--jaxrng",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*error[[]RNG005[]]*"])


@pytest.mark.one_jax
def test_the_fixture(run):
    result = run(
        """
        import jax
        import jax.numpy as jnp
        import jaxrng_doctor
        import pytest

        X = jnp.zeros((4, 3))

        def noisy(row, key):
            return row + jax.random.normal(key, row.shape)

        def test_check(jaxrng):
            jaxrng.check(noisy, (X, jax.random.split(jax.random.key(0), 4)), in_axes=(0, 0))
            with pytest.raises(jaxrng_doctor.FindingsError, match="RNG001"):
                jaxrng.check(noisy, (X, jax.random.key(0)), in_axes=(0, None))

        def test_watch(jaxrng):
            with pytest.raises(jaxrng_doctor.FindingsError, match="RNG005"):
                with jaxrng.watch():
                    noisy(X, jax.random.key(0))
                    noisy(X, jax.random.key(0))
        """
    )

    result.assert_outcomes(passed=2)


@pytest.mark.slow
@pytest.mark.one_jax
def test_settings_of_the_project(run, pytester):
    pytester.makepyprojecttoml('[tool.jaxrng-doctor]\nignore = ["RNG001"]\n')

    run(TESTS, "--jaxrng").assert_outcomes(failed=1, passed=2)


@pytest.mark.slow
@pytest.mark.one_jax
@pytest.mark.parametrize(
    ("settings", "outcome"),
    [
        ('per-file-ignores = {"test_*.py" = ["RNG"]}', {"failed": 1, "passed": 2}),
        ('exclude = ["test_*.py"]', {"failed": 1, "passed": 2}),
        ('expect = "same"', {"failed": 1, "passed": 2}),
        ('fail-on = "never"', {"failed": 1, "passed": 2}),
    ],
)
def test_each_setting_of_the_project(run, pytester, settings, outcome):
    pytester.makepyprojecttoml(f"[tool.jaxrng-doctor]\n{settings}\n")

    run(TESTS, "--jaxrng").assert_outcomes(**outcome)


@pytest.mark.slow
@pytest.mark.one_jax
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('ignor = ["RNG001"]', "did you mean ignore?"),
        ('baseline = "b.json"', "no such baseline: b.json"),
    ],
)
def test_wrong_settings_of_the_project(run, pytester, settings, words):
    pytester.makepyprojecttoml(f"[tool.jaxrng-doctor]\n{settings}\n")

    result = run(TESTS, "--jaxrng")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{words}*"])


MANY = """
    import jax
    import jax.numpy as jnp
    import numpy as np
    import pytest

    def shared(key, size):
        noisy = jax.vmap(lambda row: row + jax.random.normal(key, row.shape))
        return jax.jit(noisy)(jnp.zeros((size, 3)))

    @pytest.mark.parametrize("size", range(2, 9))
    def test_shared(size, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        shared(jax.random.key(0), size)

    def test_another_cause():
        key = jax.random.key(0)
        jax.jit(jax.vmap(lambda row: row + jax.random.normal(key, row.shape)))(jnp.zeros((4, 3)))

    def test_gap():
        shape = jax.ShapeDtypeStruct((), "float32")
        f = jax.jit(lambda k: jax.pure_callback(lambda k: np.float32(0), shape, k))
        f(jax.random.PRNGKey(0))
"""


def reported_once_with_their_tests(result):
    lines = result.stdout.lines
    start, end = (
        next(n for n, line in enumerate(lines) if words in line)
        for words in ("= jaxrng-doctor =", "= short test summary info =")
    )
    heads = [line.partition(" ")[0] for line in lines if line.startswith(("error[", "gap:"))]
    assert sorted(heads) == ["error[RNG001]:", "error[RNG001]:", "gap:"]
    section = [line.strip() for line in lines[start:end]]
    shared = section.index("seen in 7 tests:")
    seen = section[shared + 1 : shared + 7]
    assert len({line for line in seen if "::test_shared[" in line}) == 5
    assert seen[-1] == "… and 2 more"
    single = {line.partition("::")[2] for line in section if line.startswith("seen in test_")}
    assert single == {"test_another_cause", "test_gap"}
    failed = [line for line in lines if line.startswith("FAILED ")]
    assert len([line for line in failed if " - RNG001 test_" in line]) == 8
    assert not any("/test_" in line for line in failed)  # relative, wherever the test went


@pytest.mark.slow
@pytest.mark.one_jax
def test_a_finding_of_several_tests_is_reported_once(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    result = run(MANY, "--jaxrng")

    result.assert_outcomes(failed=8, passed=1)
    reported_once_with_their_tests(result)


@pytest.mark.slow
@pytest.mark.one_jax
@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="needs pytest-xdist")
def test_several_processes(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    result = run(MANY, "--jaxrng", "-n", "2")

    result.assert_outcomes(failed=8, passed=1)
    reported_once_with_their_tests(result)


FIXTURES = """
    import jax
    import pytest

    @pytest.fixture(scope="session")
    def params():
        return jax.random.normal(jax.random.key(0))

    @pytest.fixture(scope="module")
    def shared():
        yield [jax.random.normal(jax.random.key(1)) for _ in range(2)]

    @pytest.fixture
    def own():
        return jax.random.normal(jax.random.key(0))

    def test_first(params):
        jax.random.normal(jax.random.key(0))

    def test_second(params):
        jax.random.normal(jax.random.key(0))

    @pytest.mark.jaxrng(ignore=["RNG014"])  # which is about the test, not about its fixtures
    def test_of_a_fixture_at_fault(shared, params):
        pass

    def test_with_a_fixture_of_its_own(own):
        jax.random.normal(jax.random.key(0))
"""


@pytest.mark.slow
@pytest.mark.one_jax
@pytest.mark.parametrize("only", ["", "test_second", "test_first or test_second"])
def test_a_fixture_of_several_tests_is_watched_by_itself(run, only):
    result = run(FIXTURES, "--jaxrng", "-k", only)

    # No matter which test uses it first: the result of a test does not depend on the other tests.
    result.assert_outcomes(
        failed=0 if only else 2,
        passed=len(only.split(" or ")) if only else 2,
        deselected=4 - len(only.split(" or ")) if only else 0,
    )
    if not only:
        result.stdout.fnmatch_lines(
            [
                "*= jaxrng-doctor =*",
                "error[[]RNG005[]]*",
                "  seen in *::test_of_a_fixture_at_fault",
                "error[[]RNG005[]]*",
                "  seen in *::test_with_a_fixture_of_its_own",
            ]
        )


@pytest.mark.one_jax
def test_tests_named_after_the_bare_flag(run):
    result = run(TESTS, "--jaxrng", "tests/unit")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*use --jaxrng=error tests/unit"])


@pytest.mark.slow
@pytest.mark.one_jax
def test_jax_reads_its_settings_after_conftest(run, pytester):
    pytester.makeconftest("import os; os.environ['JAX_ENABLE_X64'] = '1'")
    text = "def test(): import jax; assert jax.random.normal(jax.random.key(0)).dtype == 'float64'"

    run(text, "--jaxrng").assert_outcomes(passed=1)
