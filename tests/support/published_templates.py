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
{{ message.content | trim + ' [/INST]' }}
{%- else -%}{{ ' ' + message.content | trim + ' ' + eos_token }}{%- endif -%}
{%- endfor -%}""",
    "mistral": "{{- bos_token -}}" + ALTERNATE + OPENING + """\
{%- if message.role == 'user' -%}
{{ '[INST] ' + (opening + '\n\n' if opening is not none else '') + message.content + ' [/INST]' }}
{%- else -%}{{ ' ' + message.content + eos_token }}{%- endif -%}
{%- endfor -%}""",
    "gemma": "{{- bos_token -}}" + ALTERNATE + OPENING + """\
{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' }}
{%- if opening is not none -%}{{ opening + '\n\n' }}{%- endif -%}
{{ message.content | trim + '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}""",
}  # fmt: skip

BEGINS = {  # the tokens that begin and end a text
    "chatml": ("<s>", "<|im_end|>"),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>"),
    "llama2": ("<s>", "</s>"),
    "mistral": ("<s>", "</s>"),
    "gemma": ("<bos>", "<end_of_turn>"),
}
