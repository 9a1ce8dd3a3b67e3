"""ImageBind's picture, sound and text towers: transformers whose weights load by the original keys.

Source: Girdhar et al. 2023, "ImageBind: One Embedding Space To Bind Them All", arXiv:2305.05665.
Attribute names spell out the keys of the published state dict. Inference only.
"""

import math
from collections.abc import Mapping
from typing import Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from seehear.errors import WeightsError

Trunk = Literal["vision", "audio", "text"]
TRUNKS: tuple[Trunk, ...] = ("vision", "audio", "text")
# Heads cannot be read off the weights; these are the published model's, by trunk width.
PUBLISHED_HEADS = {1280: 16, 768: 12, 1024: 16}
MAX_LOGIT_SCALE = 100.0


class Attention(nn.Module):
    """Multi-head self-attention with one packed projection, optionally with a learned extra token."""

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
        q, k, v = functional.linear(tokens, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
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
        tokens = tokens + self.attn(self.norm_1(tokens), causal)
        return tokens + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm_2(tokens))))


class Positions(nn.Module):
    """Learned positions, one per token."""

    def __init__(self, tokens: int, dim: int):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, dim))


class VisionStem(nn.Module):
    """Two frames to a class token and one token per 14 x 14 patch."""

    def __init__(self, dim: int, tokens: int, kernel: tuple[int, int, int]):
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        conv = nn.Conv3d(3, dim, kernel, stride=kernel, bias=False)
        # The published stem has a layer without weights in front, hence the 1 in the key.
        self.rgbt_stem = nn.ModuleDict({"proj": nn.Sequential(nn.Identity(), conv)})
        self.pos_embedding_helper = Positions(tokens, dim)

    def forward(
        self, frames: Float[Tensor, "batch 3 2 height width"]
    ) -> Float[Tensor, "batch n dim"]:
        patches = self.rgbt_stem["proj"](frames).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return tokens + self.pos_embedding_helper.pos_embed


class AudioStem(nn.Module):
    """A spectrogram to a class token and one token per overlapping 16 x 16 patch, stride 10."""

    def __init__(self, dim: int, tokens: int, kernel: int):
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        conv = nn.Conv2d(1, dim, kernel, stride=10, bias=False)
        # Unlike every other norm of the model, this one uses PyTorch's default epsilon, 1e-5.
        self.rgbt_stem = nn.ModuleDict({"proj": conv, "norm_layer": nn.LayerNorm(dim)})
        self.pos_embedding_helper = Positions(tokens, dim)

    def forward(self, mel: Float[Tensor, "batch 1 mels time"]) -> Float[Tensor, "batch n dim"]:
        patches = self.rgbt_stem["proj"](mel).flatten(2).transpose(1, 2)
        patches = self.rgbt_stem["norm_layer"](patches)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return tokens + self.pos_embedding_helper.pos_embed


class TextStem(nn.Module):
    """Token ids to token embeddings with positions."""

    def __init__(self, dim: int, tokens: int, vocabulary: int):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, dim)
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, dim))

    def forward(self, ids: Int[Tensor, "batch n"]) -> Float[Tensor, "batch n dim"]:
        return self.token_embedding(ids) + self.pos_embed


class Trunks(nn.Module):
    """The blocks of one modality, and the norm that only vision has in front of them."""

    def __init__(self, dim: int, depth: int, heads: int, trunk: Trunk):
        super().__init__()
        if trunk == "vision":
            self.pre_transformer_layer = nn.Sequential(nn.LayerNorm(dim, eps=1e-6))
        self.blocks = nn.ModuleList(
            Block(dim, heads, extra_token=trunk == "audio") for _ in range(depth)
        )
        self.causal = trunk == "text"
        self.has_norm = trunk == "vision"

    def forward(self, tokens: Float[Tensor, "batch n dim"]) -> Float[Tensor, "batch n dim"]:
        if self.has_norm:
            tokens = self.pre_transformer_layer(tokens)
        for block in self.blocks:
            tokens = block(tokens, self.causal)
        return tokens
