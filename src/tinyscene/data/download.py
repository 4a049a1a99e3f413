"""Known data sets fetched and unpacked: in parallel, checked, resumable; a second run does nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from threading import Event, Lock

from ..errors import DataError, OutputError, SettingError, TinysceneError, within
from ..files import make_folder, write_whole
from .fetch import Stopped, fetch
from .packages import KnownSet, Package, find_set, from_record, parts_of, zenodo_url
from .unpack import Damaged, unpack

RECORDS_URL = "https://zenodo.org/api/records/"
MARKERS = ".unpacked"  # in a set's folder: a file for each package that is there whole


def get(
    name: str,
    to: str | os.PathLike[str],
    only: Iterable[str] | None = None,
    workers: int = 4,
    progress: Callable[[int, int], None] | None = None,
    base_url: str | None = None,
    keep_archives: bool = False,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Fetches a known set into `to` and unpacks it there.

    An archive lies in `to` as NAME.part until it is whole and its MD5 agrees, then as NAME until it is unpacked; one
    that was put there by hand is used and stays, or is renamed NAME.wrong if it is another file. What is there already
    is not fetched again, and files of a package that have gone or are shorter since bring that package back.

    Args:
        name: see `packages.known_sets`.
        only: kinds of packages, of "doc", "meta", "audio"; None for all.
        workers: packages fetched and unpacked at the same time, 1 to 16.
        progress: called with (bytes that came, bytes to come), never from two threads at once.
        base_url: a mirror: the packages are taken from there under their own names.
        say: called with a line for each package that is done.

    Returns:
        The set's own folder.

    Raises:
        SettingError: no such set or part, or a mirror that is no URL.
        DataError: the set has no known record; a package cannot be fetched, is wrong or damaged.
        OutputError: no room on the disk, or no right to write. What came is kept in all these cases; another call goes
            on from it where the server can, see `fetch`.
    """
    within("get's workers", workers, 1, 16)
    only = None if only is None else parts_of(only)
    if base_url is not None and not re.match(r"https?://[^\s/]+[^\s]*$", base_url):
        raise SettingError(f"--mirror takes the URL of a folder, http://... or https://...; '{base_url}' came.")
    known = find_set(name)
    if not known.can_be_fetched:
        raise DataError(f"{known.name} ({known.title}) cannot be fetched: {known.note}.")
    known = (known if known.packages else _ask_record(known)).only(only)
    job = _Job(known, Path(to), base_url, keep_archives, say or (lambda line: None), progress)
    todo = [package for package, missing in missing_files_of(known, job.to).items() if missing is not None]
    if not todo:
        return job.folder
    make_folder(job.folder, "Name another folder with --to.")
    job.check_room(todo, workers)
    job.run(todo, workers)
    return job.folder


def marker_of(known: KnownSet, to: Path, file: str) -> Path:
    """The file that says that a package is unpacked, and into what."""
    return to / known.folder / MARKERS / f"{file}.json"


def missing_files_of(known: KnownSet, to: Path) -> dict[Package, list[str] | None]:
    """For each package None if it is there whole, else its files that are gone or of another size ([]: all)."""
    written = {package: read_marker(marker_of(known, to, package.file)) for package in known.packages}
    found: dict[Package, list[str] | None] = {}
    for package, files in written.items():
        if files is None:
            found[package] = []
            continue
        gone = []
        for file, size in files.items():
            try:
                there = os.stat(to / known.folder / file).st_size
            except OSError:
                there = -1
            # two packages may bring a file of one name, such as a README: the later one stays
            if there != size and not any(other and other.get(file) == there for other in written.values()):
                gone.append(file)
        found[package] = gone or None
    return found


