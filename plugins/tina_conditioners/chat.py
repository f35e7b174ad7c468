"""A client for language models behind an OpenAI-compatible API."""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from tina_conditioners.http_post import post
from tina_conditioners.options import LlmDescriptionsOptions
from tina_kit.api import TinaKitError, UserError

Message = dict[str, str]
LONGEST_PAUSE = 600.0  # seconds
SHORTEST_SECRET = 8  # characters; self-hosted servers accept any word as a key
_KEY = re.compile("[!-~]+")
REFUSED_KEY = (401, 403)
AGAIN = (408, 409, 425, 429)  # and every status from 500


class NoUsableAnswer(Exception):
    """No attempt gave an acceptable answer; the message is the last objection."""


class Chat:
    """Asks one question at a time. The key is read for each request and never stored."""

    def __init__(self, options: LlmDescriptionsOptions) -> None:
        self.options = options
        self.url = options.endpoint.rstrip("/") + "/chat/completions"

    def ask(self, question: str, objection: Callable[[str], str]) -> str:
        """The first answer without an objection, on one line.

        objection: returns what is wrong with an answer, "" for nothing; it is sent to the model
            for another attempt. Raises NoUsableAnswer if no attempt is left, and TinaKitError or
            UserError if the endpoint does not answer.
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
        """One answer, with retries after temporary failures of the endpoint."""
        key = self._key()
        request = self._request(messages, key)
        pause = self.options.backoff
        for attempt in range(self.options.retries + 1):
            if attempt:
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            try:
                # A key for this machine must not pass through a proxy.
                proxies = not self.options.is_local
                text = _text_of(post(request, self.options.timeout, proxies))
                if len(key) >= SHORTEST_SECRET and key in text:
                    raise ValueError("its answer repeats the key")
                return text
            except urllib.error.HTTPError as error:
                trouble = f"status {error.code}"
                error.close()
                if not (error.code in AGAIN or error.code >= 500):
                    raise self._refusal(error.code) from None
            except http.client.HTTPException as error:  # its message quotes the server
                trouble = f"its answer is not valid HTTP ({type(error).__name__})"
            except (OSError, ValueError) as error:
                trouble = str(getattr(error, "reason", error)) or type(error).__name__
        raise TinaKitError(
            f"{self.url}: no answer after {self.options.retries + 1} attempts, the last failed "
            f"with: {trouble}. Check `endpoint`, or try again later; previous answers are kept"
        )

    def _refusal(self, status: int) -> UserError:
        if status in REFUSED_KEY:
            what = f"the key in {self.options.key_variable} was rejected"
            if self.options.key_variable is None:
                what = "a key is required; name its environment variable in `key_variable`"
            return UserError(f"{self.url}: {what} (status {status}). Set another one")
        if 300 <= status < 400:
            return UserError(
                f"{self.url}: the endpoint redirects elsewhere (status {status}); redirects are "
                "not followed. Set `endpoint` to its new address"
            )
        return UserError(
            f"{self.url}: the request was rejected (status {status}). Check `endpoint`, `model` "
            f"('{self.options.model}') and `temperature`"
        )

    def _request(self, messages: Sequence[Message], key: str) -> urllib.request.Request:
        body: dict[str, Any] = {"model": self.options.model, "messages": list(messages)}
        if self.options.temperature is not None:
            body["temperature"] = self.options.temperature
        request = urllib.request.Request(self.url, json.dumps(body).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        if key:
            request.add_unredirected_header("Authorization", f"Bearer {key}")
        return request

    def _key(self) -> str:
        """The API key, "" if none is needed."""
        variable = self.options.key_variable
        if variable is None:
            return ""
        key = os.environ.get(variable, "").strip()
        if not key:
            raise UserError(
                f"llm-descriptions: the environment variable {variable} with the key for "
                f"{self.options.endpoint} is not set. Set it, or `key_variable: null` for an "
                "endpoint that needs no key"
            )
        if not _KEY.fullmatch(key):
            raise UserError(
                f"llm-descriptions: the environment variable {variable} does not contain a valid "
                "key (one line of printable ASCII characters without spaces). Set it again"
            )
        return key


def _text_of(reply: bytes) -> str:
    """The answer in a chat completion. Raises ValueError for anything else."""
    try:
        content = json.loads(reply)
    except (ValueError, RecursionError):
        raise ValueError("its answer is not JSON") from None
    try:
        text = content["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise ValueError("its answer is not a chat completion") from None
    return text if isinstance(text, str) else ""
