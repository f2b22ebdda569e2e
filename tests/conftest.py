"""What several tests share: the smallest architecture that learns, and a protocol that takes a second."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
import torch

from ecmlib import Architecture, CapacityRecord, MlsRecord, ShatterRecord
from ecmlib.budget_record import BudgetRecord
from ecmlib.noise_scale_record import NoiseScaleRecord
from ecmlib.record import Record
from ecmlib.text_record import TextRecord

KINDS: dict[str, type[Record]] = {
    "mac": CapacityRecord,
    "mls": MlsRecord,
    "shatter": ShatterRecord,
    "noise-scale": NoiseScaleRecord,
    "budget": BudgetRecord,
    "text": TextRecord,
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def tiny() -> Architecture:
    return Architecture(d=8, H=1, N=4, K=8, head_dim=4)


@pytest.fixture
def quick() -> dict[str, Any]:
    return {
        "T": 64,
        "restarts": 2,
        "min_steps": 20,
        "max_steps": 60,
        "eval_every": 10,
        "compiled": False,
        "progress": False,
    }


def curves(record: CapacityRecord) -> list[dict[str, Any]]:
    """Return what two measurements of one configuration have in common: all but times and places."""
    return [restart.model_dump(exclude={"provenance"}) for restart in record.restarts]


def spoiled(stored: dict[str, Any], where: str, value: object) -> dict[str, Any]:
    """Return a copy with another value at a place such as ``restarts.0.bits.1``; ``...`` deletes what is there."""
    copy = json.loads(json.dumps(stored))
    *parents, last = [int(name) if name.lstrip("-").isdigit() else name for name in where.split(".")]
    holder = copy
    for name in parents:
        holder = holder[name]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return copy


def prose(sentences: int) -> str:
    """Write sentences that are partly predictable, as language is; the same on every machine."""
    random = Random(0).random  # of which alone Python promises that it stays the same

    def one_of(choices: Sequence[str]) -> str:
        return choices[int(len(choices) * random() ** 3)]  # the first are frequent

    words = {
        kind: ["".join(one_of(letters) for _ in range(2 + int(5 * random()))) for _ in range(60)]
        for kind, letters in {"noun": "onmbdgelatrs", "verb": "aeikprtuw", "adjective": "ycefhilos"}.items()
    }
    sentence = ("the", "adjective", "noun", "verb", "the", "noun", "and", "verb", "adjective", "noun")
    return "".join(
        " ".join(one_of(words[kind]) if kind in words else kind for kind in sentence) + ".\n" for _ in range(sentences)
    )
