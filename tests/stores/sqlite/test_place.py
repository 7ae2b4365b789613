"""URLs of SQLite files: which file is meant, and what is said of one that is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quart_idle import ConfigError
from quart_idle.stores.sqlite.place import Place, place_of

INSTANCE = Path("/srv/site/instance")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///sessions.db", "/srv/site/instance/sessions.db"),
        ("sqlite:///data/sessions.db", "/srv/site/instance/data/sessions.db"),
        ("sqlite:///../sessions.db", "/srv/site/sessions.db"),
        ("sqlite:////var/lib/site/sessions.db", "/var/lib/site/sessions.db"),
        ("sqlite:////var/lib/a%20site/50%25%3F%23.db", "/var/lib/a site/50%?#.db"),
        ("sqlite:///sitzungen-f%C3%BCr-ada.db", "/srv/site/instance/sitzungen-für-ada.db"),
    ],
)
def test_a_path_begins_in_the_instance_folder_or_at_the_root(url: str, path: str) -> None:
    assert place_of(url, INSTANCE) == Place(Path(path))


def test_a_name_that_is_no_text_is_the_system_s_name() -> None:
    assert os.fsencode(place_of("sqlite:////data/%FF.db", INSTANCE).path) == b"/data/\xff.db"


@pytest.mark.parametrize(
    ("query", "synced"),
    [("", False), ("?", False), ("?synchronous=normal", False), ("?synchronous=FULL", True)],
)
def test_whether_each_commit_waits_for_the_disk_can_be_chosen(query: str, synced: bool) -> None:
    assert place_of("sqlite:///sessions.db" + query, INSTANCE).synced is synced


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "use memory://"),
        ("sqlite:///", "use memory://"),
        ("sqlite://:memory:", "use memory://"),
        ("sqlite:///:memory:", "use memory://"),
        ("sqlite://sessions.db", "a third slash"),
        ("sqlite://var/lib/sessions.db", "a third slash"),
        ("sqlite://ada:hunter2@host/sessions.db", "a third slash"),
        ("sqlite:///sessions.db#1", "# is %23"),
        ("sqlite:///sessions%00.db", "cannot be read"),
        ("sqlite:////var/lib/site/", "a folder, '/var/lib/site/'"),
        ("sqlite:///sessions.db?mode=memory", "an option 'mode' that is not known"),
        ("sqlite:///sessions.db?synchronous=off", "'off' for synchronous"),
        ("sqlite:///sessions.db?synchronous", "'' for synchronous"),
    ],
)
def test_a_url_that_names_no_file_says_what_is_allowed(url: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place_of(url, INSTANCE)
    text = str(caught.value)
    assert text.startswith("QUART_IDLE_STORE is an sqlite:// URL that ")
    assert why in text
    assert "; allowed" in text
    assert "hunter2" not in text
