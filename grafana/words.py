"""What people read, in both languages side by side, so that neither is forgotten."""

from typing import Literal, NamedTuple, Protocol

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


class Words(NamedTuple):
    en: str
    zh: str

    def of(self, language: Language) -> str:
        return self.en if language == "en" else self.zh


class Named(Protocol):
    """A stream, a kind or a metric."""

    @property
    def en(self) -> str: ...

    @property
    def zh(self) -> str: ...


def name_of(named: Named, language: Language) -> str:
    return named.en if language == "en" else named.zh
