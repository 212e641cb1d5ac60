"""Says which extra of the installation brings a package that is missing."""

from collections.abc import Mapping
from types import MappingProxyType

# Packages by the extra of pyproject.toml that brings them; jaxdet without extras scores and serves
# ONNX files alone.
EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "jax": (
            "jax", "jaxlib", "flax", "optax", "orbax", "scipy", "safetensors", "ml_dtypes",
        ),
        "parquet": ("pyarrow",),
        "train": ("grain", "tensorflow_datasets", "skimage", "matplotlib"),
    }
)  # fmt: skip


def how_to_install(error: BaseException) -> str:
    """Returns a line on what an import lacks and what brings it; "" for any other error."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    package = (missing or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            return (
                f"{package} is not installed, which this needs; in the checkout: pip install -e "
                f"'.[{extra}]' (training, data, reports and benchmarks: '.[train]')"
            )
    return ""
