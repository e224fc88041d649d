"""The store of finished results: recipe -> key -> folder; a folder is whole or absent.

A `Recipe` names a maker, its settings and its inputs by their recipes. Its key is the hash of all that and of
the code behind the maker, so the same question always has the same place:

    <root>/cells/<id>/@<key>/     a finished result, with its receipt.json
    <root>/work/<key>/            work in progress that survives a kill (checkpoints, finished chunks)
    <root>/parts/                 folders being written; they get their final name last

One writer a key: by a lock that the system frees when the process dies, by a lease in a shared store.
"""

import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from meddef_lib import paths
from meddef_lib.engine import leases, sealed
from meddef_lib.engine.files import StoreError, file_hash, name_on_disk, put_on_disk
from meddef_lib.engine.limits import within_limits
from meddef_lib.engine.receipts import RECEIPT, Results, differences, environment
from meddef_lib.engine.recipe import Progress, Recipe, Workspace, silent

WORK_ID = ".id"  # in a work folder, which is called by a key: the id, for a person
KEY_DIGITS = 16  # of the folder's name; the receipt has the whole key


@dataclass(frozen=True)
class State:
    """What the store holds for a recipe: "there", "damaged", "missing" or "stale" (made by another one)."""

    id: str
    state: str
    # of a stale one the parts that differ from its newest receipt, of a damaged one what is wrong with it
    changed: tuple[str, ...] = ()


