"""Settings: sources in their order, files where they are looked for, mistakes in one line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from wfconsole import settings as module
from wfconsole.settings import Settings, SettingsError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose config and data lie in the test's own folder."""
    folder = tmp_path / "home"
    monkeypatch.setattr(module.platformdirs, "user_config_path", lambda *_, **__: folder / "config")
    monkeypatch.setattr(module.platformdirs, "user_data_path", lambda *_, **__: folder / "data")
    (folder / "config").mkdir(parents=True)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "deep" / "down").mkdir(parents=True)
    return folder


def load(cwd: Path, environ: dict[str, str] | None = None, **flags: object) -> Settings:
    return Settings.load(flags, cwd=cwd, environ=environ or {})


def test_constructible_directly() -> None:
    made = Settings(db="sqlite:///x.db", workflows=["a", "b:c"], read_only=True)
    assert made.workflows == ("a", "b:c")
    assert made.database == "sqlite:///x.db"
    assert made.database_file == Path("x.db")


def test_the_default_database_is_a_file_in_a_private_folder(home: Path, project: Path) -> None:
    made = load(project)
    assert made.database == f"sqlite:///{home / 'data' / 'wfconsole.db'}"
    assert (home / "data").stat().st_mode & 0o777 == 0o700


def test_read_only_makes_no_folder(home: Path, project: Path) -> None:
    assert load(project, read_only=True).database_file == home / "data" / "wfconsole.db"
    assert not (home / "data").exists()


def test_each_source_overrides_the_one_before(home: Path, project: Path) -> None:
    (home / "config" / "config.toml").write_text('db = "sqlite:////user.db"\ntheme = "user"\nactor = "user"\n')
    assert load(project).theme == "user"
    (project / "wfconsole.toml").write_text('theme = "project"\nactor = "project"\n')
    found = load(project / "deep" / "down", {"WFCONSOLE_ACTOR": "environment"})
    assert (found.db, found.theme, found.actor) == ("sqlite:////user.db", "project", "environment")
    assert load(project, {"WFCONSOLE_THEME": "environment"}, theme="flag").theme == "flag"


def test_pyproject_counts_where_it_has_our_table(home: Path, project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.wfconsole]\nworkflows = "mine"\n')
    (project / "deep" / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert load(project / "deep" / "down").workflows == ("mine",)
    (project / "deep" / "wfconsole.toml").write_text('workflows = ["nearer"]\n')
    assert load(project / "deep" / "down").workflows == ("nearer",)


def test_a_relative_database_in_a_file_lies_beside_that_file(home: Path, project: Path) -> None:
    (project / "wfconsole.toml").write_text('db = "sqlite:///runs.db"\n[profiles.p]\ndb = "sqlite:///p.db"\n')
    assert load(project / "deep").db == f"sqlite:///{project / 'runs.db'}"
    assert load(project / "deep", profile="p").db == f"sqlite:///{project / 'p.db'}"


def test_the_environment_is_read(home: Path, project: Path) -> None:
    found = load(project, {"WFCONSOLE_WORKFLOWS": "a, b:c,", "WFCONSOLE_READ_ONLY": "yes", "NO_COLOR": "1"})
    assert (found.workflows, found.read_only, found.no_color) == (("a", "b:c"), True, True)
    with pytest.raises(SettingsError, match="WFCONSOLE_ASCII"):
        load(project, {"WFCONSOLE_ASCII": "perhaps"})


PROFILES = """
theme = "calm"
[profiles.prod]
db = "postgresql://db/prod"
read_only = true
colour = "red"
confirm = "typed"
"""


def test_a_profile_counts_where_it_was_chosen(home: Path, project: Path) -> None:
    (home / "config" / "config.toml").write_text(PROFILES)
    chosen = load(project, {"WFCONSOLE_DB": "sqlite:///dev.db"}, profile="prod")
    assert (chosen.db, chosen.read_only, chosen.confirm) == ("postgresql://db/prod", True, "typed")
    assert (chosen.colour, chosen.theme) == ("red", "calm")
    assert load(project, profile="prod", db="sqlite:///x.db").db == "sqlite:///x.db"
    both = {"WFCONSOLE_PROFILE": "prod", "WFCONSOLE_DB": "sqlite:///dev.db"}
    assert load(project, both).db == "sqlite:///dev.db"
    assert load(project, both).read_only


def test_where_blobs_lie_is_said_by_file_profile_and_environment(home: Path, project: Path) -> None:
    assert load(project).blobs.url is None
    profile = '[profiles.prod.blobs]\nurl = "gs://prod"\n'
    (project / "wfconsole.toml").write_text(f'[blobs]\nurl = "s3://dev/runs"\n{profile}')
    assert load(project).blobs.url == "s3://dev/runs"
    assert load(project, profile="prod").blobs.url == "gs://prod"
    assert load(project, {"WFCONSOLE_BLOBS": "az://other"}).blobs.url == "az://other"


def test_an_explicit_file_takes_the_place_of_the_projects(home: Path, project: Path) -> None:
    (project / "wfconsole.toml").write_text('theme = "project"\n')
    (project / "other.toml").write_text('actor = "other"\n')
    found = load(project, config="other.toml")
    assert (found.theme, found.actor) == (None, "other")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("db = ", "not valid TOML"),
        ("red_only = true\n", "did you mean 'read_only'"),
        ('read_only = "perhaps"\n', "read_only"),
        ('profile = "nowhere"\n', "unknown profile 'nowhere'; profiles are: none"),
        ('tz = "Mars/Olympus"\n', "unknown time zone"),
        ("[profiles.x]\nspeed = 3\n", "profiles.x.speed"),
        ('confirm = "never"\n', "confirm"),
        ('[blobs]\nurl = "memory://"\n', "blobs.url: blobs in memory are seen by one process only"),
        ('[blobs]\nbucket = "b"\n', "blobs.bucket"),
    ],
)
def test_a_mistake_in_a_file_is_one_line_that_names_it(home: Path, project: Path, text: str, said: str) -> None:
    (project / "wfconsole.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(project)
    assert said in str(caught.value)
    assert "wfconsole.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_explicit_file_is_said(home: Path, project: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: No such file"):
        load(project, config="none.toml")


def test_zones() -> None:
    winter = datetime(2026, 1, 1, tzinfo=UTC)
    assert winter.astimezone(Settings(tz="Europe/Berlin").zone).hour == 1
    assert Settings(tz="utc").zone.utcoffset(winter) == UTC.utcoffset(winter)
    assert winter.astimezone(Settings().zone) == winter


@pytest.mark.parametrize(
    ("url", "file", "memory"),
    [
        ("sqlite://", None, True),
        ("sqlite:///:memory:", None, True),
        ("sqlite:///a.db", Path("a.db"), False),
        ("sqlite:////a/b.db", Path("/a/b.db"), False),
        ("postgresql://u:p@h/db", None, False),
    ],
)
def test_what_kind_of_database(url: str, file: Path | None, memory: bool) -> None:
    made = Settings(db=url)
    assert (made.database_file, made.in_memory) == (file, memory)
