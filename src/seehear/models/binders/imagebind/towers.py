"""ImageBind's vision, audio and text towers: transformers with the published weight names.

Source: Girdhar et al. 2023, "ImageBind: One Embedding Space To Bind Them All", arXiv:2305.05665.
Attribute names match the keys of the published state dict. Inference only.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seehear.errors import WeightsError
from seehear.models.frozen_layers import freeze, linear

Modality = Literal["vision", "audio", "text"]
MODALITIES: tuple[Modality, ...] = ("vision", "audio", "text")
# The number of heads cannot be inferred from the weights; these are the published ones, by width.
Heads = Mapping[Modality, int]
PUBLISHED_HEADS = {1280: 16, 768: 12, 1024: 16}
MAX_LOGIT_SCALE = 100.0
_HEAD_KEYS = {
    "vision": "modality_heads.vision.2.weight",
    "audio": "modality_heads.audio.2.weight",
    "text": "modality_heads.text.proj.1.weight",
}


class Attention(nn.Module):
    """Multi-head self-attention with one packed projection; the audio tower has an extra token."""

    def __init__(self, dim: int, heads: int, *, extra_token: bool):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        if extra_token:  # appended to the keys and values of every sequence
            self.bias_k = nn.Parameter(torch.empty(1, 1, dim))
            self.bias_v = nn.Parameter(torch.empty(1, 1, dim))
        self.extra_token = extra_token

    def forward(
        self, tokens: Float[Tensor, "batch n dim"], causal: bool
    ) -> Float[Tensor, "batch n dim"]:
        """Attend over a sequence; if `causal`, only to earlier tokens."""
        q, k, v = linear(tokens, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        if self.extra_token:
            rows = len(tokens)
            k = torch.cat([k, self.bias_k.expand(rows, -1, -1)], dim=1)
            v = torch.cat([v, self.bias_v.expand(rows, -1, -1)], dim=1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, dim: int, heads: int, *, extra_token: bool):
        super().__init__()
        self.norm_1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads, extra_token=extra_token)
        self.norm_2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, 4 * dim), "fc2": nn.Linear(4 * dim, dim)})

    def forward(
        self, tokens: Float[Tensor, "batch n dim"], causal: bool
    ) -> Float[Tensor, "batch n dim"]:
        """Residual self-attention and a residual MLP."""
        tokens = tokens + self.attn(self.norm_1(tokens), causal)
        return tokens + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm_2(tokens))))


class Positions(nn.Module):
    """Learned position embeddings, one per token."""

    def __init__(self, tokens: int, dim: int):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, dim))


class VisionStem(nn.Module):
    """Embeds two frames as a class token and one token per 14 x 14 patch."""

    def __init__(self, dim: int, tokens: int, kernel: tuple[int, int, int]):
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        conv = nn.Conv3d(3, dim, kernel, stride=kernel, bias=False)
        # The published stem starts with a layer without weights, hence the 1 in the key.
        self.rgbt_stem = nn.ModuleDict({"proj": nn.Sequential(nn.Identity(), conv)})
        self.pos_embedding_helper = Positions(tokens, dim)

    def forward(
        self, frames: Float[Tensor, "batch 3 2 height width"]
    ) -> Float[Tensor, "batch n dim"]:
        """Embed pairs of normalised frames."""
        patches = self.rgbt_stem["proj"](frames).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return tokens + self.pos_embedding_helper.pos_embed


class AudioStem(nn.Module):
    """Embeds a spectrogram as a class token and overlapping 16 x 16 patches with stride 10."""

    def __init__(self, dim: int, tokens: int, kernel: int):
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        conv = nn.Conv2d(1, dim, kernel, stride=10, bias=False)
        # Unlike every other norm of the model, this one uses PyTorch's default epsilon, 1e-5.
        self.rgbt_stem = nn.ModuleDict({"proj": conv, "norm_layer": nn.LayerNorm(dim)})
        self.pos_embedding_helper = Positions(tokens, dim)

    def forward(self, mel: Float[Tensor, "batch 1 mels time"]) -> Float[Tensor, "batch n dim"]:
        """Embed normalised spectrograms."""
        patches = self.rgbt_stem["proj"](mel).flatten(2).transpose(1, 2)
        patches = self.rgbt_stem["norm_layer"](patches)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return tokens + self.pos_embedding_helper.pos_embed


class TextStem(nn.Module):
    """Embeds token ids and adds position embeddings."""

    def __init__(self, dim: int, tokens: int, vocabulary: int):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, dim)
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, dim))

    def forward(self, ids: Int[Tensor, "batch n"]) -> Float[Tensor, "batch n dim"]:
        """Embed token ids."""
        return self.token_embedding(ids) + self.pos_embed


class Trunk(nn.Module):
    """The transformer blocks of one modality; vision has a norm before them."""

    def __init__(self, dim: int, depth: int, heads: int, modality: Modality):
        super().__init__()
        if modality == "vision":
            self.pre_transformer_layer = nn.Sequential(nn.LayerNorm(dim, eps=1e-6))
        self.blocks = nn.ModuleList(
            Block(dim, heads, extra_token=modality == "audio") for _ in range(depth)
        )
        self.causal = modality == "text"
        self.has_norm = modality == "vision"

    def forward(self, tokens: Float[Tensor, "batch n dim"]) -> Float[Tensor, "batch n dim"]:
        """Run all blocks."""
        if self.has_norm:
            tokens = self.pre_transformer_layer(tokens)
        for block in self.blocks:
            tokens = block(tokens, self.causal)
        return tokens


class LogitScale(nn.Module):
    """Multiplies by exp(log_logit_scale), at most 100."""

    def __init__(self):
        super().__init__()
        self.log_logit_scale = nn.Parameter(torch.empty(()))

    def forward(self, unit: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """Scale unit vectors."""
        return unit * self.log_logit_scale.exp().clamp(max=MAX_LOGIT_SCALE)


class TextHead(nn.Module):
    """Norm and projection of the end token."""

    def __init__(self, norm: nn.LayerNorm, linear: nn.Linear):
        super().__init__()
        self.proj = nn.Sequential(norm, linear)

    def forward(self, tokens: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch out"]:
        """Project end tokens."""
        return self.proj(tokens)


class ImageBindTowers(nn.Module):
    """The towers of some modalities, sized to fit a state dict in the published layout."""

    def __init__(self, state: Mapping[str, Tensor], modalities: Sequence[Modality], heads: Heads):
        """Build from the shapes in `state`; `towers_from_state` loads the weights."""
        super().__init__()
        self.modality_preprocessors = nn.ModuleDict()
        self.modality_trunks = nn.ModuleDict()
        self.modality_heads = nn.ModuleDict()
        self.modality_postprocessors = nn.ModuleDict()
        for modality in modalities:
            stem, dim = _stem(state, modality)
            width = f"modality_trunks.{modality}.blocks."
            depth = 1 + max(int(key[len(width) :].split(".")[0]) for key in state if width in key)
            out_dim = len(state[_HEAD_KEYS[modality]])
            norm, linear = nn.LayerNorm(dim, eps=1e-6), nn.Linear(dim, out_dim, bias=False)
            self.modality_preprocessors[modality] = stem
            self.modality_trunks[modality] = Trunk(dim, depth, heads[modality], modality)
            if modality == "text":
                self.modality_heads[modality] = TextHead(norm, linear)
            else:  # the published head selects the class token between the two layers
                self.modality_heads[modality] = nn.Sequential(norm, nn.Identity(), linear)
            if modality != "vision":  # learned for text, a constant ln 20 for audio
                self.modality_postprocessors[modality] = nn.Sequential(nn.Identity(), LogitScale())

    def move(self, modality: Modality, device: torch.device | str) -> None:
        """Move the tower of one modality to a device."""
        for parts in self.children():
            if isinstance(parts, nn.ModuleDict) and modality in parts:
                parts[modality].to(device)

    def embed_vision(
        self, clips: Float[Tensor, "batch clips 3 2 height width"]
    ) -> Float[Tensor, "batch dim"]:
        """Mean over clips of the unit embeddings of pairs of normalised frames."""
        return self._embed("vision", clips.flatten(0, 1)).unflatten(0, clips.shape[:2]).mean(1)

    def embed_audio(
        self, clips: Float[Tensor, "batch clips 1 mels time"]
    ) -> Float[Tensor, "batch dim"]:
        """Mean over clips of the embeddings of normalised spectrograms, each of norm 20."""
        return self._embed("audio", clips.flatten(0, 1)).unflatten(0, clips.shape[:2]).mean(1)

    def embed_text(self, ids: Int[Tensor, "batch 77"]) -> Float[Tensor, "batch dim"]:
        """Embeddings of token ids, taken at the end token, which has the largest id."""
        rows = torch.arange(len(ids), device=ids.device)
        tokens = self.modality_trunks["text"](self.modality_preprocessors["text"](ids))
        return self._scaled("text", self.modality_heads["text"](tokens[rows, ids.argmax(-1)]))

    def _embed(self, modality: Modality, clips: Tensor) -> Float[Tensor, "batch dim"]:
        tokens = self.modality_trunks[modality](self.modality_preprocessors[modality](clips))
        return self._scaled(modality, self.modality_heads[modality](tokens[:, 0]))

    def _scaled(self, modality: Modality, embedding: Tensor) -> Float[Tensor, "batch dim"]:
        unit = functional.normalize(embedding, dim=-1)
        if modality == "vision":
            return unit
        return self.modality_postprocessors[modality](unit)


def towers_from_state(
    state: Mapping[str, Tensor],
    modalities: Sequence[Modality] = MODALITIES,
    *,
    heads: Heads | None = None,
    dtype: torch.dtype = torch.float32,
) -> ImageBindTowers:
    """Frozen towers with the weights of a state dict; other modalities are ignored.

    Args:
        state: Tensors by the published keys, e.g. of imagebind_huge.pth.
        modalities: The towers to build; audio alone takes 7 % of the memory of all three.
        heads: Attention heads per modality; None is the published model's.
        dtype: Data type of the towers.

    Raises:
        WeightsError: Keys are missing, or the number of heads is unknown.
    """
    try:
        if heads is None:
            heads = {m: PUBLISHED_HEADS[_stem(state, m)[1]] for m in modalities}
        with torch.device("meta"):
            towers = ImageBindTowers(state, modalities, heads)
        wanted = towers.state_dict().keys()
        towers.load_state_dict({key: state[key].to(dtype) for key in wanted}, assign=True)
    except (KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"expected an ImageBind state dict with the towers {', '.join(modalities)} "
            f"({type(error).__name__}: {error}); pass imagebind_huge.pth or its conversion"
        ) from error
    freeze(towers)
    return towers


def _stem(state: Mapping[str, Tensor], modality: Modality) -> tuple[nn.Module, int]:
    """The stem that fits the weights, and the width of its tokens."""
    prefix = f"modality_preprocessors.{modality}."
    if modality == "text":
        vocabulary, dim = state[prefix + "token_embedding.weight"].shape
        return TextStem(dim, state[prefix + "pos_embed"].shape[1], vocabulary), dim
    tokens, dim = state[prefix + "pos_embedding_helper.pos_embed"].shape[1:]
    if modality == "audio":
        kernel = state[prefix + "rgbt_stem.proj.weight"].shape[-1]
        return AudioStem(dim, tokens, kernel), dim
    frames, height, width = state[prefix + "rgbt_stem.proj.1.weight"].shape[2:]
    return VisionStem(dim, tokens, (frames, height, width)), dim
