"""Programs with several processes: two real ones on this machine, under `jaxrng-doctor run`."""

import contextlib
import io
import json
import pickle
import re
import socket
import subprocess
import sys
import threading
import time

import jax
import pytest

from jaxrng_doctor.model.findings import Gap
from jaxrng_doctor.watching.kv_transport import _PlainData

pytestmark = pytest.mark.slow

START = """
    import sys

    import jax
    import jax.numpy as jnp
    import numpy as np

    process, port = int(sys.argv[1]), sys.argv[2]
    jax.distributed.initialize(f"localhost:{port}", 2, process)
"""

OWN_NOISE = """
    @jax.jit
    def augment(batch, key):
        return batch + 0.1 * jax.random.normal(key, batch.shape)

    batch = jnp.arange(12.0).reshape(4, 3) + 100 * process
    key = jax.random.key(0)
    for step in range(3):
        key, step_key = jax.random.split(key)
        OWN
        print(step, augment(batch, step_key).sum())
"""
REPEATED = OWN_NOISE.replace("OWN\n", "pass\n")
FOLDED = OWN_NOISE.replace(
    "OWN\n", "step_key = jax.random.fold_in(step_key, jax.process_index())\n"
)

SHARED = """
    @jax.jit
    def noisy(x, key):
        return jax.vmap(lambda row: row + jax.random.normal(key, row.shape))(x)

    print(noisy(jnp.zeros((4, 3)), jax.random.fold_in(jax.random.key(0), process)).sum())
"""

CLEAN = "0 errors, 0 warnings, 0 notes"


