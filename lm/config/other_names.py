"""What other tools call the jobs and keys of lm, for the answers to mistakes.

A key's other names lead to a key or group of lm by its last parts (`optimizer.learning_rate` of a job is found by
`learning_rate`), or to words to type with `{value}` in them.
"""

# Words that are no jobs → the job that is meant, with what to add; or a sentence where there is none.
JOBS = {
    "pretrain": "train training fit pretraining pre-train pre_train trainer",
    "instruct": "sft finetune fine-tune fine_tune finetuning tune instruction instruction-tune posttrain post-train",
    "instruct model/adapter=lora": "lora peft",
    "instruct model/quantise=nf4 model/adapter=lora": "qlora",
    "align": "alignment rlhf preference preferences prefer",
    **{f"align objective={name}": name for name in ("dpo", "simpo", "orpo", "ipo", "kto", "reward")},
    **{f"align data=prompts objective={name}": name for name in ("grpo", "ppo", "rloo", "dapo")},
    "evaluate": "eval evaluation test benchmark validate score perplexity measure lm-eval",
    "corpus": "preprocess prepare tokenize tokenise encode dataset data shard shards pack",
    "corpus corpus=funnel": "filter clean dedup deduplicate",
    "tokenizer": "bpe vocab tokeniser train-tokenizer train_tokenizer",
    "generate": "inference infer predict sample complete completion",
    "serve": "server api api_server deploy endpoint openai",
    "chat": "talk interactive ask repl converse conversation",
    "pipeline": "run all start e2e quickstart demo full end-to-end recipe",
    "pretrain -m seed=0,1": "sweep hpo search optimize multirun grid",
    "export": "convert merge hf huggingface transformers save save_pretrained gguf onnx",
    "pretrain --cfg job": "config show cfg print",
    "pretrain dry_run=true": "estimate plan cost dry-run dry_run memory",
    "--help": "list ls jobs commands",
    "--version": "version",
    "help conf": "init new create setup",
}
NOT_BUILT = {
    "push upload publish": (
        "an upload is not built; what comes nearest is lm export, whose folder huggingface-cli upload sends"
    ),
    "resume restart continue": "the command that started a run resumes it when it is typed again",
}

