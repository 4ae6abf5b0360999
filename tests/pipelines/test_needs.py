from __future__ import annotations

import pytest

from manifests.sources import Listing, SourceFile
from pipelines.config import ConfigError, load_config
from pipelines.needs import check_labels


@pytest.mark.parametrize(
    ("label", "value"), [("words", '[["bin", 0.1, 0.2]]'), ("transcript", "a.txt"), ("text", "bin blue")]
)
def test_text_may_come_in_several_ways(label: str, value: str) -> None:
    config = load_config(preset="dualhyp")
    check_labels(Listing((SourceFile("a.mp4", 1, "x", {label: value}), SourceFile("b.mp4", 1, "x"))), config)
    with pytest.raises(ConfigError, match="`text`"):
        check_labels(Listing((SourceFile("b.mp4", 1, "x"),)), config)


def test_labels_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="no label mood"):
        load_config(preset="avlm", overrides=["need_labels=[mood]"])
