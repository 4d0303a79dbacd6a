#!/usr/bin/env python3
"""Makes the fixtures of this folder with transformers, in float32.

    python golden_hf.py          # with torch and transformers from PyPI

Each folder gets config.json and model.safetensors (random weights, rounded to
bfloat16 and stored as that) and golden.safetensors (tokens [T], logits [T, V]).
The rotary dimensions of minimax are the width of a head: transformers turns
all of it whatever the configuration says.
"""
import os

import torch
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, MiniMaxConfig, MiniMaxForCausalLM, MixtralConfig, MixtralForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))


def make(name, model_class, config, seed, length=150):
    torch.manual_seed(seed)
    config._attn_implementation = "eager"
    model = model_class(config).float().eval()
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 1:
                p.copy_(1 + 0.2 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (1.2 / p.shape[-1] ** 0.5))
            p.copy_(p.bfloat16().float())
        tokens = torch.randint(0, config.vocab_size, (length,))
        logits = model(tokens[None], use_cache=False).logits[0]
    folder = os.path.join(HERE, name)
    model.bfloat16().save_pretrained(folder)
    generation = os.path.join(folder, "generation_config.json")
    if os.path.exists(generation):
        os.remove(generation)
    meta = {"torch": torch.__version__, "transformers": transformers.__version__, "seed": str(seed)}
    save_file({"tokens": tokens.int(), "logits": logits.contiguous()}, os.path.join(folder, "golden.safetensors"), meta)
    print(name, [k for k in model.state_dict()][:12], logits.std())


common = dict(vocab_size=96, hidden_size=32, intermediate_size=24, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0)
make("minimax", MiniMaxForCausalLM, MiniMaxConfig(
    **common, num_hidden_layers=5, num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_local_experts=4, num_experts_per_tok=2,
    layer_types=["linear_attention", "full_attention", "linear_attention", "linear_attention", "full_attention"],
    full_attn_alpha_factor=1.7, full_attn_beta_factor=0.8, linear_attn_alpha_factor=2.5, linear_attn_beta_factor=1.3,
    mlp_alpha_factor=3.5, mlp_beta_factor=0.6, block_size=16, rms_norm_eps=1e-5, tie_word_embeddings=False,
    rope_parameters={"rope_type": "default", "rope_theta": 1e4}), 1)
make("llama", LlamaForCausalLM, LlamaConfig(
    **{**common, "hidden_size": 48}, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, head_dim=12, tie_word_embeddings=False,
    rope_parameters={"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}), 2)
make("llama-tied", LlamaForCausalLM, LlamaConfig(
    **common, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=40, tie_word_embeddings=True), 3)
make("mixtral", MixtralForCausalLM, MixtralConfig(
    **common, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, head_dim=8, num_local_experts=5, num_experts_per_tok=3,
    sliding_window=None, tie_word_embeddings=False, rope_parameters={"rope_type": "default", "rope_theta": 1e6}), 4)
