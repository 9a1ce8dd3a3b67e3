"""Names and shapes of all tensors in `imagebind_huge.pth`, to check a file or build a test file.

The architecture: Girdhar et al. 2023, arXiv:2305.05665; the names are those of the published file.
"""

from dataclasses import dataclass

NUM_TENSORS, NUM_ELEMENTS = 1311, 1_200_786_990
OUT_DIM = 1024
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class _Tower:
    dim: int
    depth: int
    stem: tuple[tuple[str, tuple[int, ...]], ...]  # tensors of the preprocessor
    head_index: int = 2  # index of the projection in the head
    has_extra_token: bool = True


def _patches(stem: str, dim: int, positions: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """A convolution over a one-channel image, its norm, class token and positions."""
    return (
        ("cls_token", (1, 1, dim)),
        (f"{stem}.proj.weight", (dim, 1, 16, 16)),
        (f"{stem}.norm_layer.weight", (dim,)),
        (f"{stem}.norm_layer.bias", (dim,)),
        ("pos_embedding_helper.pos_embed", (1, positions, dim)),
    )


_TOWERS = {
    "vision": _Tower(
        1280,
        32,
        (
            ("cls_token", (1, 1, 1280)),
            ("rgbt_stem.proj.1.weight", (1280, 3, 2, 14, 14)),
            ("pos_embedding_helper.pos_embed", (1, 257, 1280)),
        ),
        has_extra_token=False,
    ),
    "text": _Tower(
        1024,
        24,
        (
            ("pos_embed", (1, 77, 1024)),
            ("mask", (77, 77)),
            ("token_embedding.weight", (49408, 1024)),
        ),
        has_extra_token=False,
    ),
    "audio": _Tower(768, 12, _patches("rgbt_stem", 768, 229)),
    "depth": _Tower(384, 12, _patches("depth_stem", 384, 197)),
    "thermal": _Tower(768, 12, _patches("rgbt_stem", 768, 197)),
    "imu": _Tower(
        512,
        6,
        (
            ("pos_embed", (1, 251, 512)),
            ("cls_token", (1, 1, 512)),
            ("imu_stem.proj.weight", (512, 48)),
            ("imu_stem.norm_layer.weight", (512,)),
            ("imu_stem.norm_layer.bias", (512,)),
        ),
        head_index=3,
    ),
}


def published_shapes(modalities: tuple[str, ...] = tuple(_TOWERS)) -> Shapes:
    """Shapes by key of some towers; all six make up the whole file."""
    shapes: Shapes = {}
    for modality in modalities:
        tower = _TOWERS[modality]
        shapes |= {f"modality_preprocessors.{modality}.{k}": shape for k, shape in tower.stem}
        shapes |= _trunk(modality, tower)
        shapes |= _head(modality, tower)
        if modality != "vision":
            shapes[f"modality_postprocessors.{modality}.1.log_logit_scale"] = ()
    return shapes


def _trunk(modality: str, tower: _Tower) -> Shapes:
    d, trunk = tower.dim, f"modality_trunks.{modality}"
    shapes: Shapes = {}
    if modality == "vision":
        shapes |= {f"{trunk}.pre_transformer_layer.0.{k}": (d,) for k in ("weight", "bias")}
    for n in range(tower.depth):
        block = f"{trunk}.blocks.{n}"
        shapes |= {
            f"{block}.attn.in_proj_weight": (3 * d, d),
            f"{block}.attn.in_proj_bias": (3 * d,),
            f"{block}.attn.out_proj.weight": (d, d),
            f"{block}.attn.out_proj.bias": (d,),
            f"{block}.mlp.fc1.weight": (4 * d, d),
            f"{block}.mlp.fc1.bias": (4 * d,),
            f"{block}.mlp.fc2.weight": (d, 4 * d),
            f"{block}.mlp.fc2.bias": (d,),
        }
        shapes |= {f"{block}.norm_{i}.{k}": (d,) for i in (1, 2) for k in ("weight", "bias")}
        if tower.has_extra_token:
            shapes |= {f"{block}.attn.{k}": (1, 1, d) for k in ("bias_k", "bias_v")}
    return shapes


def _head(modality: str, tower: _Tower) -> Shapes:
    head = f"modality_heads.{modality}" + (".proj" if modality == "text" else "")
    last = 1 if modality == "text" else tower.head_index
    return {
        f"{head}.0.weight": (tower.dim,),
        f"{head}.0.bias": (tower.dim,),
        f"{head}.{last}.weight": (OUT_DIM, tower.dim),
    }
