"""A store whose artefacts other machines share: a folder of this machine, and an fsspec path behind it.

What is not here is fetched; what is made here is sent. An artefact travels as one file, KIND/KEY.tar, which appears in
one step: object stores put a file whole, and on file systems it is renamed when it is complete.
"""

from __future__ import annotations

import shutil
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .durable import force_all
from .recipe import Recipe
from .store import Store


class RemoteStore(Store):
    """Artefacts below ``root``, shared through ``url``.

    Args:
        root: folder of this machine; made when needed.
        url: anything that fsspec opens: ``s3://bucket/faceleak``, ``file:///mnt/shared/store``.

    Raises:
        InputError: fsspec is not there, or knows no such path.
    """

    def __init__(self, root: Path, url: str) -> None:
        super().__init__(root)
        self._files, self._base = _opened(url)

    def make(self, recipe: Recipe, build: Callable[[Path], None]) -> Path:
        def fetched_or_built(folder: Path) -> None:
            if self._fetch(recipe, folder):
                return
            build(folder)
            if self._files.exists(self._place(recipe)):  # another machine was faster: all go on with the same one
                for made in folder.iterdir():
                    shutil.rmtree(made) if made.is_dir() else made.unlink()
                self._fetch(recipe, folder)

        final = super().make(recipe, fetched_or_built)
        if not self._files.exists(self._place(recipe)):
            self._send(recipe, final)
        return final

    def has(self, recipe: Recipe) -> bool:
        return super().has(recipe) or bool(self._files.exists(self._place(recipe)))

    def _place(self, recipe: Recipe) -> str:
        return f"{self._base}/{recipe.kind}/{recipe.key}.tar"

    def _fetch(self, recipe: Recipe, folder: Path) -> bool:
        """Whether it was there; its files are in ``folder`` then."""
        if not self._files.exists(self._place(recipe)):
            return False
        with self._files.open(self._place(recipe), "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            archive.extractall(folder, filter="data")
        for name in ("seal.json", "spec.json"):  # written anew, of what has arrived
            (folder / name).unlink(missing_ok=True)
        return True

    def _send(self, recipe: Recipe, final: Path) -> None:
        place = self._place(recipe)
        half = self.root / f".{recipe.key}.{uuid.uuid4().hex[:8]}.tar"
        beside = f"{place}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            with tarfile.open(half, "w") as archive:
                archive.add(final, arcname=".")
            self._files.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
            self._files.put_file(str(half), beside)
            self._files.mv(beside, place)
        finally:
            half.unlink(missing_ok=True)


def _opened(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise InputError(f"--artefacts {url}: install the extra that reads it: pip install 'faceleak[ray]'.") from None
    try:
        files, base = fsspec.core.url_to_fs(url)
        files.makedirs(base, exist_ok=True)
    except (ImportError, ValueError) as error:
        raise InputError(f"--artefacts {url}: {error}; give a path that fsspec opens (s3://bucket/x).") from error
    return files, str(base).rstrip("/")


def bring(folder: Path, files: dict[str, bytes], last: str) -> None:
    """Write a folder's files, one of which says that all are there.

    Args:
        folder: emptied first.
        files: content by name, without folders.
        last: written when all others are safely on disk.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        if name != last:
            (folder / Path(name).name).write_bytes(content)
    force_all(folder)
    half = folder / f".{last}.tmp"
    half.write_bytes(files[last])
    half.replace(folder / last)
    force_all(folder)
