"""How a grid file is read: YAML without code, with numbers as Python writes them, and no key twice."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ecmlib.validation import shown

# YAML 1.1 wants a point in a number with an exponent: 1e-3 would be a text.
_NUMBER_WITH_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file whose top is a mapping of names.

    Raises
    ------
    ValueError
        If the file cannot be read, or is anything else; the message names it.
    """
    try:
        content = yaml.load(path.read_bytes().decode("utf-8"), _Loader)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 (byte {error.start})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is no YAML ({_reason(error)})") from None
    if not isinstance(content, dict):
        kind = {list: "a list", type(None): "null"}.get(type(content), shown(content))
        raise ValueError(f"{path}: a grid is a mapping of names to values, not {kind}")
    for key in content:
        if not isinstance(key, str):
            raise ValueError(f"{path}: {shown(key)}: a grid's keys are names")
    return content


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{shown(key.value)} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER_WITH_EXPONENT, list("-+.0123456789"))


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())[:200]
