"""The fields of a config.json, read one by one, so that none that changes the model is overlooked."""

from collections.abc import Mapping, Sequence
from typing import Any

# Fields that say nothing of what the model computes: of files, training, generation and the library itself.
NAMES = """
_name_or_path _attn_implementation attn_implementation add_cross_attention architectures attention_dropout attn_pdrop
_num_labels auto_map bad_words_ids begin_suppress_tokens bos_token_id cache_implementation chunk_size_feed_forward
classifier_dropout cross_attention_hidden_size decoder_start_token_id diversity_penalty do_sample dtype
early_stopping embd_pdrop embedding_dropout encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty
finetuning_task forced_bos_token_id forced_eos_token_id gradient_checkpointing hidden_dropout id2label
initializer_range is_decoder is_encoder_decoder keys_to_ignore_at_inference label2id length_penalty max_length
max_window_layers min_length model_type n_ctx no_repeat_ngram_size num_beam_groups num_beams num_return_sequences
output_attentions output_hidden_states output_scores pad_token_id prefix pretraining_tp problem_type pruned_heads
remove_invalid_values reorder_and_upcast_attn repetition_penalty resid_pdrop return_dict return_dict_in_generate
sep_token_id summary_activation summary_first_dropout summary_proj_to_labels summary_type summary_use_proj
suppress_tokens task_specific_params temperature tf_legacy_loss tokenizer_class top_k top_p torch_dtype torchscript
transformers.js_config transformers_version typical_p unsloth_fixed unsloth_version use_bfloat16 use_cache
is_llama_config
"""
IGNORED = frozenset(NAMES.split())
EMPTY = (None, False, 0, 0.0, "", [], {})  # of a field that is not known: it turns nothing on


class Fields:
    """The fields of one config.json.

    Args:
        values: Its content.
        place: The file, named in errors.
    """

    def __init__(self, values: Mapping[str, Any], *, place: str):
        self.values, self.place = dict(values), place
        self._read: set[str] = set()

    def get(self, name: str, default: Any = ...) -> Any:
        """Return the value of a field; without a default it must be there.

        Raises:
            ValueError: It is missing.
        """
        self._read.add(name)
        if name in self.values:
            return self.values[name]
        if default is ...:
            raise ValueError(f"{self.place} has no {name}, which this model needs: copy the file again")
        return default

    def given(self, name: str, default: Any) -> Any:
        """Return the value of a field; the default where it is missing or null."""
        value = self.get(name, None)
        return default if value is None else value

    def only(self, name: str, *allowed: Any, default: Any = ...) -> Any:
        """Return the value of a field that may have few values.

        Raises:
            ValueError: It has another one.
        """
        value = self.get(name, default)
        if value not in allowed:
            known = " or ".join(repr(each) for each in allowed)
            raise ValueError(
                f"{self.place} has {name}={value!r}, but {self.values.get('model_type')} is known with {known}: this "
                "model computes something else and cannot be read"
            )
        return value

    def skip(self, *names: str) -> None:
        """Count fields as read that change nothing here."""
        self._read |= {*names}

    def refuse_unread(self) -> None:
        """Refuse fields that turn something on and that nothing has read.

        Raises:
            ValueError: With each of them.
        """
        unknown = {
            name: value
            for name, value in self.values.items()
            if name not in self._read | IGNORED and not _is_empty(value)
        }
        if unknown:
            listed = ", ".join(f"{name}={value!r}" for name, value in sorted(unknown.items()))
            raise ValueError(
                f"{self.place} has fields that are not known of {self.values.get('model_type')}: {listed}; a model "
                "that needs them cannot be read; if they change nothing, remove them from the file"
            )


def _is_empty(value: Any) -> bool:
    return any(value is each or (type(value) is type(each) and value == each) for each in EMPTY)


def agreeing(place: str, **values: Any) -> Any:
    """Return the value that several fields give; None if none does.

    Raises:
        ValueError: They contradict each other.
    """
    given = {name.replace("__", "."): value for name, value in values.items() if value is not None}
    if len({repr(_number(value)) for value in given.values()}) > 1:
        said = " and ".join(f"{name}={value}" for name, value in given.items())
        raise ValueError(f"{place} contradicts itself: {said}; keep the one that the model was trained with")
    return next(iter(given.values()), None)


def _number(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _number(each) for name, each in sorted(value.items())}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_number(each) for each in value]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
