"""trl's side of alignment.py: its trainers on the same weights and token ids, gradient checkpointing off as in ours."""

import json
import sys
from pathlib import Path

import torch
from alignment_steps import GROUP, LONGEST, PAIRS, PROMPTS, STEPS, Steps, letters
from datasets import Dataset
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer

TEMPLATE = (
    "<|end_of_document|>{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end_of_turn|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NAMES = {
    "embedding.": "model.embed_tokens.",
    "attention.output": "self_attn.o_proj",
    "blocks.": "model.layers.",
    "attention_norm": "input_layernorm",
    "feedforward_norm": "post_attention_layernorm",
    "feedforward.": "mlp.",
    "attention.": "self_attn.",
    "query": "q_proj",
    "key": "k_proj",
    "value": "v_proj",
    "gate": "gate_proj",
    "up.": "up_proj.",
    "down": "down_proj",
}
steps = Steps()


class Timing(TrainerCallback):
    def __init__(self, read: int) -> None:
        self.read = read

    def on_train_begin(self, *args, **further) -> None:
        steps.start()

    def on_step_end(self, *args, **further) -> None:
        steps.end(self.read)


def model_of(directory: Path) -> LlamaForCausalLM:
    """Our checkpoint as a model of transformers."""
    weights = torch.load(directory / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    weights = {name.removeprefix("model."): value for name, value in weights.items()}
    described = json.loads((directory / "model.json").read_text())
    attention = described["attention"]
    hidden = weights["blocks.0.feedforward.gate.weight"].shape[0]
    config = LlamaConfig(
        vocab_size=weights["embedding.weight"].shape[0],
        hidden_size=described["dim"],
        intermediate_size=hidden,
        num_hidden_layers=described["layers"],
        num_attention_heads=attention["heads"],
        num_key_value_heads=attention["key_value_heads"],
        max_position_embeddings=described["context"],
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    missing, unexpected = model.load_state_dict(
        {_renamed(name): value for name, value in weights.items()}, strict=False
    )
    assert not unexpected
    assert {*missing} <= {"lm_head.weight"}  # the embedding
    model.tie_weights()
    return model


def _renamed(name: str) -> str:
    for ours, theirs in NAMES.items():
        name = name.replace(ours, theirs)
    return name if name.startswith(("model.", "lm_head.")) else f"model.{name}"


def tokenizer_of(directory: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_file=str(directory / "tokenizer.json"),
        eos_token="<|end_of_turn|>",
        pad_token="<|padding|>",
        chat_template=TEMPLATE,
    )


def run(kind: str, directory: Path) -> None:
    tuned = directory / "instruct/tiny"
    file = directory / ("prompts.jsonl" if kind == "grpo" else "pairs.jsonl")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    data = Dataset.from_list([{name: _said(name, text) for name, text in record.items()} for record in records])
    shared = {
        "output_dir": str(directory / "trl"),
        "max_steps": STEPS[kind],
        "learning_rate": 1e-4,
        "lr_scheduler_type": "constant",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "save_strategy": "no",
        "report_to": "none",
        "max_grad_norm": 1.0,
        "disable_tqdm": True,
    }
    saved, tokenizer = directory / "llama", tokenizer_of(tuned)
    model_of(tuned).save_pretrained(saved)  # trl looks for the reference where the model came from
    tokenizer.save_pretrained(saved)
    model = LlamaForCausalLM.from_pretrained(saved, dtype=torch.float32)
    if kind == "grpo":
        options = GRPOConfig(
            **shared,
            per_device_train_batch_size=PROMPTS * GROUP,
            num_generations=GROUP,
            max_completion_length=LONGEST,
            loss_type="grpo",
            beta=0.0,
        )

        def reward(completions, **further) -> list[float]:
            return [letters(each[0]["content"]) for each in completions]

        trainer = GRPOTrainer(model, reward, options, train_dataset=data, processing_class=tokenizer)
    else:
        options = DPOConfig(
            **shared, per_device_train_batch_size=PAIRS, beta=0.1, precompute_ref_log_probs=kind == "dpo_cached"
        )
        trainer = DPOTrainer(model, args=options, train_dataset=data, processing_class=tokenizer)
    trainer.add_callback(Timing(PROMPTS if kind == "grpo" else PAIRS))
    trainer.train()
    print(trainer.state.log_history, file=sys.stderr)
    steps.report(kind)


def _said(name: str, text: str) -> list[dict[str, str]]:
    return [{"role": "user" if name == "prompt" else "assistant", "content": text}]


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]))
