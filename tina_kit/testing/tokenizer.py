"""Conformance of tokenizers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

import torch

from tina_kit.api import Layout, Parameter, Token, Tokenizer, TokenMap
from tina_kit.testing import expect
from tina_kit.testing.base import ComponentSuite
from tina_kit.testing.world import SmallNetwork

LAYOUTS: dict[str, Layout] = {
    "a network of four classes": SmallNetwork().layout(4),
    "a network of seven classes": SmallNetwork().layout(7),
    "classes on the second axis": Layout(
        (
            Parameter("norm", (5,), layer="norm"),
            Parameter("fc.weight", (5, 3), layer="fc", class_axis=1),
        )
    ),
    "no classes": Layout((Parameter("conv", (4, 3, 3, 3), layer="conv"),)),
}
"""What vectors are cut in."""


class TokenizerSuite(ComponentSuite):
    """Checks of a tokenizer.

    layouts: by name, what it must cut.
    """

    kind = "tokenizer"
    contract: ClassVar[type] = Tokenizer
    layouts: dict[str, Layout] = LAYOUTS

    @property
    def cut(self) -> Iterator[tuple[str, Layout, tuple[Token, ...]]]:
        for name, layout in self.layouts.items():
            yield name, layout, self.kept(name, lambda at=layout: self.shared.tokens(at))  # type: ignore[misc]

    def test_tokens_are_a_tuple_of_tokens(self) -> None:
        for name, _, tokens in self.cut:
            assert isinstance(tokens, tuple) and all(isinstance(t, Token) for t in tokens), (
                f"{name}: tokens gives a {type(tokens).__name__}; it must be a tuple of Token"
            )
            assert all(token.entries for token in tokens), (
                f"{name}: a token is empty; each must hold an entry at least"
            )

    def test_every_entry_lies_in_exactly_one_token(self) -> None:
        for name, layout, tokens in self.cut:
            counts = Counter(entry for token in tokens for entry in token.entries)
            lacking = [entry for entry in range(layout.size) if not counts[entry]]
            twice = [entry for entry, count in counts.items() if count > 1]
            beyond = [entry for entry in counts if not 0 <= entry < layout.size]
            assert not (lacking or twice or beyond), (
                f"{name}: entries {lacking[:3]} are in no token, {twice[:3]} in two and "
                f"{beyond[:3]} outside the vector; every entry must lie in exactly one token"
            )

    def test_vectors_come_back_from_tokens(self) -> None:
        random = torch.Generator().manual_seed(0)
        for name, layout, tokens in self.cut:
            vectors = torch.randn(3, layout.size, generator=random)
            try:
                cut = TokenMap(layout, tokens)
                again = cut.decode(cut.encode(vectors))
            except (ValueError, IndexError, RuntimeError) as error:
                raise AssertionError(
                    f"{name}: the tokens are not invertible ({error}); a parameter vector must "
                    "come back from its tokens"
                ) from error
            expect.equal(
                f"{name}: another vector comes back from the tokens; it must be the same",
                vectors,
                again,
            )

    def test_tokens_of_a_group_have_one_size(self) -> None:
        for name, _, tokens in self.cut:
            for group, members in grouped(tokens).items():
                sizes = {len(token.entries) for token in members}
                assert len(sizes) == 1, (
                    f"{name}: tokens of the group {group!r} have the sizes {sorted(sizes)}; they "
                    "share encoder and decoder, so they need one size"
                )

    def test_tokens_of_a_group_can_be_told_apart(self) -> None:
        for name, _, tokens in self.cut:
            for group, members in grouped(tokens).items():
                classes = [token.class_index for token in members]
                alone = len(members) == 1
                assert alone or (None not in classes and len(set(classes)) == len(classes)), (
                    f"{name}: tokens of the group {group!r} belong to the classes {classes}; "
                    "tokens of a group have no position, so each needs a class of its own"
                )

    def test_a_class_token_holds_entries_of_its_class(self) -> None:
        for name, layout, tokens in self.cut:
            owner = layout.class_of_entries()
            for token in tokens:
                index = token.class_index
                if index is None:
                    continue
                entries = [entry for entry in token.entries if 0 <= entry < layout.size]
                owners = owner[entries].unique().tolist()
                assert owners == [index], (
                    f"{name}: a token of class {index} holds entries of {owners} (-1: shared); "
                    "a token joined with a class's condition holds that class's entries alone"
                )

    def test_layers_and_groups_have_names(self) -> None:
        for name, _, tokens in self.cut:
            for token in tokens:
                assert all(isinstance(x, str) and x for x in (token.layer, token.group)), (
                    f"{name}: a token has the layer {token.layer!r} and the group {token.group!r}; "
                    "both must be names"
                )

    def test_cutting_again_gives_the_same(self) -> None:
        for name, layout, tokens in self.cut:
            with expect.global_seed(1):
                again = self.component().tokens(layout)
            assert again == tokens, (
                f"{name}: an equal tokenizer cuts it otherwise; a trained network must find its "
                "tokens again, whatever was drawn before"
            )

    def test_cutting_leaves_global_randomness_alone(self) -> None:
        component = self.component()
        with expect.undisturbed("tokens"):
            for layout in self.layouts.values():
                component.tokens(layout)


def grouped(tokens: tuple[Token, ...]) -> dict[str, list[Token]]:
    groups: dict[str, list[Token]] = {}
    for token in tokens:
        groups.setdefault(token.group, []).append(token)
    return groups
