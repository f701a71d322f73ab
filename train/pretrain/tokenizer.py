"""The embedded model's tokenizer: numbers, frequent phrases and bytes.

Text is cut into numbers of up to three digits, line breaks and phrases. A phrase of the corpus and
a small number is one token each; everything else falls back to its bytes, so any text can be
encoded. No merges are learned: at this model size long boilerplate must cost one token.
"""

import re
from collections import Counter
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
_PIECES = Regex(r"\d{1,3}|\n+| ?[^\d\n.]+\.?|\.")

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\\n' -}}"
    "{%- if message.role == 'assistant' -%}"
    "{{- message.content.split('</think>')[-1].lstrip('\\n') -}}"
    "{%- else -%}{{- message.content -}}{%- endif -%}"
    "{{- '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
"""Qwen3's turn format; thinking of earlier turns is removed, as Qwen3's own template does."""


def build_tokenizer(
    corpus: Iterable[str], numbers: int = 400, least: int = 5
) -> PreTrainedTokenizerFast:
    """Tokens: bytes, the numbers below ``numbers``, phrases seen at least ``least`` times."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    cut = pre_tokenizers.Sequence([pre_tokenizers.Split(_PIECES, "isolated"), byte_level])
    special = re.compile("|".join(map(re.escape, SPECIAL)))
    texts = (part for text in corpus for part in special.split(text) if part)
    counts = Counter(piece for text in texts for piece, _ in cut.pre_tokenize_str(text))
    phrases = sorted(p for p, c in counts.items() if c >= least and not p.isdigit())
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = dict.fromkeys([*alphabet, *(str(n) for n in range(numbers)), *phrases])
    tokenizer = Tokenizer(
        models.BPE({token: i for i, token in enumerate(vocab)}, [], ignore_merges=True)
    )
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL[:3]])
    tokenizer.add_tokens([AddedToken(t, special=False) for t in SPECIAL[3:]])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