class Pair:
    """Two processes of one program; `texts` has what each has written to stderr so far."""

    def __init__(self, command, folder, environment):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = str(free.getsockname()[1])
        self.processes = [
            subprocess.Popen(
                [sys.executable, *command, str(index), port],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            for index in (0, 1)
        ]
        self.texts = ["", ""]
        self.outputs = ["", ""]
        self._readers = [
            threading.Thread(target=self._read, args=(which, stream, index))
            for index, process in enumerate(self.processes)
            for which, stream in ((self.texts, process.stderr), (self.outputs, process.stdout))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, which, stream, index):
        for line in stream:
            which[index] += line

    def codes(self):
        """The exit codes, after both processes have ended by themselves."""
        found = [process.wait(120) for process in self.processes]
        for reader in self._readers:
            reader.join()
        return found

    def said(self, index, words):
        """Whether the process writes these words within 90 s; JAX may take longer to end it."""
        until = time.monotonic() + 90
        while time.monotonic() < until and words not in self.texts[index]:
            time.sleep(0.1)
        return words in self.texts[index]

    def end(self):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        for reader in self._readers:
            reader.join()
        for process in self.processes:
            process.stdout.close()
            process.stderr.close()


@pytest.fixture
def start(write, cli_environment, tmp_path):
    """Start two processes of a program, under `jaxrng-doctor run` with these flags or `python`."""
    pairs = []

    def pair(program, *flags, watched=True):
        write("script.py", START + program)
        command = ["-m", "jaxrng_doctor", "run", *flags, "script.py"] if watched else ["script.py"]
        environment = {**cli_environment, "XLA_FLAGS": "", "PYTHONUNBUFFERED": "1"}
        pairs.append(Pair(command, tmp_path, environment))
        return pairs[-1]

    yield pair
    for each in pairs:
        each.end()


def reported_codes(text):
    return re.findall(r"^(?:error|warning|note)\[(RNG\d+)\]", text, re.MULTILINE)


def test_a_fault_of_all_is_reported_once(start):
    pair = start(SHARED)

    assert pair.codes() == [1, 1], pair.texts
    assert reported_codes(pair.texts[0]) == ["RNG001"], pair.texts[0]
    assert pair.texts[0].rstrip().endswith("1 draw seen · 0 gaps · 0 suppressed")
    [line] = [x for x in pair.texts[1].splitlines() if "jaxrng-doctor" in x]
    assert line == "jaxrng-doctor: process 1: 1 finding, see the report of process 0"
    assert reported_codes(pair.texts[1]) == []


@pytest.mark.one_jax
def test_a_fault_of_one_is_reported_with_its_process(start):
    branch = "\n    if process == 1:\n" + SHARED.replace("\n    ", "\n        ")
    pair = start("    jax.devices()  # which all processes find together" + branch)

    assert pair.codes() == [1, 1], pair.texts
    assert reported_codes(pair.texts[0]) == ["RNG001"]
    assert "seen in process 1 of 2, not in process 0" in pair.texts[0]


def test_noise_that_is_the_same_for_the_batches_of_all(start, tmp_path):
    pair = start(REPEATED, "--format", "json")

    # Process 1 alone cannot detect it.
    assert pair.codes() == [1, 0], pair.texts
    targets = json.loads(pair.texts[0][pair.texts[0].index("{") :])["targets"]
    [finding] = [f for target in targets for f in target["findings"]]
    assert finding["code"] == "RNG004"
    assert finding["confidence"] == "proven"
    lines = (tmp_path / "script.py").read_text(encoding="utf-8").splitlines()
    assert "return batch + 0.1 * jax.random.normal" in lines[finding["line"] - 1]
    assert finding["message"] == (
        "jax.random.normal in augment draws the same numbers in 2 processes, "
        "each with its own batch"
    )
    assert finding["notes"] == ["processes 0 and 1; seen in 3 of the 3 compared calls"]
    [help] = finding["help"]
    assert help["code"] == "key = jax.random.fold_in(key, jax.process_index())"


@pytest.mark.one_jax
def test_what_two_processes_draw_is_in_a_picture(start, tmp_path):
    pair = start(REPEATED, "--format", "html:page.html")

    assert pair.codes() == [1, 0], pair.texts
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Noise, current: 2 uses, 1 distinct row" in page


@pytest.mark.one_jax
def test_noise_with_the_process_in_its_key(start):
    pair = start(FOLDED)

    assert pair.codes() == [0, 0], pair.texts
    assert CLEAN in pair.texts[0]
    assert "0 gaps" in pair.texts[0]


HEALTHY = """
    key = jax.random.key(0)
    batch = jnp.ones((4, 3)) * process

    @jax.jit
    def init(key, batch):
        w = jax.random.normal(key, (batch.shape[1], 2))
        predicted = batch @ w  # unused
        return w

    w = init(key, batch)

    @jax.jit
    def on_equal_data(x, key):
        return x + jax.random.normal(key, x.shape)

    on_equal_data(jnp.ones((4, 3)), jax.random.fold_in(key, 1))

    @jax.jit
    def beside_the_data(batch, w, key):
        return batch * 2, w + jax.random.normal(key, w.shape)

    beside_the_data(batch, w, jax.random.fold_in(key, 2))

    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
    cut = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    together = jax.make_array_from_process_local_data(cut, np.full((2, 3), process, np.float32))
    keys = jax.jit(lambda: jax.random.split(jax.random.key(1), 3), out_shardings=whole)()

    @jax.jit
    def on_all_data(batch, keys, i):
        return batch + jax.random.normal(keys[i], batch.shape)

    for i in range(3):
        noisy = on_all_data(together, keys, i)
    print(noisy.addressable_data(0).sum())
"""


def test_keys_that_are_rightly_equal(start):
    pair = start(HEALTHY)

    assert pair.codes() == [0, 0], pair.texts
    assert CLEAN in pair.texts[0]
    assert "4 draws seen · 0 gaps" in pair.texts[0]


FAULTY = """
    key = jax.random.key(0)
    ones = np.ones((4, 3), np.float32)

    @jax.jit
    def on_numpy(batch, key):
        return batch + jax.random.normal(key, batch.shape)  # RNG004

    @jax.jit
    def by_probability(batch, key):
        return jax.random.bernoulli(key, batch)  # RNG004

    @jax.jit
    def in_a_loop(batch, key):
        def body(carry, row):
            carry = carry + jax.random.normal(key)  # RNG004
            return carry, row * carry

        return jax.lax.scan(body, 0.0, batch)[1]

    @jax.jit
    def takes_its_memory(batch, key):
        return batch + jax.random.normal(key, batch.shape)  # RNG004

    donating = jax.jit(takes_its_memory, donate_argnums=0)

    on_numpy(ones * process, jax.random.fold_in(key, 1))
    by_probability(ones / (2 + process), jax.random.fold_in(key, 2))
    in_a_loop(ones * process, jax.random.fold_in(key, 3))
    donating(jnp.array(ones) * process, jax.random.fold_in(key, 4))
"""


@pytest.mark.one_jax
def test_data_of_each_process_of_every_kind(start, tmp_path):
    pair = start(FAULTY, "--select", "RNG004", "--format", "json")

    assert pair.codes() == [1, 0], pair.texts
    targets = json.loads(pair.texts[0][pair.texts[0].index("{") :])["targets"]
    lines = (tmp_path / "script.py").read_text(encoding="utf-8").splitlines()
    marked = [n for n, line in enumerate(lines, 1) if line.endswith("# RNG004")]
    assert sorted(f["line"] for target in targets for f in target["findings"]) == marked


@pytest.mark.one_jax
def test_a_comment_says_that_it_is_meant(start):
    line = "return batch + 0.1 * jax.random.normal(key, batch.shape)"
    pair = start(REPEATED.replace(line, f"{line}  # jaxrng: ignore[RNG004] one mask for all"))

    assert pair.codes() == [0, 0], pair.texts
    assert "1 suppressed" in pair.texts[0]


@pytest.mark.one_jax
@pytest.mark.parametrize("ending", ["", "sys.exit(3 + process)"])
def test_numbers_and_exit_codes_are_as_unwatched(start, ending):
    program = f"{FOLDED}\n    {ending}\n"
    alone, watched = start(program, watched=False), start(program)

    assert watched.codes() == alone.codes()
    assert watched.outputs == alone.outputs
    assert alone.outputs[0] != alone.outputs[1] != ""


@pytest.mark.one_jax
def test_an_exception_in_one_of_them(start):
    pair = start(SHARED + "    if process == 1:\n        raise KeyError('the end')\n")

    assert pair.codes() == [1, 1]
    assert "KeyError: 'the end'" in pair.texts[1]
    assert reported_codes(pair.texts[0] + pair.texts[1]) == ["RNG001"]
    assert "0 gaps" in pair.texts[0]


@pytest.mark.one_jax
def test_one_that_died_is_a_gap(start):
    pair = start(SHARED + "    if process == 1:\n        import os\n        os._exit(7)\n")

    # JAX does not let process 0 end while it believes that process 1 is alive.
    assert pair.said(0, "1 gap"), pair.texts
    assert pair.texts[0].count("waiting for the other processes to end") == 1
    assert "gap: process 1 of 2 handed over no report" in pair.texts[0]
    assert reported_codes(pair.texts[0]) == ["RNG001"]
    assert pair.processes[1].wait() == 7


@pytest.mark.one_jax
def test_one_that_comes_too_late_tells_what_it_found(start):
    waits = """
    import time

    import jaxrng_doctor.watching.kv_transport

    jaxrng_doctor.watching.kv_transport.SECONDS = 5.0
"""
    pair = start(f"{waits}{SHARED}    if process == 1:\n        time.sleep(15)\n")

    assert pair.codes() == [1, 1]
    assert "process 1 of 2 handed over no report" in pair.texts[0]
    assert "process 0 stopped waiting" in pair.texts[1]
    assert reported_codes(pair.texts[0]) == reported_codes(pair.texts[1]) == ["RNG001"]


@pytest.mark.one_jax
def test_a_program_that_shuts_down_by_itself(start):
    pair = start(SHARED + "    jax.distributed.shutdown()\n")

    assert pair.codes() == [1, 1]
    for text in pair.texts:
        assert reported_codes(text) == ["RNG001"]
        assert "the program itself has shut jax.distributed down" in text


@pytest.mark.one_jax
def test_files_are_those_of_process_0(start, tmp_path):
    pair = start(SHARED, "--output", "report.txt", "--write-baseline", "baseline.json")

    assert pair.codes() == [0, 0], pair.texts
    assert "1 suppressed" in (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert len(json.loads((tmp_path / "baseline.json").read_text())["findings"]) == 1
    assert "see the report of process 0" in pair.texts[1]


@pytest.mark.one_jax
def test_keys_that_no_process_has_all_of(start):
    pair = start(
        """
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("data",))
    cut = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    keys = jax.jit(lambda: jax.random.split(jax.random.key(0), 2), out_shardings=cut)()
    step = jax.jit(jax.vmap(lambda key: jax.random.normal(key, (3,))))
    for _ in range(2):
        noise = step(keys)
    one = jax.random.key(1)
    print(jax.random.normal(one), jax.random.normal(one))
    """
    )

    assert pair.codes() == [1, 1], pair.texts
    assert reported_codes(pair.texts[0]) == ["RNG005"]  # the other calls are compared
    assert "its keys are derived from arrays that are split across processes" in " ".join(
        pair.texts[0].split()
    )


@pytest.mark.one_jax
def test_data_only_of_the_doctors_own_are_read():
    def read(value):
        return _PlainData(io.BytesIO(pickle.dumps(value))).load()

    assert read((Gap("as it was"), {"a": (1, b"2")})) == (Gap("as it was"), {"a": (1, b"2")})
    for value in (print, jax.jit, subprocess.Popen, reported_codes):
        with pytest.raises(pickle.UnpicklingError, match="is not part of a report"):
            read(value)
