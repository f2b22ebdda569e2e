"""Natural language to be memorised: from files of text to sequences of byte-pair tokens."""

from __future__ import annotations

import codecs
import hashlib
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ecmlib.validation import Parameters, shown

Tokens = NDArray[np.int64]
Paths = str | Path | Sequence[str | Path]
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # what text does not contain (ESC it may)
_NO_PATH = "input should be a file, a folder of files, or a list of them"


class TextFile(Parameters):
    """What a record keeps of a file: never what is in it."""

    name: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class TokenizerSettings(Parameters):
    """How text becomes tokens: byte pairs (Sennrich et al. 2016), by Hugging Face's ``tokenizers``.

    Parameters
    ----------
    K : int
        Vocabulary size. The different bytes of the text come first, then the pairs merged most often.
    min_frequency : int
        A pair that occurs less often is not merged.
    model, pre_tokenizer : str
        GPT-2's: no token crosses the border of a word, of a number, or of punctuation. A line is tokenised by itself.
    """

    K: Annotated[int, Field(ge=2)]
    min_frequency: Annotated[int, Field(ge=1)] = 2
    model: Literal["BPE"] = "BPE"
    pre_tokenizer: Literal["ByteLevel"] = "ByteLevel"


class TextSource(Parameters):
    """From which files, and by which tokenizer, sequences were made."""

    files: Annotated[list[TextFile], Field(min_length=1)]
    tokenizer: TokenizerSettings


class Corpus(NamedTuple):
    """The tokens of a text."""

    source: TextSource
    tokens: list[Tokens]  #: of each file, in 0..K-1


def read_corpus(text: Paths, K: int) -> Corpus:
    """Read text and turn it into tokens of a vocabulary of its own.

    Parameters
    ----------
    text : path or sequence of paths
        UTF-8 files, or folders whose files are all read, also those of folders inside, but no hidden ones. A folder's
        files are sorted by name.
    K : int
        Vocabulary size: at least the number of different bytes, and no more than the text has byte pairs for.

    Returns
    -------
    Corpus
        The same on every machine that has the same version of ``tokenizers``.

    Raises
    ------
    FileNotFoundError
        If a path does not exist or a folder has no files.
    ValueError
        If a file is binary, in another encoding, or if all are empty, or if K does not suit the text.
    """
    settings = TokenizerSettings(K=K)
    named = _files(text)
    contents = {name: path.read_bytes() for name, path in named.items()}
    decoded = [_decoded(named[name], content) for name, content in contents.items()]
    if not any(one.strip() for one in decoded):
        raise ValueError(f"text = {str(text)!r}: there is no text in it")
    files = [TextFile(name=name, sha256=hashlib.sha256(content).hexdigest()) for name, content in contents.items()]
    return Corpus(TextSource(files=files, tokenizer=settings), _tokenised(decoded, settings))


def _files(text: Paths) -> dict[str, Path]:
    """Return files by the names that records keep: without the folder they are in, or that was given."""
    files: dict[str, Path] = {}
    paths = [text] if isinstance(text, str | Path) else text
    if not isinstance(paths, Sequence) or not all(
        isinstance(path, str | Path) and "\0" not in str(path) for path in paths
    ):
        raise ValueError(f"text = {shown(text)}: {_NO_PATH}")
    for path in paths:
        found = _files_of(path)
        if twice := sorted(files.keys() & found.keys()):
            raise ValueError(f"text = {str(path)!r}: two files are called {twice[0]}")
        files |= found
    if not files:
        raise ValueError(f"text = {text!r}: {_NO_PATH}")
    return files


def _files_of(text: str | Path) -> dict[str, Path]:
    path = Path(text)
    if path.is_file():
        return {path.name: path}
    if text == "" or not path.is_dir():
        raise FileNotFoundError(f"text = {str(text)!r}: there is no such file or folder; {_NO_PATH}")
    inside = {file.relative_to(path): file for file in sorted(path.rglob("*")) if file.is_file()}
    visible = {name.as_posix(): inside[name] for name in inside if not any(part[0] == "." for part in name.parts)}
    if not visible:
        raise FileNotFoundError(f"text = {str(path)!r}: there is no file in this folder; {_NO_PATH}")
    return visible


def _decoded(path: Path, content: bytes) -> str:
    if control := _CONTROL.search(content):
        raise ValueError(
            f"text = {str(path)!r}: a binary file, or text in another encoding than UTF-8, such as UTF-16 "
            f"(control character 0x{control[0].hex()} at byte {control.start()})"
        )
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start + len(content) - len(error.object)
        raise ValueError(
            f"text = {str(path)!r}: input should be UTF-8 (0x{content[at]:02x} at byte {at} is not); "
            "iconv converts other encodings"
        ) from None


def _tokenised(texts: list[str], settings: TokenizerSettings) -> list[Tokens]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # of no use to who reads records

    lines = [text.splitlines(keepends=True) for text in texts]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=settings.K,
        min_frequency=settings.min_frequency,
        special_tokens=[],
        initial_alphabet=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(itertools.chain.from_iterable(lines), trainer)
    size = tokenizer.get_vocab_size()
    if size > settings.K:
        raise ValueError(f"K = {settings.K}: the text has {size} different bytes, and each is a token")
    if size < settings.K:
        raise ValueError(
            f"K = {settings.K}: the text supports at most {size} tokens, its bytes and the pairs of tokens that occur "
            f"{settings.min_frequency} times or more"
        )
    encoded = [tokenizer.encode_batch_fast(of_one_text) for of_one_text in lines]
    return [np.array([token for line in of_one for token in line.ids], dtype=np.int64) for of_one in encoded]
