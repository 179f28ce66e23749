"""Writing with an engine of this process: prompts as its model knows them, texts whole or as they come."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, closing
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from structgen.engine.requests import Handle, Request, Result
from structgen.errors import OptionError, StructgenError
from structgen.prompting import extraction_prompt_under
from structgen.resources import embedded_model
from structgen.typed.forms import Form
from structgen.typed.options import DEFAULT_MAX_TOKENS, Options
from structgen.typed.prompts import Source, messages_of

if TYPE_CHECKING:
    from structgen.engine.doors import Engine

TAG_TOKENS = 16
"""Tokens that are kept free for the closing tag of thoughts."""
MOST_ENGINES = 4
"""Models that are kept by name in a process; the one that was not used for longest goes first."""


class Local:
    """An engine, and how its model is asked."""

    lost: tuple[str, ...] = ()

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine, self.name = engine, name
        self.is_embedded = name.startswith("structgen/")
        self._templates: Any = None
        self._lock = threading.Lock()

    # --- prompts --------------------------------------------------------------------------------------------

    def prompt(self, form: Form, source: Source, options: Options) -> str:
        """Return the text of a prompt, the chat template applied."""
        made = self._asked(form, source, options)
        return made if isinstance(made, str) else str(self._templated(made, tokenize=False))

    def _asked(self, form: Form, source: Source, options: Options) -> str | list[dict[str, Any]]:
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

    def request(self, form: Form, source: Source, options: Options, attempt: int = 0) -> Request:
        """Return the engine's request. Errors: OptionError for a prompt that leaves no room."""
        asked = self._asked(form, source, options)
        tokens: Sequence[int]
        if isinstance(asked, str):
            tokens = self.engine.tokenizer.encode(asked.encode())
        else:
            tokens = self._templated(asked, tokenize=True)
        room = self.engine.model.context - len(tokens)
        if options.thinking is not None:
            room -= options.thinking.max_tokens + TAG_TOKENS
        most = options.max_tokens
        if most is None:
            most = max(min(DEFAULT_MAX_TOKENS, room), 1)
        return Request(
            tokens,
            form.grammar,
            options.sampling_of(attempt),
            max_tokens=most,
            timeout=options.timeout,
            thinking=options.thinking,
            speculation=options.speculation,
        )

    @staticmethod
    def check(form: Form, text: str) -> str | None:
        """Return None: the masks have seen to it."""
        return None

    # --- texts ----------------------------------------------------------------------------------------------

    def write(
        self, form: Form, sources: Sequence[Source], options: Options, attempt: int = 0
    ) -> list[Result]:
        """Return a text for each source, in one batch."""
        return self.engine.generate([self.request(form, one, options, attempt) for one in sources])

    async def awrite(self, form: Form, source: Source, options: Options, attempt: int = 0) -> Result:
        """Return a text; others may be written meanwhile, in the same batches."""
        (result,) = await self.engine.agenerate(self.request(form, source, options, attempt))
        return result

    def stream(
        self, form: Form, source: Source, options: Options, done: Callable[[Result], None]
    ) -> Iterator[str]:
        """Yield a text in pieces as it comes, and hand its result to `done`; leaving the loop cancels it."""
        (handle,) = self.engine.submit(self.request(form, source, options))
        with closing(self.engine.pieces(handle)) as pieces:
            for piece in pieces:
                if piece:
                    yield piece
        done(_result(handle))

    async def astream(
        self, form: Form, source: Source, options: Options, done: Callable[[Result], None]
    ) -> AsyncIterator[str]:
        """Yield a text in pieces as it comes, and hand its result to `done`; leaving the loop cancels it."""
        (handle,) = self.engine.submit(self.request(form, source, options))
        async with aclosing(self.engine.apieces(handle)) as pieces:
            async for piece in pieces:
                if piece:
                    yield piece
        done(_result(handle))


def _result(handle: Handle) -> Result:
    assert handle.result is not None, "its end was told"
    return handle.result


def check_name(name: str) -> None:
    """Raise StructgenError where no model has this name, as far as can be told without loading it."""
    if name.startswith("structgen/"):
        embedded_model(name)
    elif not (Path(name) / "config.json").is_file():
        raise StructgenError(
            f"{name!r} is no folder with a model: there is no config.json.",
            where="model",
            cure="Name a local folder, structgen/extract, openai:URL#NAME, or pass an sg.Engine.",
        )


class _Shared:
    """What two threads that name a model for the first time at once must not do twice."""

    lock = threading.Lock()


def local_model(name: str) -> Local:
    """Return the model of a name, loaded once in a process and shared by all who name it."""
    with _Shared.lock:
        return _loaded(name)


@lru_cache(maxsize=MOST_ENGINES)
def _loaded(name: str) -> Local:
    from structgen.engine import Engine

    return Local(Engine(name), name)
