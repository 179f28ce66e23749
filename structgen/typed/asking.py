"""How a model of this process is asked: a plain prompt, the embedded models' own form, or a chat template."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from structgen.errors import OptionError, StructgenError
from structgen.json_grammars.prompting import extraction_prompt_under
from structgen.tokens.tokenizer import Tokenizer
from structgen.typed.forms import WantedForm
from structgen.typed.options import TypedOptions
from structgen.typed.prompts import PromptSource, messages_of


class ModelPrompts:
    """The prompts of a model, by its name: a folder's may have a chat template, `structgen/...` have none."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_embedded = name.startswith("structgen/")
        self._templates: Any = None
        self._lock = threading.Lock()

    def prompt(self, form: WantedForm, source: PromptSource, options: TypedOptions) -> str:
        """Return the text of a prompt, the chat template applied."""
        made = self._asked(form, source, options)
        return made if isinstance(made, str) else str(self._templated(made, tokenize=False))

    def tokens(
        self, form: WantedForm, source: PromptSource, options: TypedOptions, tokenizer: Tokenizer
    ) -> Sequence[int]:
        """Return the tokens of a prompt, the chat template applied."""
        asked = self._asked(form, source, options)
        tokens: Sequence[int]
        if isinstance(asked, str):
            tokens = tokenizer.encode(asked.encode())
        else:
            tokens = self._templated(asked, tokenize=True)
        return tokens

    def _asked(
        self, form: WantedForm, source: PromptSource, options: TypedOptions
    ) -> str | list[dict[str, Any]]:
        """Return a text, or messages that the chat template is for."""
        outline = self.is_embedded if options.outline is None else options.outline
        if self.is_embedded and outline and form.schema is not None and isinstance(source.prompt, str):
            # what these models were trained on: the outline, and the text alone
            return extraction_prompt_under(form.outline, "\n".join(source.values))
        said = ""
        if outline and form.schema is not None:
            said = f"\n\nAnswer in JSON: {form.outline}"
        chat = options.chat
        if chat is None:
            chat = not isinstance(source.prompt, str) or self._has_template()
        if not chat:
            if not isinstance(source.prompt, str):
                raise OptionError(
                    "Messages need the chat template.", where="chat", cure="Leave chat=False, or give text."
                )
            return f"{source.prompt}{said}\n"
        if not self._has_template():
            raise OptionError(
                f"{self.name or 'The model'} has no chat template.",
                where="chat",
                cure="Give text, or a model whose folder has chat_template.jinja.",
            )
        messages = messages_of(source.prompt)
        if said:
            messages[-1] = {**messages[-1], "content": f"{messages[-1]['content']}{said}"}
        return messages

    def _has_template(self) -> bool:
        folder = Path(self.name)
        if not self.name or self.is_embedded or not folder.is_dir():
            return False
        if (folder / "chat_template.jinja").is_file():
            return True
        config = folder / "tokenizer_config.json"
        return config.is_file() and "chat_template" in json.loads(config.read_text(encoding="utf-8"))

    def _templated(self, messages: list[dict[str, Any]], *, tokenize: bool) -> Any:
        with self._lock:
            if self._templates is None:
                try:
                    from transformers import AutoTokenizer
                except ImportError as error:
                    raise StructgenError(
                        "Chat templates are applied by transformers.",
                        where="chat",
                        cure="pip install transformers, or chat=False.",
                    ) from error
                self._templates = AutoTokenizer.from_pretrained(self.name, local_files_only=True)
            return self._templates.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=tokenize, return_dict=False
            )
