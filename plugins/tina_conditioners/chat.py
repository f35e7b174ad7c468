"""A language model behind OpenAI's protocol, asked politely."""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from tina_conditioners.options import LlmDescriptionsOptions
from tina_kit.api import TinaKitError, UserError

Message = dict[str, str]
REFUSED_KEY = (401, 403)
AGAIN = (408, 409, 425, 429)  # and every status from 500


class NoUsableAnswer(Exception):
    """Every attempt met an objection; the message is the last one."""


class Chat:
    """Asks one question at a time. The key is read when a question is sent, and kept nowhere."""

    def __init__(self, options: LlmDescriptionsOptions) -> None:
        self.options = options
        self.url = options.endpoint.rstrip("/") + "/chat/completions"

    def ask(self, question: str, objection: Callable[[str], str]) -> str:
        """The first answer without an objection, on one line.

        objection: what is wrong with an answer, "" for nothing; it is told to the model, which
            may try again. Raises NoUsableAnswer when no attempt is left, and TinaKitError or
            UserError when the endpoint does not answer.
        """
        messages = [{"role": "user", "content": question}]
        for _ in range(self.options.retries + 1):
            answer = " ".join(self._complete(messages).split()).strip('"')
            wrong = objection(answer)
            if not wrong:
                return answer
            messages = [
                messages[0],
                {"role": "assistant", "content": answer or "(nothing)"},
                {"role": "user", "content": f"This answer {wrong}. Please try again."},
            ]
        raise NoUsableAnswer(wrong)

    def _complete(self, messages: Sequence[Message]) -> str:
        """One answer, with retries while the endpoint has a passing trouble."""
        request = self._request(messages)
        pause = self.options.backoff
        for attempt in range(self.options.retries + 1):
            if attempt:
                time.sleep(pause)
                pause *= 2
            try:
                with urllib.request.urlopen(request, timeout=self.options.timeout) as reply:
                    return _text_of(reply.read())
            except urllib.error.HTTPError as error:
                trouble = f"status {error.code}"
                error.close()
                if not (error.code in AGAIN or error.code >= 500):
                    raise self._refusal(error.code) from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                trouble = str(getattr(error, "reason", error)) or type(error).__name__
        raise TinaKitError(
            f"{self.url}: no answer after {self.options.retries + 1} attempts, at last "
            f"{trouble}. Check `endpoint`, or start again when it is well; what was answered "
            "before is kept"
        )

    def _refusal(self, status: int) -> UserError:
        if status in REFUSED_KEY:
            what = f"the key in {self.options.key_variable} is refused"
            if self.options.key_variable is None:
                what = "a key is asked for; name its environment variable in `key_variable`"
            return UserError(f"{self.url}: {what} (status {status}). Set another one")
        return UserError(
            f"{self.url}: the request is refused (status {status}). Check `endpoint`, `model` "
            f"('{self.options.model}') and `temperature`"
        )

    def _request(self, messages: Sequence[Message]) -> urllib.request.Request:
        body: dict[str, Any] = {"model": self.options.model, "messages": list(messages)}
        if self.options.temperature is not None:
            body["temperature"] = self.options.temperature
        request = urllib.request.Request(self.url, json.dumps(body).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        if self.options.key_variable is not None:
            # Not passed on to wherever an endpoint may redirect to.
            request.add_unredirected_header("Authorization", f"Bearer {self._key()}")
        return request

    def _key(self) -> str:
        key = os.environ.get(str(self.options.key_variable), "").strip()
        if not key:
            raise UserError(
                f"llm-descriptions: the environment variable {self.options.key_variable} holds no "
                f"key for {self.options.endpoint}. Set it, or `key_variable: null` for an endpoint "
                "that needs none"
            )
        return key


def _text_of(reply: bytes) -> str:
    """The answer in a chat completion. Raises ValueError for anything else."""
    try:
        content = json.loads(reply)
    except ValueError:
        raise ValueError("what it answers is no JSON") from None
    try:
        text = content["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise ValueError("what it answers is no chat completion") from None
    return text if isinstance(text, str) else ""
