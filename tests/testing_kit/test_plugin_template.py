"""`opsin plugin new` writes a project that installs, passes its own tests and works in Opsin as it is."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsin.errors import LibraryError, UsageError
from opsin.services.keeping import plugin_template

USE = """
import json, sys
from pathlib import Path
from opsin.host import Host, discover
from opsin.settings import HostSettings, Settings
from opsin.testing import make_frame

off = {name: {"enabled": False} for name in ("starter", "open_clip", "zero_shot", "objects", "colors", "quality")}
settings = Settings(
    host=HostSettings(extra_plugins=("opsin.testing.plugin",)), plugins={**off, "night_sky": {"middle": 0.4}}
)
with Host(settings, cache=Path("cache"), encoder="fake") as host:
    reports = host.submit([make_frame("red", ground="white")]).result(60).reports
    status = next(each for each in host.statuses() if each.name == "night_sky")
found = next(each for each in reports if each.categorizer == "night_sky")
print(json.dumps({
    "status": found.status, "score": found.matches[0].score, "state": status.state, "isolated": status.isolated,
    "distribution": status.distribution, "version": status.version,
}))
"""


def run(command: Sequence[str | Path], folder: Path) -> str:
    done = subprocess.run([str(each) for each in command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projects") / plugin_template.project_name("night_sky")
    plugin_template.write("night_sky", folder)
    return folder


@pytest.fixture(scope="module")
def python(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment of its own, which sees this one's packages and has the plugin installed.

    Without a network nothing can be fetched into it: Opsin with torch, hatchling and pytest are seen in this
    environment, hence no dependencies are installed and hatchling is not fetched to build. What is the plugin's own
    (its wheel, metadata and entry point) is there alone; that its dependencies can be met is then checked by pip.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    found = home / "bin" / "python"
    site = Path(run([found, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], home).strip())
    paths = [path for path in sys.path if path.endswith("site-packages")]
    # `addsitedir`, not bare paths, so that an editable Opsin is found as well
    (site / "this_environment.pth").write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in paths), "utf-8"
    )
    run([found, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", project], home)
    again: list[str | Path] = [
        found,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-build-isolation",
        "--no-index",
        f"{project}[dev]",
    ]
    run(again, home)  # with dependencies: each has to be met by what is here
    return found


def test_the_project_has_everything_that_a_project_needs(project: Path) -> None:
    files = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert files == {
        ".github/workflows/ci.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "src/opsin_night_sky/__init__.py",
        "src/opsin_night_sky/categorizer.py",
        "src/opsin_night_sky/py.typed",
        "tests/test_night_sky.py",
    }
    for path in files:
        text = (project / path).read_text("utf-8")
        assert "$$" not in text
        assert "$name" not in text
    values = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    assert values["project"]["name"] == "opsin-night-sky"
    assert values["project"]["entry-points"]["opsin"] == {"night_sky": "opsin_night_sky"}


def test_readme_and_ci_install_opsin_before_the_plugin_needs_it(project: Path) -> None:
    readme, ci = ((project / name).read_text("utf-8") for name in ("README.md", ".github/workflows/ci.yml"))
    develop = readme[readme.index("## Develop") :]
    assert develop.index("Install Opsin first") < develop.index("pip install -e '.[dev]'")
    assert "--no-build-isolation" in develop
    assert ci.index('pip install "$OPSIN"') < ci.index("pip install -e '.[dev]'")
    assert "OPSIN: ${{ vars.OPSIN || 'opsin' }}" in ci


@pytest.mark.parametrize("name", ["night_sky", "a", "the_longest_name_that_a_plugin_may_have1"])
def test_the_project_is_clean_for_ruff(name: str, tmp_path: Path) -> None:
    plugin_template.write(name, tmp_path)
    run([sys.executable, "-m", "ruff", "check", "--no-cache", "."], tmp_path)
    run([sys.executable, "-m", "ruff", "format", "--no-cache", "--check", "."], tmp_path)


def test_the_installed_plugin_passes_its_own_tests(project: Path, python: Path) -> None:
    output = run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider"], project)
    assert " passed" in output
    assert "skipped" not in output


def test_opsin_uses_the_installed_plugin_as_it_is(python: Path, tmp_path: Path) -> None:
    found = json.loads(run([python, "-c", USE], tmp_path))
    assert found.pop("score") > 0.5
    assert found == {
        "status": "ok",
        "state": "ready",
        "isolated": True,
        "distribution": "opsin-night-sky",
        "version": "0.1.0",
    }


@pytest.mark.parametrize("name", ["", "Night", "night-sky", "1st", "_x", "a__b", "class", "é", "../up", "x" * 41])
def test_a_name_that_cannot_be_a_package_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be a plugin's name"):
        plugin_template.write(name, tmp_path / "project")
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("opsin", "Opsin itself already"),
        ("quality", "a plugin 'quality' already"),
        ("index", "opsin_index, which its package would be called, is installed"),
        ("clip", "opsin_clip, which its package would be called, is installed"),
    ],
)
def test_a_name_that_would_take_the_place_of_something_installed_is_refused(
    name: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=says):
        plugin_template.write(name, tmp_path / "project")
    assert not (tmp_path / "project").exists()


def test_a_project_that_cannot_be_written_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LibraryError, match=r"cannot write a project to .*file/project: Not a directory"):
        plugin_template.write("night_sky", tmp_path / "file" / "project")
    monkeypatch.setitem(plugin_template.FILES, "no such template", "z/last")
    with pytest.raises(LibraryError):
        plugin_template.write("night_sky", tmp_path / "project")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / "project").mkdir()
    with pytest.raises(LibraryError):
        plugin_template.write("night_sky", tmp_path / "project")
    monkeypatch.undo()
    assert plugin_template.write("night_sky", tmp_path / "project")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        plugin_template.write("night_sky", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