# Another name of a key, in lower case with _ for - → the names here, the first that the job has.
KEYS = {
    "learning_rate": "lr learningrate max_lr base_lr peak_lr eta",
    "weight_decay": "wd decay l2",
    "optimizer": "optim optimiser",
    "schedule": "scheduler lr_scheduler lr_scheduler_type lr_schedule",
    "schedule.warmup": "warmup warmup_ratio warmup_fraction",
    "budget.epochs": "epochs epoch num_epochs n_epochs max_epochs num_train_epochs nepochs",
    "budget.steps": "steps max_steps num_steps n_steps iterations iters max_iters num_iterations train_steps",
    "budget.tokens": "tokens max_train_tokens train_tokens num_tokens n_tokens total_tokens",
    "rows_per_device": "micro_batch_size per_device_train_batch_size device_batch_size micro_batch mbs",
    "batch_tokens": "tokens_per_batch global_batch_tokens",
    "model.context": "context seq_len seq_length sequence_length block_size max_seq_len max_seq_length n_ctx"
    " context_length context_size ctx max_position_embeddings",
    "model.layers model.depth": "layers n_layer n_layers num_layers num_hidden_layers depth",
    "attention.heads": "heads n_head n_heads num_heads num_attention_heads",
    "attention.key_value_heads": "kv_heads n_kv_head n_kv_heads num_kv_heads num_key_value_heads",
    "model.dim": "dim hidden_size n_embd d_model width embed_dim hidden_dim embedding_dim emb_dim",
    "feedforward.hidden": "intermediate_size ffn_dim d_ff mlp_dim ff_dim",
    "feedforward.experts": "num_experts num_local_experts n_experts n_routed_experts",
    "feedforward.top": "num_experts_per_tok num_experts_per_token experts_per_token",
    "feedforward.balance": "router_aux_loss_coef aux_loss_coef aux_loss_alpha load_balancing_loss",
    "formula.beta objective.beta": "beta dpo_beta kl_beta",
    "formula.label_smoothing": "label_smoothing epsilon",
    "objective.group_size": "num_generations group_size",
    "objective.gradient_clip": "grad_clip clip clip_grad clip_grad_norm max_grad_norm gradient_clip_val grad_norm_clip",
    "data.workers": "workers num_workers dataloader_num_workers n_workers",
    "compute.precision": "precision dtype mixed_precision amp",
    "compute.compile": "torch_compile compile_model",
    "compute.activation_checkpointing": "gradient_checkpointing activation_checkpoint grad_checkpointing",
    "metrics.every": "log_interval logging_steps log_every log_every_n_steps",
    "validations": "eval_interval eval_steps val_check_interval eval_every num_evals",
    "seed": "random_seed rng_seed manual_seed",
    "run.name name": "name run_name exp_name experiment_name run_id run",
    "run.root root": "output_dir out_dir save_dir results_dir log_dir output out outdir root",
    "run.restart restart": "overwrite force overwrite_output_dir restart",
    "model.path": "model_path model_name model_name_or_path base_model pretrained pretrained_model checkpoint"
    " checkpoint_path init_from weights load_from from_pretrained start_from",
    "conversations.path data.conversations.path data.preferences.path data.path corpus.path": "dataset data_path"
    " data_dir train_file train_data dataset_path dataset_name input_file file path files texts data text",
    "conversations conversations.path": "conversation conversations chats chat messages talks dialogues sft_data",
    "minutes budget.minutes": "time max_time time_limit duration max_minutes",
    "tokenizer.path": "tokenizer_path tokenizer_name tokenizer_file",
    "tokenizer.vocab_size": "vocab_size vocab vocabulary_size n_vocab",
    "conversation data.conversation template": "chat_template template prompt_template",
    "max_tokens": "max_new_tokens max_length length n_predict num_tokens_to_generate",
    "samples keep tasks": "num_return_sequences num_samples n_samples best_of n num count number",
    "keep": "top_k top select",
    "tokenizer": "type family algorithm model_type model",
    "depths": "depth layers sizes",
    "sizes": "vocab_size vocab_sizes vocabulary_size",
    "path": "seeds seed_tasks seed_file",
    "stop": "stop_sequences stop_words eos",
    "sampling.temperature": "temperature temp",
    "sampling.top_k": "top_k topk",
    "sampling.top_p": "top_p topp nucleus",
    "message prompt": "prompt message question user input text query",
    "debug/stages": "debug",
    "system": "system_prompt system_message",
}

