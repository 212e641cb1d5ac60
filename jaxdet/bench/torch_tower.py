"""Computes vision towers in PyTorch, eager and compiled: what our features are compared with.

The blocks of CLIP, AugReg and DINOv2, with queries, keys and values by one product and PyTorch's
own attention, as timm and transformers compute them. Needs the extra `torch`.
"""

import time
from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional

from jaxdet.bench.stepper import Ready, Settings, make_batch, tower_array
from jaxdet.bench.torch_step import traced
from jaxdet.models.towers import Tower, read_tower

_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": functional.gelu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
}


def prepare(settings: Settings) -> Ready:
    """Builds the tower, computes the features of a batch and tells how long that took."""
    torch.set_float32_matmul_precision("high")  # TF32, as JAX's default
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = TorchTower(read_tower(settings.arch), place, getattr(torch, settings.dtype))
    image = torch.from_numpy(make_batch(settings)[0]).to(place).permute(0, 3, 1, 2).contiguous()
    compute = torch.compile(network) if settings.way == "torch_features_fast" else network
    wait = torch.cuda.synchronize if place.type == "cuda" else lambda: None
    held: dict[str, torch.Tensor] = {}

    def step() -> None:
        with torch.inference_mode():
            held["features"] = compute(image)

    began = time.perf_counter()
    step()
    wait()
    facts = {
        "first_step_seconds": round(time.perf_counter() - began, 2),
        "features": held["features"][0, :8].float().tolist(),
        "versions": {"torch": torch.__version__},
        "platform": place.type,
    }
    memory = torch.cuda.max_memory_allocated if place.type == "cuda" else lambda: None
    return Ready(step=step, wait=wait, facts=facts, traced=traced, memory=memory)


class TorchTower(torch.nn.Module):
    """Turns images, u8 [B, 3, H, W], into features, [B, D]."""

    def __init__(self, tower: Tower, place: torch.device, dtype: torch.dtype):
        """Makes the weights that `tower_array` gives."""
        super().__init__()
        self.tower, self.place, self.dtype = tower, place, dtype
        width, patch = tower.width, (tower.patch, tower.patch)
        self.patches = self._array("patch_embed/kernel", *patch, 3, width).permute(3, 2, 0, 1)
        self.patches = self.patches.contiguous()
        self.patch_bias = self._array("patch_embed/bias", width) if tower.patch_bias else None
        self.class_token = self._array("cls_token", 1, width)[None]
        self.positions = self._array("pos_embed", 1 + tower.tokens, width)
        self.registers = self._array("reg_token", tower.registers, width)[None]
        self.blocks = [self._block(f"blocks_{number}") for number in range(tower.depth)]
        self.norm_pre = self._norm("norm_pre") if tower.pre_norm else None
        self.norm = self._norm("norm")
        self.projection = None
        if tower.projection:
            self.projection = self._dense("projection", width, tower.projection, bias=False)
        mean, deviation = tower.mean_and_deviation
        self.mean, self.deviation = (
            torch.tensor(values, device=place)[:, None, None] for values in (mean, deviation)
        )

    def _array(self, name: str, *shape: int) -> torch.Tensor:
        return torch.from_numpy(tower_array(name, shape)).to(self.place, self.dtype)

    def _norm(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        scale, bias = (self._array(f"{name}/{one}", self.tower.width) for one in ("scale", "bias"))
        return scale, bias

    def _dense(
        self, name: str, inputs: int, outputs: int, *, bias: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        kernel = self._array(f"{name}/kernel", inputs, outputs).T.contiguous()
        return kernel, self._array(f"{name}/bias", outputs) if bias else None

    def _block(self, name: str) -> dict[str, tuple[torch.Tensor, ...]]:
        width, hidden = self.tower.width, self.tower.mlp
        apart = [self._dense(f"{name}/attn/{one}", width, width) for one in "qkv"]
        scales = [self._array(f"{name}/{one}", width) for one in ("ls1", "ls2")]
        return {
            "norm1": self._norm(f"{name}/norm1"),
            "norm2": self._norm(f"{name}/norm2"),
            "qkv": tuple(torch.cat(parts) for parts in zip(*apart, strict=True)),
            "proj": self._dense(f"{name}/attn/proj", width, width),
            "fc1": self._dense(f"{name}/mlp/fc1", width, hidden),
            "fc2": self._dense(f"{name}/mlp/fc2", hidden, width),
            "scales": tuple(scales) if self.tower.layer_scale else (),
        }

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns the features; see the class."""
        tower, count = self.tower, len(image)
        pixels = ((image.float() / 255 - self.mean) / self.deviation).to(self.dtype)
        x = functional.conv2d(pixels, self.patches, self.patch_bias, stride=tower.patch)
        x = torch.cat([self.class_token.expand(count, -1, -1), x.flatten(2).mT], 1) + self.positions
        if tower.registers:
            x = torch.cat([x[:, :1], self.registers.expand(count, -1, -1), x[:, 1:]], 1)
        if self.norm_pre is not None:
            x = self._normalised(x, self.norm_pre)
        for block in self.blocks:
            x = self._through(x, block)
        x = self._normalised(x, self.norm)[:, 0]
        return x if self.projection is None else functional.linear(x, *self.projection)

    def _through(self, x: torch.Tensor, block: dict[str, tuple[torch.Tensor, ...]]) -> torch.Tensor:
        count, tokens, width = x.shape
        first, second = block["scales"] or (1.0, 1.0)
        seen = functional.linear(self._normalised(x, block["norm1"]), *block["qkv"])
        seen = seen.view(count, tokens, 3, self.tower.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*seen.unbind(0))
        mixed = mixed.transpose(1, 2).reshape(count, tokens, width)
        x = x + first * functional.linear(mixed, *block["proj"])
        hidden = functional.linear(self._normalised(x, block["norm2"]), *block["fc1"])
        hidden = _ACTIVATIONS[self.tower.activation](hidden)
        return x + second * functional.linear(hidden, *block["fc2"])

    def _normalised(self, x: torch.Tensor, norm: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-1:], *norm, self.tower.epsilon)
