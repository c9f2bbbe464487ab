"""Jinja chat templates of the published formats, rewritten from their documentation."""

ALTERNATE = """\
{%- set turns = messages[1:] if messages[0].role == 'system' else messages -%}
{%- for message in turns -%}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('no alternation') }}{%- endif -%}
"""
OPENING = "{%- set opening = messages[0].content if loop.first and messages[0].role == 'system' else none -%}"

PUBLISHED = {
    "chatml": """\
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}""",
    "llama3": """\
{{- bos_token -}}
{%- for message in messages -%}
{%- set speaker = 'ipython' if message.role == 'tool' else message.role -%}
{{ '<|start_header_id|>' + speaker + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif -%}""",
    "llama2": ALTERNATE + OPENING + """\
{%- if message.role == 'user' -%}
{{ bos_token + '[INST] ' }}
{%- if opening is not none -%}{{ '<<SYS>>\n' + opening + '\n<</SYS>>\n\n' }}{%- endif -%}
{{ (message.content.rstrip() if opening is not none else message.content | trim) + ' [/INST]' }}
{%- else -%}{{ ' ' + message.content | trim + ' ' + eos_token }}{%- endif -%}
{%- endfor -%}""",
    "mistral": "{{- bos_token -}}" + ALTERNATE + OPENING + """\
{%- if message.role == 'user' -%}
{{ '[INST] ' + (opening + '\n\n' if opening is not none else '') + message.content + ' [/INST]' }}
{%- else -%}{{ ' ' + message.content + eos_token }}{%- endif -%}
{%- endfor -%}""",
    "mistral_v3": "{{- bos_token -}}" + ALTERNATE + OPENING + """\
{%- if message.role == 'user' -%}
{{ '[INST] ' + (opening + '\n\n' if opening is not none else '') + message.content + '[/INST]' }}
{%- else -%}{{ ' ' + message.content | trim + eos_token }}{%- endif -%}
{%- endfor -%}""",
    "gemma": "{{- bos_token -}}" + ALTERNATE + OPENING + """\
{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' }}
{%- if opening is not none -%}{{ opening + '\n\n' }}{%- endif -%}
{{ message.content | trim + '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}""",
}  # fmt: skip

THOUGHTS = """\
{%- set thoughts = message.reasoning_content if message.reasoning_content is string else '' -%}
{%- set words = message.content -%}
{%- if '</think>' in words and not thoughts -%}
{%- set thoughts = words.split('</think>')[0].split('<think>')[-1] -%}
{%- set words = words.split('</think>')[-1].lstrip('\n') -%}
{%- endif -%}
"""

IMITATED = PUBLISHED | {  # formats that have no named template
    "zephyr": """\
{% for message in messages %}
{{ '<|' + message.role + '|>\n' + message.content + eos_token }}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}""",
    "phi": """\
{%- for message in messages -%}
{{ '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|assistant|>\n' }}{%- else -%}{{ eos_token }}{%- endif -%}""",
    "deepseek": """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role == 'assistant' -%}{{ '<｜Assistant｜>' + message.content + eos_token }}
{%- elif message.role == 'user' -%}{{ '<｜User｜>' + message.content }}
{%- else -%}{{ message.content }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<｜Assistant｜>' }}{%- endif -%}""",
    "vicuna": """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{{ 'USER: ' + message.content | trim + ' ' }}
{%- elif message.role == 'assistant' -%}{{ 'ASSISTANT: ' + message.content | trim + eos_token }}
{%- else -%}{{ message.content + '\n\n' }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}""",
}

# Thoughts stand in the last answer only, as in Qwen3: a block, which is empty where there are none.
THINKING = (
    """\
{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
"""
    + THOUGHTS
    + """\
{{- '<|im_start|>assistant\n' -}}
{%- if loop.last -%}{{ '<think>\n' + thoughts.strip('\n') + '\n</think>\n\n' }}{%- endif -%}
{{- words + '<|im_end|>\n' -}}
{%- else -%}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}
{%- if enable_thinking is defined and not enable_thinking -%}{{ '<think>\n\n</think>\n\n' }}{%- endif -%}
{%- endif -%}"""
)

# The prompt opens thoughts and every answer loses them, as in DeepSeek-R1.
OPENING_THOUGHTS = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\n' + message.content.split('</think>')[-1] | trim + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n<think>\n' }}{%- endif -%}"""

BEGINS = {  # the tokens that begin and end a text
    "chatml": ("<s>", "<|im_end|>"),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>"),
    "llama2": ("<s>", "</s>"),
    "mistral": ("<s>", "</s>"),
    "mistral_v3": ("<s>", "</s>"),
    "gemma": ("<bos>", "<end_of_turn>"),
    "zephyr": ("<s>", "</s>"),
    "phi": ("<s>", "<|endoftext|>"),
    "deepseek": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "vicuna": ("<s>", "</s>"),
}