# Names of a job's inputs, where the job has a key for files of the user's own.
OWN = (
    "dataset data_path data_dir train_file train_data dataset_path dataset_name input_file file path files text texts"
    " data corpus conversation chats chat messages talks dialogues sft_data book books"
)
# Another name → words to type instead.
WORDS = {
    "wandb use_wandb log_wandb wandb_project report_to": "logger=wandb",
    "tensorboard": "logger=tensorboard",
    "comet comet_ml": "logger=comet",
    "lora use_lora peft use_peft": "model/adapter=lora",
    "qlora load_in_4bit": "model/quantise=nf4 model/adapter=lora",
    "lora_r lora_rank rank": "model/adapter=lora model.adapter.rank={value}",
    "lora_alpha": "model/adapter=lora model.adapter.alpha={value}",
    "gpus gpu num_gpus n_gpus ngpu num_processes nproc_per_node world_size": "trainer=ddp trainer.devices={value}",
    "devices n_devices num_devices": "trainer.devices={value}",
    "nodes num_nodes nnodes": "trainer=ddp trainer.num_nodes={value}",
    "cuda use_cuda": "trainer=gpu",
    "cpu use_cpu no_cuda": "trainer=cpu",
    "ddp distributed": "trainer=ddp",
    "fsdp": "trainer=fsdp",
    "bf16 use_bf16": "compute.precision=bf16-mixed",
    "fp32 float32": "compute.precision=32-true",
    "warmup_steps num_warmup_steps warmup_iters": "schedule.warmup=0.02",  # a share of the steps
    "fast_dev_run smoke_test": "debug=fast",
    "overfit_batches overfit": "debug=overfit",
    "dryrun plan": "dry_run=true",
    "endpoint url base_url api_base api_url": "writer=endpoint base_url={value}",
    "api_key openai_api_key": "writer=endpoint key_variable=OPENAI_API_KEY",  # where the key is, never the key
    "key_variable api_key_variable": "writer=endpoint key_variable={value}",
}
# The same for one value of a key.
VALUES = {
    "budget minutes": "minutes=10",
    "device cuda": "trainer=gpu",
    "device gpu": "trainer=gpu",
    "device cpu": "trainer=cpu",
    "accelerator gpu": "trainer=gpu",
    "accelerator cuda": "trainer=gpu",
    "accelerator cpu": "trainer=cpu",
    "strategy ddp": "trainer=ddp",
    "strategy fsdp": "trainer=fsdp",
    "strategy fsdp2": "trainer=fsdp",
    "strategy deepspeed": "trainer=fsdp",
    "strategy deepspeed_stage_2": "trainer=fsdp",
    "strategy deepspeed_stage_3": "trainer=fsdp",
    "optimizer adam": "optimizer=adamw",
    "optimizer adamw_torch": "optimizer=adamw",
    "schedule linear": "schedule=warmup_stable_decay schedule.decay=1.0",
    "schedule wsd": "schedule=warmup_stable_decay",
    "devices all": "trainer.devices=auto",
    "precision bf16": "compute.precision=bf16-mixed",
    "precision bfloat16": "compute.precision=bf16-mixed",
    "precision bf16-true": "compute.precision=bf16-true",
    "precision 32": "compute.precision=32-true",
    "precision fp32": "compute.precision=32-true",
    "precision float32": "compute.precision=32-true",
    "precision 16": "compute.precision=bf16-mixed",
    "precision fp16": "compute.precision=bf16-mixed",
    "precision float16": "compute.precision=bf16-mixed",
    "precision 16-mixed": "compute.precision=bf16-mixed",
    "debug true": "debug=fast",
    "restart 1": "run.restart=true",
    "writer openai": "writer=endpoint",
    "writer api": "writer=endpoint",
    "writer vllm": "writer=endpoint",
    "writer ollama": "writer=endpoint",
}
# Another name → why there is no such key.
SENTENCES = {
    "resume resume_from resume_from_checkpoint ckpt_path resume_path auto_resume continue": (
        "leave it out: the command that started a run resumes it"
    ),
    "gradient_accumulation_steps accumulate_grad_batches grad_accum grad_accum_steps accumulation_steps": (
        "it follows from budget.batch_tokens and budget.rows_per_device: leave it out"
    ),
    "verbose quiet debug_mode": "leave it out: LM_DEBUG=1 before the command prints tracebacks",
}
# The same for one job.
CORPUS_HAS_IT = "leave it out: a corpus brings its tokenizer; lm tokenizer makes another, and lm corpus reads it"
OF_JOB = {
    "pretrain": {"tokenizer tokenizer_type": CORPUS_HAS_IT},
    "evaluate": {
        "tasks task benchmarks suite harness": (
            "write evaluation=mmlu evaluation.path=mmlu for a benchmark in the folder mmlu, or evaluation=answers for "
            "held-out questions; lm evaluate --help lists all"
        ),
        "limit num_questions max_questions": (
            "write evaluation@evaluations=answers evaluations.answers.max_questions=100 to limit the questions"
        ),
        "batch_size": "leave it out: the batches of an evaluation follow from the model's context",
    },
    "serve": {
        "api_key key token auth_token password": (
            "a key on the command line is seen by others: write key_file=key.txt for its file, or key_variable=LM_KEY "
            "for an environment variable"
        ),
        "max_num_seqs parallel workers concurrency num_parallel max_batch_size batch_size n_parallel": (
            "write slots=8 for the texts that are generated at once"
        ),
        "address bind listen ip hostname": "write host=127.0.0.1",
        "allowed_origins cors_origins allow_origins origins": "write cors=[https://example.org]",
        "enable_prefix_caching prefix_caching prompt_cache cache_prompt": "write prefixes=true",
        "chat_template": "write template=chatml, or leave it out: the model's own is recorded",
        "models model_paths": "write beside=outputs/pretrain/default for one more, or a list of them",
    },
    "pipeline": {
        "dry_run dryrun plan estimate": (
            "each stage reads what the one before it made, so no plan covers them all: minutes=10 sets the length of "
            "all stages, and once the corpus exists, lm pretrain dry_run=true plans pretraining"
        ),
        "show": "leave it out: once the corpus exists, lm pretrain show=3 prints rows",
        "extend": "leave it out: once its stages are complete, lm pretrain run.extend=true continues pretraining",
    },
}
