"""What cannot be set is refused with the file and the key, whatever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsin.errors import SettingError
from opsin.settings import load_settings


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("tags", ["threshold"]),
        ("tags.labels", ["dog"]),
        ("urls", ["timeout", "max_redirects"]),
        ("decode", ["max_bytes", "max_pixels", "max_frames", "max_memory", "max_scans", "timeout", "workers"]),
        ("host", ["batch", "queue", "deadline", "load_deadline", "backoff", "longest_backoff", "threads"]),
    ],
)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "1e300", "9999999999999999999999", "'much'", "[]"])
def test_a_number_that_makes_no_sense_is_refused_with_its_file_and_key(
    tmp_path: Path, table: str, keys: list[str], value: str
) -> None:
    path = tmp_path / "opsin.toml"
    for key in keys:
        path.write_text(f"[{table}]\n{key} = {value}\n", "utf-8")
        with pytest.raises(SettingError, match=r"opsin\.toml, line [12]: ") as caught:
            load_settings(path)
        assert table in str(caught.value)


@pytest.mark.parametrize(
    "text", ["tags = 5", "host = 5", "[plugins]\nstarter = 5", "[tags]\nthresold = 0.5", "[tags", "a = \x00"]
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "opsin.toml").write_text(text, "utf-8")
    for runtime in ("", "torch"):
        monkeypatch.setenv("OPSIN_RUNTIME", runtime)
        with pytest.raises(SettingError, match=r"opsin\.toml"):
            load_settings(tmp_path / "opsin.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[decode]\n# how much\nmax_pixel = 3\n", "line 3: decode.max_pixel: there is no such key"),
        ("[host]\nbatch = 'x' # [tags]\n", "line 2: host.batch: has to be a whole number, not a text"),
        ("tags.threshold = 'x'\n", "line 1: tags.threshold: has to be a number, not a text"),
        ("\ufefftags.threshold = 'x'\n", "line 1: tags.threshold: has to be a number, not a text"),
        ("[tags]\n[host]\nbackoff = 900.5\n", "line 2: host: longest_backoff (900) is shorter than backoff (900.5)"),
        ("[tags]\n[tags.labels]\ncat = 1\ndog = 'x'\n", "line 4: tags.labels.dog: has to be a number, not a text"),
        ("[tags.labels]\n'night club' = 2\n", "line 2: tags.labels.night club: has to be a number <= 1.0"),
        ("[tags]\nlabels = {cat = 0.1, dog = -1}\n", "line 2: tags.labels.dog: has to be a number >= 0.0"),
        ("[tags]\nlabels = 3\n", "line 2: tags.labels: has to be a table, not a whole number"),
        ("hots = 1\n", "line 1: hots: there is no such key"),
        ("source = 'x'\n", "line 1: source: there is no such key"),
        ("[tags]\nthreshold = 0.5\nthreshold = 0.6\n", "line 3: this is not valid TOML"),
        ("[tags]\nthreshold = 0.5\n[tags\n", "line 3: this is not valid TOML"),
        ("[tags]\nthreshold = [\n1,\n", "line 3: this is not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "opsin.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingError) as caught:
        load_settings(path)
    assert f"{path}, {says}" in str(caught.value)


def test_a_file_that_is_not_text_or_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "opsin.toml").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "opsin.toml", tmp_path):
        with pytest.raises(SettingError, match=str(path)):
            load_settings(path)


def test_the_environment_wins_and_is_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "opsin.toml").write_text('[host]\nruntime = "openvino"\n', "utf-8")
    monkeypatch.setenv("OPSIN_RUNTIME", "torch")
    assert load_settings(tmp_path / "opsin.toml").host.runtime == "torch"
    monkeypatch.setenv("OPSIN_RUNTIME", "abacus")
    with pytest.raises(SettingError, match="OPSIN_RUNTIME"):
        load_settings(tmp_path / "opsin.toml")
