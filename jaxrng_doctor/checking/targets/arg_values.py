"""The values of arguments: in comes a parsed spec, out comes a pytree of arrays and values.

The numbers depend on the seed and the argument's position alone, so that a run
repeats, and no two arguments, nor two leaves of one, are alike.
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
    """The value of the parameter `name`, number `position`: a `str` is a spec, the rest is itself.

    Files and factories are looked for from `folder`. Raises `UsageError` for a
    spec that cannot be had, `TargetError` where a factory raises.
    """
    if not isinstance(given, str):
        return given
    return _Builder(name, seed, position, folder).build(parse(given, name))


def short(leaf: Any) -> str:
    """A leaf in JAX's notation, such as `f32[32,10]` or `key<fry>[32]`, other values as `repr`."""
    if not is_array(leaf):
        return repr(leaf)
    name = str(leaf.dtype)
    names = {long: brief for brief, long in reversed(SHORT_DTYPES.items())}
    shape = ",".join(map(str, leaf.shape))
    return f"{names.get(name, name)}[{shape}]"


def is_array(leaf: Any) -> bool:
    """Whether JAX would trace this leaf for an array, keys included."""
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
                f"the argument {self.name} cannot be made: "
                f"{math.prod(spec.shape):,} elements are too many",
                "ask for a smaller shape",
            ) from error

    def _array(self, spec: Array) -> Any:
        import jax
        import jax.numpy as jnp
        import numpy as np

        wide = spec.dtype in ("float64", "int64", "uint64", "complex128")
        settings: Any = jax.config
        if wide and not settings.jax_enable_x64:
            raise UsageError(
                f"the argument {self.name} is {spec.dtype}, which JAX has switched off",
                "set JAX_ENABLE_X64=1 in the environment, or ask for a dtype of 32 bits",
            )
        dtype = np.dtype(getattr(jnp, spec.dtype))
        numbers = self._numbers()
        if dtype == np.bool_:
            return jnp.asarray(numbers.random(spec.shape, np.float32) < 0.5)
        if np.issubdtype(dtype, np.integer):
            # Counting keeps identities apart, such as those that are folded into keys.
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
                f"the argument {self.name} is a key of {spec.impl}, "
                f"which JAX {jax.__version__} does not have",
                "ask for another kind, such as key<fry>",
            ) from error
        # Any words make a key, and these need nothing compiled.
        words = self._numbers().integers(2**32, size=(*spec.shape, *one.shape), dtype=np.uint32)
        if spec.legacy:
            return jax.numpy.asarray(words)
        return jax.random.wrap_key_data(words, impl=spec.impl)

    def _numbers(self) -> np.random.Generator:
        """The random numbers of one leaf, other than those of any other."""
        import numpy as np

        return np.random.default_rng((self.seed, self.position, next(self.leaves)))

    def _load(self, spec: File) -> Any:
        import numpy as np

        path = self.folder / Path(spec.path).expanduser()
        where = f"{spec.path}, the argument {self.name}"
        try:
            loaded = np.load(path, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                if spec.kind == "npz":
                    raise UsageError(f"{where}, is no .npz file", f"type: npy:{spec.path}")
                return self._numeric(loaded, where)
            with loaded:
                if spec.kind == "npy":
                    raise UsageError(f"{where}, is no .npy file", f"type: npz:{spec.path}")
                if spec.member is None:
                    return {k: self._numeric(loaded[k], f"{k} in {where}") for k in loaded.files}
                if spec.member not in loaded.files:
                    guess = nearest(spec.member, loaded.files) or loaded.files
                    raise UsageError(
                        f"{where}, has no array {spec.member!r}",
                        f"did you mean {' or '.join(guess)}?" if guess else "it has no arrays",
                    )
                return self._numeric(loaded[spec.member], f"{spec.member} in {where}")
        except FileNotFoundError as error:
            folder = path.parent
            files = [p.name for p in folder.iterdir()] if folder.is_dir() else []
            guess = "".join(f": did you mean {name}?" for name in nearest(path.name, files))
            raise UsageError(f"{where}, does not exist{guess}", f"looked in {folder}") from error
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            if "allow_pickle" in str(error):
                raise UsageError(
                    f"{where}, would have to be unpickled, which could run any code",
                    "save it as an array of numbers, or make it in code: module:factory",
                ) from error
            raise UsageError(f"{where}, cannot be read: {error}") from error

    def _numeric(self, array: Any, where: str) -> Any:
        if array.dtype.kind not in "biufc":
            raise UsageError(
                f"{where}, holds {array.dtype}, which is no dtype of JAX",
                "save it as numbers, or make it in code: module:factory",
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
                f"{spec.target}, which makes the argument {self.name}, is called without "
                f"arguments: {error}",
                "name a function that takes none",
            ) from error
        except ValueError:
            pass  # A builtin without a signature: the call will tell.
        try:
            return factory()
        except (Exception, SystemExit) as error:
            what = f"{spec.target}, which makes the argument {self.name},"
            raise TargetError(failure("run", what, error)) from error