def read_marker(path: Path) -> dict[str, int] | None:
    """The files of an unpacked package and their sizes; None without a marker that can be read."""
    try:
        return {str(file): int(size) for file, size in json.loads(path.read_text(encoding="utf-8"))["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def what_is_wrong(path: Path, package: Package) -> str | None:
    """How a file differs from what is published of it; None if it does not, or nothing is published."""
    if not path.is_file():
        return "it is a folder"
    size = path.stat().st_size
    if package.bytes is not None and size != package.bytes:
        return f"{size:,} bytes came, the record says {package.bytes:,}"
    if package.md5 is not None:
        import pooch

        digest = pooch.file_hash(str(path), alg="md5")
        if digest != package.md5:
            return f"its MD5 is {digest}, the record says {package.md5}"
    if package.lines is not None:
        lines = sum(bool(line.strip()) for line in path.read_bytes().splitlines())
        if lines != package.lines:
            return f"it has {lines:,} lines, {package.lines:,} are known"
    return None


def _ask_record(known: KnownSet) -> KnownSet:
    """`known` with the packages that Zenodo lists in its record."""
    record = str(known.record)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "record.json"
        fetch(RECORDS_URL + record, answer, None, checked=False, stop=Event())
        try:
            listing = json.loads(answer.read_bytes())
        except ValueError:
            listing = {}
    return from_record(known, listing, zenodo_url(record))


class _Job:
    """One call of `get`: what its threads share."""

    def __init__(
        self,
        known: KnownSet,
        to: Path,
        base_url: str | None,
        keep_archives: bool,
        say: Callable[[str], None],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.known, self.to, self.folder = known, to, to / known.folder
        self.base_url, self.keep_archives, self.say, self.progress = base_url, keep_archives, say, progress
        self.stop, self.lock = Event(), Lock()
        self.done = self.total = 0

    def archive(self, package: Package) -> Path:
        """Where a package lies once it is whole: archives beside the set's folder, lists in it."""
        return (self.to if package.is_archive else self.folder) / package.file

    def part(self, package: Package) -> Path:
        """Where it grows."""
        return self.archive(package).with_name(package.file + ".part")

    def fetched(self, package: Package) -> Path:
        """A file that says that a whole archive was fetched by us: such a one may be deleted, a user's may not."""
        return self.folder / MARKERS / f"{package.file}.fetched"

    def remove(self, package: Package) -> None:
        """Delete an archive that we fetched."""
        self.archive(package).unlink(missing_ok=True)
        self.fetched(package).unlink(missing_ok=True)

    def set_aside(self, archive: Path, wrong: str) -> Path:
        """Rename a file that is not the record's: it may be somebody's own. Gives its new place."""
        names = (archive.with_name(f"{archive.name}.wrong{n or ''}") for n in range(1000))
        aside = next(name for name in names if not os.path.lexists(name))
        os.rename(archive, aside)
        self.say(f"{archive} is not the file of the record: {wrong}. It is left as {aside.name}.")
        return aside

    def check_room(self, todo: list[Package], workers: int) -> None:
        """Room for all that is unpacked, and for the archives that lie there at the same time.

        Raises:
            OutputError: too little; with the figures.
        """
        here = {package: _bytes_of(self.archive(package)) or _bytes_of(self.part(package)) for package in todo}
        to_come = sorted((max(0, p.size - here[p]) for p in todo if p.is_archive), reverse=True)
        archives = sum(to_come if self.keep_archives else to_come[:workers])
        unpacked = sum(package.unpacked for package in todo)
        free = shutil.disk_usage(self.folder).free
        if archives + unpacked > free:
            fewer = "" if self.keep_archives or workers == 1 else ", take fewer --workers"
            raise OutputError(
                f"{self.known.name} needs about {archives + unpacked:,} bytes ({unpacked:,} unpacked and {archives:,} "
                f"for archives on the way), {self.to} has {free:,} free. Free some room{fewer}, or name another folder "
                "with --to."
            )
        self.total = sum(p.size for p in todo if not self.archive(p).exists())
        self.done = sum(min(p.size, _bytes_of(self.part(p))) for p in todo)

    def run(self, todo: list[Package], workers: int) -> None:
        """All packages; one that fails does not keep the others back.

        Raises:
            TinysceneError: one line for all that failed.
        """
        failures: list[str] = []
        full: OutputError | None = None
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(self.one, package) for package in todo]
            try:
                for future in as_completed(futures):
                    try:
                        future.result()
                    except (Stopped, CancelledError):
                        continue
                    except (OSError, OutputError) as error:
                        self._give_up(pool)
                        full = full or _cannot_write(self.to, error)
                    except TinysceneError as error:
                        failures.append(str(error))
            except BaseException:  # Ctrl-C, or a mistake of ours: the threads end with the piece they are at
                self._give_up(pool)
                raise
        if full:
            raise full
        if failures:
            more = f" ({len(failures) - 1} more of {len(todo)} packages failed too)" if len(failures) > 1 else ""
            raise DataError(f"{failures[0]}{more} The same command tries again; packages that are done stay.")

    def one(self, package: Package) -> None:
        """Fetches, checks, unpacks and marks a package."""
        if self.stop.is_set():
            raise Stopped
        archive, part = self.archive(package), self.part(package)
        if archive.exists() and (wrong := what_is_wrong(archive, package)):
            self.set_aside(archive, wrong)
        if not archive.exists():
            url = package.url if self.base_url is None else f"{self.base_url.rstrip('/')}/{package.file}"
            fetch(url, part, package.bytes, package.md5 is not None, self.stop, self._advance, self.say)
            if wrong := what_is_wrong(part, package):
                part.unlink()
                raise DataError(f"{url} is not the file of the record: {wrong}. Deleted.")
            if package.is_archive:
                make_folder(self.fetched(package).parent, "Name another folder with --to.")
                write_whole(self.fetched(package), "")
            os.replace(part, archive)
        if package.is_archive:
            try:
                files = unpack(archive, self.folder, self.stop)
            except Damaged as error:
                if self.fetched(package).exists():
                    if package.md5 is None:  # nothing else would tell a later run that it is bad
                        self.remove(package)
                    raise
                aside = self.set_aside(archive, "it is damaged")
                raise DataError(f"{error} It was not fetched by this command; it lies at {aside} now.") from None
        else:
            files = {package.file: _bytes_of(archive)}
        marker = marker_of(self.known, self.to, package.file)
        make_folder(marker.parent, "Name another folder with --to.")
        write_whole(marker, json.dumps({"package": asdict(package), "files": files}))
        ours = self.fetched(package).exists()
        if ours and self.keep_archives:
            self.fetched(package).unlink()  # from now on it is the user's
        elif ours:
            self.remove(package)
        kept = "; the archive was there before and stays" if package.is_archive and not ours else ""
        checked = "MD5 agrees" if package.md5 else "not checked: no checksum is published"
        self.say(f"{package.file}: {len(files):,} {'file' if len(files) == 1 else 'files'}, {checked}{kept}")

    def _advance(self, n_bytes: int) -> None:
        with self.lock:
            self.done += n_bytes
            if self.progress is not None:
                self.progress(self.done, max(self.done, self.total))

    def _give_up(self, pool: ThreadPoolExecutor) -> None:
        self.stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _cannot_write(to: Path, error: OSError | OutputError) -> OutputError:
    if isinstance(error, OutputError):
        return error
    return OutputError(
        f"{error.filename or to} cannot be read or written: {error.strerror or error}. What came is kept; free some "
        "room or mend it, and give the same command again."
    )


def _bytes_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
