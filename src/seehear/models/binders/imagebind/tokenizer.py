"""CLIP's byte-pair tokenizer with the preprocessing of ImageBind's text tower."""

import html
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import CLIPTokenizer

from seehear.errors import WeightsError, is_library_failure

CONTEXT_TOKENS = 77
END_TOKEN = 49407


class Tokenizer:
    """Converts sentences to token ids of CLIP's vocabulary."""

    def __init__(self, vocabulary: str | Path):
        """Read `vocab.json` and `merges.txt` from a folder, e.g. of any CLIP checkpoint.

        Raises:
            WeightsError: The folder has no such files, or those of another model.
        """
        try:
            self._tokenizer = CLIPTokenizer.from_pretrained(vocabulary, local_files_only=True)
        except BaseException as error:
            if not is_library_failure(error):
                raise
            raise WeightsError(
                f"{vocabulary}: expected a folder with CLIP's vocab.json and merges.txt, could "
                f"not read them ({error})"
            ) from error
        # transformers reads an empty folder as an empty vocabulary without an error.
        if self._tokenizer.eos_token_id != END_TOKEN:
            raise WeightsError(
                f"{vocabulary}: expected CLIP's vocab.json and merges.txt with the end token "
                f"{END_TOKEN}, got the end token {self._tokenizer.eos_token_id}"
            )

    def __call__(self, prompts: Sequence[str]) -> Int[Tensor, "batch 77"]:
        """Start token, at most 75 tokens, end token, zeros.

        The authors' older tokenizer drops the end token of long prompts; this one keeps it.
        """
        # Web captions can be HTML-escaped once or twice.
        texts = [" ".join(html.unescape(html.unescape(p)).split()).lower() for p in prompts]
        rows = self._tokenizer(texts, truncation=True, max_length=CONTEXT_TOKENS)["input_ids"]
        ids = torch.zeros(len(rows), CONTEXT_TOKENS, dtype=torch.long)
        for row, tokens in zip(ids, rows, strict=True):
            row[: len(tokens)] = torch.tensor(tokens)
        return ids
