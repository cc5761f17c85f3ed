"""A folder that stands is known by what it was made of and by all its files."""

from __future__ import annotations

from pathlib import Path

from cxlab.runs import stamp


def made(tmp_path: Path) -> tuple[Path, Path]:
    source, folder = tmp_path / "source.txt", tmp_path / "made"
    source.write_text("a")
    folder.mkdir()
    (folder / "page.html").write_text("page")
    stamp.put(folder, stamp.made_of([source], "client"))
    return source, folder


def test_a_folder_stands_until_its_sources_words_or_files_change(tmp_path):
    source, folder = made(tmp_path)
    assert stamp.stands(folder, stamp.made_of([source], "client"))
    assert not stamp.stands(folder, stamp.made_of([source], "another client"))
    (folder / "page.html").write_text("longer page")
    assert not stamp.stands(folder, stamp.made_of([source], "client"))
    (folder / "page.html").unlink()
    assert not stamp.stands(folder, stamp.made_of([source], "client"))


def test_a_changed_source_is_seen(tmp_path):
    source, folder = made(tmp_path)
    source.write_text("ab")
    assert not stamp.stands(folder, stamp.made_of([source], "client"))


def test_a_folder_without_a_stamp_or_with_a_broken_one_does_not_stand(tmp_path):
    source, folder = made(tmp_path)
    (folder / ".made.json").write_text("{")
    assert not stamp.stands(folder, stamp.made_of([source], "client"))
    assert not stamp.stands(tmp_path / "absent", stamp.made_of([source], "client"))