class Store(Results):
    """Finished results under `root`. Safe with several processes at once."""

    def __init__(self, root: Path | None = None, *, context: Mapping[str, Any] | None = None) -> None:
        super().__init__((root or paths.store_root()).resolve())
        self.locks = leases.locks_of(self.root)
        # JSON values that every receipt of a result made here repeats. Ids name no profile: where a "profile"
        # is among them, a result of another one is no earlier result of this one's cell
        self.context = dict(context or {})

    def share(self) -> None:
        """Let other machines use this store, too, from now on. Raises StoreError while somebody writes."""
        leases.share(self.root)
        self.locks = leases.locks_of(self.root)

    def folder(self, recipe: Recipe) -> Path:
        """Where the result of `recipe` lies, or will lie."""
        return self._cell(recipe.id) / f"@{recipe.key[:KEY_DIGITS]}"

    def has(self, recipe: Recipe) -> bool:
        """Whether the result is there, every file of it as it was written."""
        folder = self.folder(recipe)
        return folder.is_dir() and not self.damage(folder)

    def receipt(self, recipe: Recipe) -> dict[str, Any]:
        """The receipt of a finished result. Raises StoreError where there is none."""
        folder = self.folder(recipe)
        receipt = self.receipt_in(folder)
        if receipt is None:
            raise StoreError(f"{recipe.id} has not been made yet (looked for {folder / RECEIPT})")
        return receipt

    def get(
        self,
        recipe: Recipe,
        *,
        device: str = "cpu",
        processes: int = 1,
        progress: Progress = silent,
        say: Callable[[str], None] = print,
    ) -> Path:
        """The folder of the finished result, made first if it is missing or damaged, its inputs too.

        Whatever the maker raises travels on; what it left in its work folder stays for the next call.
        """
        final = self.folder(recipe)
        if self.has(recipe):
            return final
        options = {"device": device, "processes": processes, "progress": progress, "say": say}
        inputs = {name: self.get(inner, **options) for name, inner in recipe.inputs.items()}  # type: ignore[arg-type]
        with (
            within_limits(f"under {self.root} while making {recipe.id}"),
            self.locks.writing(recipe.key, recipe.id, say),
        ):
            self._remove_surplus(final)
            if self.has(recipe):  # another process was quicker
                return final
            self._sweep(recipe.key)
            part = self._part(recipe)
            work = self._work(recipe)
            work.mkdir(parents=True, exist_ok=True)
            (work / WORK_ID).write_text(recipe.id, encoding="utf-8")
            started = time.time()
            try:
                space = Workspace(
                    recipe.settings, inputs, part, work, device, processes, recipe.speed, progress
                )
                resolve_name(recipe.maker)(space)
                self._finish(recipe, space, started)
                shutil.rmtree(work)
            except Exception:
                if not (leases.told(self.root) and self.has(recipe)):
                    raise
                # another machine took this one for dead, was quicker, and tidied up beneath it
            finally:
                shutil.rmtree(part, ignore_errors=True)  # gone already where the result was published
                _drop_unbegun(work)
        return final

    def state(self, recipe: Recipe) -> State:
        """Whether the result is there, damaged, stale or missing, and how it differs from what is wanted."""
        if (folder := self.folder(recipe)).is_dir():
            damage = self.damage(folder)
            return State(recipe.id, "damaged" if damage else "there", damage)
        newest = self._newest(recipe.id)
        if newest is None:
            return State(recipe.id, "missing")
        return State(recipe.id, "stale", tuple(differences(newest["recipe"], recipe.parts())))

    def accept(self, recipe: Recipe, reason: str) -> Path:
        """Adopt the newest result of this id as that of `recipe`, knowingly; the receipt says so.

        Raises StoreError where there is nothing to adopt.
        """
        if self.has(recipe):
            return self.folder(recipe)
        newest = self._newest(recipe.id)
        if newest is None:
            of = f" of the profile {self.context['profile']}" if "profile" in self.context else ""
            raise StoreError(f"{recipe.id} has no earlier result{of} that could be accepted; run it instead")
        with self.locks.writing(recipe.key, recipe.id, print):
            old = self._cell(recipe.id) / f"@{newest['key'][:KEY_DIGITS]}"
            part = self._part(recipe)
            shutil.copytree(old, part, dirs_exist_ok=True)
            accepted = {"from_key": newest["key"], "reason": reason, "at": datetime.now(UTC).isoformat()}
            changed = list(differences(newest["recipe"], recipe.parts()))
            receipt = newest | {"key": recipe.key, "recipe": recipe.parts()}
            sealed.write(part / RECEIPT, receipt | {"accepted": accepted | {"changed": changed}})
            self._publish(recipe, part)
        return self.folder(recipe)

    def remove(self, recipe: Recipe) -> None:
        """Remove a result and what was begun of one; killed in between, each is there or gone as a whole."""
        with self.locks.writing(recipe.key, recipe.id, print):
            for folder in (self._work(recipe), self.folder(recipe)):
                if folder.exists():
                    part = self._part(recipe)
                    folder.replace(part)
                    shutil.rmtree(part)

    def remove_damaged(self, recipe: Recipe) -> None:
        """Remove what does not belong to a result, and all of it where it is damaged still."""
        folder = self.folder(recipe)
        with self.locks.writing(recipe.key, recipe.id, print):
            self._remove_surplus(folder)
        if folder.is_dir() and self.damage(folder, in_full=True):
            self.remove(recipe)

    def receipts(self) -> dict[Path, dict[str, Any]]:
        found = {folder: self.receipt_in(folder) for folder in self.folders()}
        return {folder: receipt for folder, receipt in found.items() if receipt is not None}

    def folders(self) -> list[Path]:
        return sorted(path for path in self._folders.rglob("@*") if path.is_dir())

    def _cell(self, recipe_id: str) -> Path:
        folder = self._folders / recipe_id
        if not folder.resolve().is_relative_to(self.root) or ".." in Path(recipe_id).parts:
            raise StoreError(f"{recipe_id!r} is no id of a step: it would lie outside {self.root}")
        return folder

    def _newest(self, recipe_id: str) -> dict[str, Any] | None:
        """The receipt of the newest whole result of an id; not of another profile, where both name theirs."""
        receipts = {folder: self.receipt_in(folder) for folder in self._cell(recipe_id).glob("@*")}
        profile = self.context.get("profile")
        mine = [
            (receipt["finished"], receipt)
            for folder, receipt in receipts.items()
            if receipt is not None
            and (profile is None or receipt["context"].get("profile", profile) == profile)
            and not self.damage(folder)
        ]
        return max(mine, key=lambda found: found[0], default=(None, None))[1]

    def _remove_surplus(self, folder: Path) -> None:
        for file in self.surplus(folder):
            file.unlink(missing_ok=True)

    def _work(self, recipe: Recipe) -> Path:
        return self.root / "work" / recipe.key

    def _part(self, recipe: Recipe) -> Path:
        part = self.root / "parts" / f"{recipe.key}.{uuid.uuid4().hex}"
        part.mkdir(parents=True)
        return part

    def sweep(self) -> None:
        """Remove what killed writers left that nobody goes on with; whoever is at work is left alone."""
        parts, works = self.root / "parts", self.root / "work"
        for key in self.locks.keys() | {part.name.partition(".")[0] for part in parts.glob("*")}:
            with suppress(PermissionError), self.locks.if_free(key) as free:  # it may be another user's
                if free:
                    self._sweep(key)
                    _drop_unbegun(works / key)

    def _sweep(self, key: str) -> None:
        """Remove what killed writers of this key left half written; the caller holds the lock."""
        for left in (self.root / "parts").glob(f"{key}.*"):
            shutil.rmtree(left)

    def _finish(self, recipe: Recipe, space: Workspace, started: float) -> None:
        part, finished = space.folder, time.time()
        receipt = {
            "id": recipe.id,
            "key": recipe.key,
            "recipe": recipe.parts(),
            "started": datetime.fromtimestamp(started, UTC).isoformat(),
            "finished": datetime.fromtimestamp(finished, UTC).isoformat(),
            "seconds": round(finished - started, 3),
            "device": space.device,
            "ran": space.ran,
            "speed": dict(recipe.speed),
            "environment": environment(),
            "context": self.context,
            "files": {
                str(path.relative_to(part)): file_hash(path)
                for path in sorted(part.rglob("*"))
                if path.is_file()
            },
        }
        sealed.write(part / RECEIPT, receipt)
        self._publish(recipe, part)

    def _publish(self, recipe: Recipe, part: Path) -> None:
        final = self.folder(recipe)
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists():
            if not self.damage(final):  # another machine was quicker
                return
            shutil.rmtree(final)
        _open_to_others(part)
        put_on_disk(part)  # else a power cut may keep the name and lose what it names
        name_on_disk(part, final, below=self.root)


def _drop_unbegun(work: Path) -> None:
    """Remove a work folder that holds nothing to go on with."""
    if [path.name for path in work.glob("*")] == [WORK_ID]:
        shutil.rmtree(work, ignore_errors=True)


def _open_to_others(part: Path) -> None:
    """Give all in a folder the modes that the umask gives: some libraries write files for their owner alone.

    The receipt and the folder itself were made here, as the umask says.
    """
    of_file, of_folder = ((part / name).stat().st_mode & 0o777 for name in (RECEIPT, "."))
    for path in part.rglob("*"):
        path.chmod(of_folder if path.is_dir() else of_file)
