# SPDX-License-Identifier: GPL-2.0-or-later
"""model.py DIR [--weights]: a tiny Llama that needs no download. With --weights also its weights,
random numbers, for what a dummy load does not do: mapping and reading a file. Run it by the venv's
Python, which has tokenizers and safetensors."""

import argparse
import json
import pathlib

LAYERS, HIDDEN, INNER, HEADS, KV_HEADS, HEAD, VOCAB = 8, 1024, 2048, 16, 4, 64, 32000

# The length is what makes the tables of InputBatch large enough to be told from noise.
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD,
    "vocab_size": VOCAB,
    "max_position_embeddings": 40960,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
}
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
}


def tensors():
    """Name and shape of every tensor, as a checkpoint of this architecture names them."""
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN)
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (HIDDEN,)
        yield layer + "self_attn.q_proj.weight", (HEADS * HEAD, HIDDEN)
        yield layer + "self_attn.k_proj.weight", (KV_HEADS * HEAD, HIDDEN)
        yield layer + "self_attn.v_proj.weight", (KV_HEADS * HEAD, HIDDEN)
        yield layer + "self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD)
        yield layer + "post_attention_layernorm.weight", (HIDDEN,)
        yield layer + "mlp.gate_proj.weight", (INNER, HIDDEN)
        yield layer + "mlp.up_proj.weight", (INNER, HIDDEN)
        yield layer + "mlp.down_proj.weight", (HIDDEN, INNER)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCAB, HIDDEN)


def write_tokenizer(path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<s>", "</s>"] + [f"w{i}" for i in range(VOCAB - 3)]
    vocab = {w: i for i, w in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(words[:3])
    tokenizer.save(str(path))


def write_weights(path):
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    weights = {}
    for name, shape in tensors():
        w = torch.empty(shape, dtype=torch.bfloat16)
        weights[name] = w.fill_(1.0) if len(shape) == 1 else w.normal_(std=0.02)
    save_file(weights, path, metadata={"format": "pt"})


def main():
    args = argparse.ArgumentParser()
    args.add_argument("dir", type=pathlib.Path)
    args.add_argument("--weights", action="store_true")
    args = args.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    (args.dir / "config.json").write_text(json.dumps(CONFIG, indent=1))
    (args.dir / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG, indent=1))
    write_tokenizer(args.dir / "tokenizer.json")
    if args.weights:
        write_weights(args.dir / "model.safetensors")


main()
