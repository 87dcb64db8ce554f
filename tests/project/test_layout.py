"""Checks of the package's layout that ruff and import-linter cannot express.

The rules for imports between packages are in `pyproject.toml` under `tool.importlinter`, the banned
names under `tool.ruff`.
"""

import ast
import graphlib
import re
import shutil
import subprocess
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "jaxrng_doctor"
MODULES = sorted(PACKAGE.rglob("*.py"))
MACHINE_PATH = re.compile(r"(?<![\w.:/~-])/(?:home|root|Users|work|opt)/\w")


def parsed(module):
    return ast.parse(module.read_text(encoding="utf-8"))


def modules_where(holds):
    """The modules, relative to the package, with at least one node for which `holds` is true."""
    return {
        module.relative_to(PACKAGE).as_posix()
        for module in MODULES
        if any(holds(node) for node in ast.walk(parsed(module)))
    }


# JAX's internal names of functions, files, axes, scopes and primitives.
JAX_NAMES = {
    *("vmap_f", "jacfun", "cache_miss", "fun_remat", "body_no_carry"),
    *("api.py", "pjit.py", "dispatch.py", "loops.py", "pmap.py", "ad_checkpoint.py", "batching.py"),
    *("_internal_", "rematted_computation", "call_hi_primitive", "xla_pmap"),
    *("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "closed_call", "core_call"),
    *("random_seed", "random_split", "random_fold_in"),
    *("_infer_params", "_check_prng_key", "_get_fastpath_data", "_run_python_pjit"),
}
JAX_ATTRIBUTES = {"batch_dim", "primal", "parent_trace", "call_wrapped", "_base_array"}


def knows_jaxs_names(node):
    """Whether a node is a string in `JAX_NAMES` or an attribute in `JAX_ATTRIBUTES`."""
    match node:
        case ast.Constant(value=str(text)):
            return text in JAX_NAMES
        case ast.Attribute(attr=name):
            return name in JAX_ATTRIBUTES
    return False


@pytest.mark.parametrize(
    "code", ["frame.f_code.co_name == 'vmap_f'", "tracer.primal", "name in {'xla_pmap'}"]
)
def test_each_name_of_jaxs_own_is_noticed(code):
    assert any(knows_jaxs_names(node) for node in ast.walk(ast.parse(code)))


def test_one_package_knows_jaxs_own_names():
    inside = modules_where(knows_jaxs_names)
    assert inside
    assert {name.split("/")[0] for name in inside} == {"jax_internals"}


def patches_foreign_code(tree):
    """Yield the lines that call `setattr` or `delattr`, or assign to an attribute of an import."""
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    } - {"sys"}  # programs may set its streams and arguments
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="setattr" | "delattr")):
                yield node.lineno
            case ast.Assign(targets=targets):
                for target in targets:
                    parts = target.elts if isinstance(target, ast.Tuple) else [target]
                    for part in parts:
                        if isinstance(part, ast.Attribute) and root_name(part) in imported:
                            yield node.lineno


def root_name(node):
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


@pytest.mark.parametrize(
    "code",
    [
        "import jax\njax.vmap = 1",
        "from jax._src import core as _core\n_core.Trace.bind, x = 1, 2",
        "setattr(owner, 'name', 1)",
    ],
)
def test_each_way_to_patch_is_noticed(code):
    assert list(patches_foreign_code(ast.parse(code)))


def test_only_the_registry_patches():
    # The other two write to a function that declares an example, and to a magic's arguments.
    own = {"jax_internals/patches.py", "checking/targets/examples.py", "frontends/notebook.py"}
    found = {
        f"{module.relative_to(PACKAGE).as_posix()}:{line}"
        for module in MODULES
        for line in patches_foreign_code(parsed(module))
    }
    assert {place for place in found if place.partition(":")[0] not in own} == set()


def test_no_module_imports_in_a_circle():
    """Imports for type checkers only are included."""
    graph = grimp.build_graph("jaxrng_doctor", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(imports) > 200
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError


def test_rooms():
    """The top level has at most 12 packages, and no modules but those whose paths are public."""
    files = {"__init__.py", "__main__.py", "py.typed", "testing.py"}
    rooms = {module.relative_to(PACKAGE).parts[0] for module in MODULES} - files
    assert len(rooms) <= 12
    assert all((PACKAGE / room / "__init__.py").is_file() for room in rooms)


def test_a_machine_path_is_noticed():
    assert MACHINE_PATH.search("see " + "/".join(["", "home", "ada", "notes.txt"]))
    assert not MACHINE_PATH.search("see docs/work/notes.txt")


def test_no_file_names_a_path_of_some_machine():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    files = [ROOT / name for name in listed if name and (ROOT / name).is_file()]
    assert files
    texts = {file: file.read_text(encoding="utf-8", errors="ignore") for file in files}
    assert [str(file) for file, text in texts.items() if MACHINE_PATH.search(text)] == []
