"""Prompts are files: a name, a version, and texts with `$places` (docs/rewriting.md lists the places).

`string.Template` and no more: what a speaker says is filled in once and never read as a template again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from manifests.ids import digest

PACKAGED = Path(__file__).parent / "prompts"


class PromptError(ValueError):
    """A prompt file that cannot be used; the message names the file and what is wrong."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: int = Field(ge=1)
    source: str = Field(description="where the recipe comes from")
    system: str
    user: str
    retry: str = ""

    @field_validator("system", "user", "retry")
    @classmethod
    def _template(cls, text: str) -> str:
        if not Template(text).is_valid():
            raise ValueError("holds a $ that begins no place; write $$ for a dollar sign")
        return text


@dataclass(frozen=True)
class Prompt:
    """A prompt of one version. `sha` covers all its words, so a changed file is another prompt."""

    name: str
    version: int
    sha: str
    system: str
    user: str
    retry: str

    def messages(self, places: Mapping[str, str]) -> list[tuple[str, str]]:
        """(role, content) pairs with the places filled. Raises PromptError for a place nobody fills."""
        return [("system", self._fill(self.system, places)), ("user", self._fill(self.user, places))]

    def again(self, problems: str) -> str:
        """What is said to the model after an answer that failed."""
        return self._fill(self.retry, {"problems": problems})

    @property
    def own_words(self) -> str:
        """The prompt without its places: what an answer must not copy."""
        return "\n".join((self.system, self.user))

    def _fill(self, text: str, places: Mapping[str, str]) -> str:
        try:
            return Template(text).substitute(places).strip()
        except KeyError as error:
            known = ", ".join(sorted(places))
            raise PromptError(f"prompt {self.name}: no place {error.args[0]!r}; there are {known}") from None


def load_prompt(name: str, folder: Path | None = None) -> Prompt:
    """The prompt `name` from the user's folder, else the packaged one. Raises PromptError."""
    own = folder / f"{name}.yaml" if folder else None
    path = own if own is not None and own.is_file() else PACKAGED / f"{name}.yaml"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        file = _File.model_validate(data)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PromptError(f"{path}: {error}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise PromptError(f"{path}: {'; '.join(lines)}") from None
    if file.name != name:
        raise PromptError(f"{path}: its name is {file.name!r}, not {name!r}")
    sha = digest("prompt", file.model_dump(exclude={"source"}))
    return Prompt(name, file.version, sha, file.system, file.user, file.retry)
