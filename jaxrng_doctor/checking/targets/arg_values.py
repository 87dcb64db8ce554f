"""Makes the values of arguments, pytrees of arrays and Python values, from parsed specs.

The numbers are determined by the seed, the argument's position and the leaf. So runs are
reproducible, and all leaves differ.
"""

from __future__ import annotations

import inspect
import math
import zipfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxrng_doctor._util.suggest import nearest
from jaxrng_doctor._util.tracebacks import failure
from jaxrng_doctor.checking.targets.arg_specs import (
    SHORT_DTYPES,
    Array,
    Factory,
    File,
    Key,
    Literal,
    Spec,
    parse,
)
from jaxrng_doctor.model.errors import TargetError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import jax
    import numpy as np


def value(given: Any, name: str, *, seed: int, position: int, folder: Path) -> Any:
    """The value of parameter `name` at `position`. A `str` is a spec, anything else the value.

    Files and factories are relative to `folder`. Raises `UsageError` for an invalid spec,
    `TargetError` if a factory raises.
    """
    if not isinstance(given, str):
        return given
    return _Builder(name, seed, position, folder).build(parse(given, name))


def short(leaf: Any) -> str:
    """An array in JAX's notation, such as `f32[32,10]` or `key<fry>[32]`; the `repr` of others."""
    if not is_array(leaf):
        return repr(leaf)
    name = str(leaf.dtype)
    names = {long: brief for brief, long in reversed(SHORT_DTYPES.items())}
    shape = ",".join(map(str, leaf.shape))
    return f"{names.get(name, name)}[{shape}]"


def is_array(leaf: Any) -> bool:
    """Whether JAX would trace this leaf as an array or key array."""
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype") and hasattr(leaf, "ndim")


@dataclass(frozen=True)
class _Builder:
    name: str
    seed: int
    position: int
    folder: Path
    leaves: Iterator[int] = field(default_factory=count)

    def build(self, spec: Spec) -> Any:
        if isinstance(spec, dict):
            return {key: self.build(part) for key, part in spec.items()}
        if isinstance(spec, tuple | list):
            return type(spec)(self.build(part) for part in spec)
        if isinstance(spec, Literal):
            return spec.value
        if isinstance(spec, File):
            return self._load(spec)
        if isinstance(spec, Factory):
            return self._call(spec)
        try:
            return self._keys(spec) if isinstance(spec, Key) else self._array(spec)
        except (MemoryError, OverflowError, ValueError) as error:
            raise UsageError(
                f"argument {self.name} is too large: {math.prod(spec.shape):,} elements",
                "use a smaller shape",
            ) from error

    def _array(self, spec: Array) -> Any:
        import jax
        import jax.numpy as jnp
        import numpy as np

        wide = spec.dtype in ("float64", "int64", "uint64", "complex128")
        settings: Any = jax.config
        if wide and not settings.jax_enable_x64:
            raise UsageError(
                f"argument {self.name}: {spec.dtype} is disabled in JAX",
                "set JAX_ENABLE_X64=1 in the environment, or use a 32-bit dtype",
            )
        dtype = np.dtype(getattr(jnp, spec.dtype))
        numbers = self._numbers()
        if dtype == np.bool_:
            return jnp.asarray(numbers.random(spec.shape, np.float32) < 0.5)
        if np.issubdtype(dtype, np.integer):
            # Distinct integers, because they may be folded into keys.
            counted = np.arange(math.prod(spec.shape), dtype=np.int64)
            limit = min(int(np.iinfo(dtype).max), np.iinfo(np.int64).max - 1) + 1
            return jnp.asarray((counted % limit).astype(dtype).reshape(spec.shape))
        if np.issubdtype(dtype, np.complexfloating):
            real, imaginary = numbers.standard_normal((2, *spec.shape))
            return jnp.asarray((real + 1j * imaginary).astype(dtype))
        precision = np.float64 if dtype == np.float64 else np.float32
        return jnp.asarray(numbers.standard_normal(spec.shape, precision).astype(dtype))

    def _keys(self, spec: Key) -> jax.Array:
        import jax
        import numpy as np

        try:
            one = jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0, impl=spec.impl)))
        except ValueError as error:
            raise UsageError(
                f"argument {self.name}: JAX {jax.__version__} has no key implementation "
                f"{spec.impl}",
                "use another one, such as key<fry>",
            ) from error
        # Any words are a valid key, and generating them needs no compilation.
        words = self._numbers().integers(2**32, size=(*spec.shape, *one.shape), dtype=np.uint32)
        if spec.legacy:
            return jax.numpy.asarray(words)
        return jax.random.wrap_key_data(words, impl=spec.impl)

    def _numbers(self) -> np.random.Generator:
        """A random generator for one leaf."""
        import numpy as np

        return np.random.default_rng((self.seed, self.position, next(self.leaves)))

    def _load(self, spec: File) -> Any:
        import numpy as np

        path = self.folder / Path(spec.path).expanduser()
        where = f"{spec.path} (argument {self.name})"
        try:
            loaded = np.load(path, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                if spec.kind == "npz":
                    raise UsageError(f"{where} is not an .npz file", f"use npy:{spec.path}")
                return self._numeric(loaded, where)
            with loaded:
                if spec.kind == "npy":
                    raise UsageError(f"{where} is not an .npy file", f"use npz:{spec.path}")
                if spec.member is None:
                    return {k: self._numeric(loaded[k], f"{k} in {where}") for k in loaded.files}
                if spec.member not in loaded.files:
                    guess = nearest(spec.member, loaded.files) or loaded.files
                    raise UsageError(
                        f"{where} has no array {spec.member!r}",
                        f"did you mean {' or '.join(guess)}?" if guess else "it has no arrays",
                    )
                return self._numeric(loaded[spec.member], f"{spec.member} in {where}")
        except FileNotFoundError as error:
            folder = path.parent
            files = [p.name for p in folder.iterdir()] if folder.is_dir() else []
            guess = "".join(f": did you mean {name}?" for name in nearest(path.name, files))
            raise UsageError(f"{where} does not exist{guess}", f"looked in {folder}") from error
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            if "allow_pickle" in str(error):
                raise UsageError(
                    f"{where} contains pickled objects, which could run arbitrary code",
                    "save it as a numeric array, or use a factory: module:factory",
                ) from error
            raise UsageError(f"{where} cannot be read: {error}") from error

    def _numeric(self, array: Any, where: str) -> Any:
        if array.dtype.kind not in "biufc":
            raise UsageError(
                f"{where} has the dtype {array.dtype}, which JAX does not support",
                "save it as a numeric array, or use a factory: module:factory",
            )
        return array

    def _call(self, spec: Factory) -> Any:
        from jaxrng_doctor.checking.targets.loading import load

        loaded = load(spec.target, self.folder)
        factory = loaded.named(loaded.attribute)
        try:
            inspect.signature(factory).bind()
        except TypeError as error:
            raise UsageError(
                f"{spec.target} (argument {self.name}) must be callable without arguments: {error}",
                "use a function without required parameters",
            ) from error
        except ValueError:
            pass  # a builtin without a signature: just call it
        try:
            return factory()
        except (Exception, SystemExit) as error:
            what = f"{spec.target} (argument {self.name})"
            raise TargetError(failure("run", what, error)) from error
