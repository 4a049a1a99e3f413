"""Sets fetched from a server that cuts, lies, ignores and refuses; hostile archives; stops, and what is left after."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
import stat
import threading
import zipfile
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tinyscene.data import download, fetch, packages
from tinyscene.data.check import check
from tinyscene.data.download import get
from tinyscene.data.packages import KnownSet, Package, find_set
from tinyscene.errors import DataError, OutputError, SettingError

SET = "TAU-urban-acoustic-scenes-2022-mobile-development"
AUDIO_2 = "audio/bus-rome-2-2-0-b.wav"


class Server(ThreadingHTTPServer):
    """Serves `files`; `misdeeds` says how, by name of file."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.misdeeds: dict[str, object] = {}
        self.etags: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []  # (file, Range)
        self.woken = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        name, wanted = self.path.rpartition("/")[2], self.headers.get("Range")
        self.server.asked.append((name, wanted))
        misdeed = self.server.misdeeds.get(name)
        if callable(misdeed):
            misdeed = misdeed(sum(asked == name for asked, _ in self.server.asked))
        data = self.server.files.get(name)
        if isinstance(misdeed, int) or data is None:
            self.send_response(misdeed if isinstance(misdeed, int) else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if misdeed == "wrong bytes":
            data = bytes(len(data))
        if misdeed == "longer":
            data += b"more"
        etag = self.server.etags.get(name)
        held = self.headers.get("If-Range", etag) == etag and "ignores range" not in str(misdeed)
        start = int(re.findall(r"\d+", wanted)[0]) if wanted and held else 0
        if misdeed == "other range":
            start = min(start, 3)
        body = data[start:]
        if start and not body:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if etag:
            self.send_header("ETag", etag)
        if misdeed == "web page":
            self.send_header("Content-Type", "text/html; charset=utf-8")
        length = {"says more": 2 * len(body), "says less": max(1, len(body) // 2)}.get(str(misdeed), len(body))
        if misdeed != "no length":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if str(misdeed).startswith("cuts"):
            body = body[: max(1, len(body) // 2)]
        if misdeed == "silent":
            self.wfile.write(body[:5])
            self.wfile.flush()
            self.server.woken.wait(5)
            return
        self.wfile.write(body)


@pytest.fixture
def server():
    one = Server()
    thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield one
    one.woken.set()
    one.shutdown()
    one.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(fetch, "WAITS_S", (0.001,) * 4)


def zipped(members: dict[str, bytes | str], mode: dict[str, int] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if mode and name in mode:
                info.external_attr = mode[name] << 16
            archive.writestr(info, data)
    return out.getvalue()


def package(name: str, data: bytes, kind: str = "audio", checked: bool = True) -> Package:
    md5 = hashlib.md5(data).hexdigest() if checked else None
    return Package(kind, name, len(data) if checked else None, md5, f"https://nowhere.invalid/{name}", about=len(data))


@pytest.fixture
def tau(server, monkeypatch):
    """A small set in four packages, on the server and in the registry as tau2022-mobile."""
    noise = os.urandom(1 << 16)
    rows = ["audio/bus-rome-1-1-0-a.wav\tbus", f"{AUDIO_2}\tbus"]
    parts = {
        "doc": {f"{SET}/README.md": "about"},
        "meta": {
            f"{SET}/meta.csv": "filename\tscene_label\r\n" + "\r\n".join(rows) + "\r\n",
            f"{SET}/evaluation_setup/fold1_train.csv": f"filename\tscene_label\n{rows[0]}\n",
            f"{SET}/README.md": "another about",
        },
        "audio.1": {f"{SET}/": b"", f"{SET}/audio/bus-rome-1-1-0-a.wav": noise},
        "audio.2": {f"{SET}/{AUDIO_2}": noise[::-1]},
    }
    made = []
    for part, members in parts.items():
        name = f"{SET}.{part}.zip"
        server.files[name] = zipped(members)
        made.append(package(name, server.files[name], part.partition(".")[0]))
    known = KnownSet("tau2022-mobile", "small", "free", SET, "1", tuple(made))
    enter(monkeypatch, known)
    return known


def enter(monkeypatch, known: KnownSet) -> None:
    sets = {**packages.known_sets(), known.name: known}
    for place in ("tinyscene.data.packages.known_sets", "tinyscene.data.check.known_sets"):
        monkeypatch.setattr(place, lambda: sets)


def single(server, monkeypatch, data: bytes, **settings) -> Package:
    """A set of one archive, as tau2022-mobile."""
    name = f"{SET}.audio.1.zip"
    server.files[name] = data
    one = package(name, data, **settings)
    enter(monkeypatch, KnownSet("tau2022-mobile", "small", "free", SET, "1", (one,)))
    return one


def tree(folder: Path) -> dict[str, bytes]:
    """All files but the markers."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and download.MARKERS not in path.parts
    }


def test_a_set_arrives_unpacked_and_a_second_run_asks_for_nothing(tau, server, tmp_path):
    said, steps = [], []
    folder = get("tau2022-mobile", tmp_path, base_url=server.url, say=said.append, progress=lambda *n: steps.append(n))
    assert folder == tmp_path / SET
    found = tree(tmp_path)
    assert set(found) == {
        f"{SET}/{name}"
        for name in ("README.md", "meta.csv", "evaluation_setup/fold1_train.csv", "audio/bus-rome-1-1-0-a.wav", AUDIO_2)
    }
    assert found[f"{SET}/{AUDIO_2}"] == found[f"{SET}/audio/bus-rome-1-1-0-a.wav"][::-1]
    assert len(server.asked) == len(said) == 4
    assert all("MD5 agrees" in line for line in said)
    assert steps[-1] == (tau.size, tau.size)
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert len(server.asked) == 4
    assert tree(tmp_path) == found


def test_parts_are_fetched_alone_and_the_rest_later(tau, server, tmp_path):
    get("tau2022-mobile", tmp_path, only=["meta"], base_url=server.url)
    assert [name for name, _ in server.asked] == [f"{SET}.meta.zip"]
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert len(server.asked) == 4


def test_archives_can_be_kept_and_those_put_there_are_used(tau, server, tmp_path):
    name = f"{SET}.audio.1.zip"
    (tmp_path / name).write_bytes(server.files[name])
    get("tau2022-mobile", tmp_path, base_url=server.url, keep_archives=True)
    assert name not in [asked for asked, _ in server.asked]
    assert {path.name for path in tmp_path.glob("*.zip")} == set(server.files)


def test_an_archive_put_there_that_is_another_file_is_left_under_another_name(tau, server, tmp_path):
    name = f"{SET}.audio.1.zip"
    (tmp_path / f"{name}.wrong").write_bytes(b"an earlier one")
    (tmp_path / name).write_bytes(b"something else")
    said = []
    get("tau2022-mobile", tmp_path, base_url=server.url, say=said.append)
    assert any(f"{tmp_path / name} is not" in line and "14 bytes came" in line and ".wrong1" in line for line in said)
    assert (tmp_path / f"{name}.wrong1").read_bytes() == b"something else"
    assert (tmp_path / f"{name}.wrong").read_bytes() == b"an earlier one"
    assert not (tmp_path / name).exists()  # the one that was fetched
    assert (tmp_path / SET / "audio/bus-rome-1-1-0-a.wav").is_file()


@pytest.mark.parametrize("checked", [True, False])
def test_an_archive_put_there_is_never_deleted(server, monkeypatch, tmp_path, checked):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1" * 500}), checked=checked)
    (tmp_path / one.file).write_bytes(server.files[one.file])
    said = []
    get("tau2022-mobile", tmp_path, base_url=server.url, say=said.append)
    assert "stays" in said[0]
    assert (tmp_path / one.file).read_bytes() == server.files[one.file]
    assert server.asked == []


def test_a_damaged_archive_put_there_that_nothing_checks_is_left_under_another_name(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1" * 500}), checked=False)
    (tmp_path / one.file).write_bytes(server.files[one.file][:-30])
    with pytest.raises(DataError, match=r"damaged .* it lies at .*\.wrong now"):
        get("tau2022-mobile", tmp_path, base_url=server.url)
    assert tree(tmp_path) == {f"{one.file}.wrong": server.files[one.file][:-30]}
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert (tmp_path / SET / "audio/x.wav").is_file()


def test_an_archive_of_an_earlier_call_that_was_not_unpacked_is_deleted_afterwards(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1"}))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(download, "unpack", full)
        with pytest.raises(OutputError):
            get("tau2022-mobile", tmp_path, base_url=server.url)
    assert (tmp_path / one.file).is_file()
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert set(tree(tmp_path)) == {f"{SET}/audio/x.wav"}
    assert len(server.asked) == 1


def test_a_kept_archive_is_the_users(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1"}))
    get("tau2022-mobile", tmp_path, base_url=server.url, keep_archives=True)
    (tmp_path / SET / "audio/x.wav").unlink()
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert set(tree(tmp_path)) == {f"{SET}/audio/x.wav", one.file}


def test_files_that_have_gone_or_were_cut_bring_their_package_back(tau, server, tmp_path):
    get("tau2022-mobile", tmp_path, base_url=server.url)
    for damage in (Path.unlink, lambda path: path.write_bytes(b"cut")):
        server.asked.clear()
        path = tmp_path / SET / AUDIO_2
        whole = path.read_bytes()
        damage(path)
        assert [one.state for one in check(tmp_path)[0].packages][-1] == "damaged"
        get("tau2022-mobile", tmp_path, base_url=server.url)
        assert [name for name, _ in server.asked] == [f"{SET}.audio.2.zip"]
        assert path.read_bytes() == whole


@pytest.mark.parametrize("text", ["", "[]", '{"files": ["a"]}', '{"files": {"a": null}}', '{"files": {"a": "b"}}'])
def test_a_marker_that_was_spoilt_is_none(tau, server, tmp_path, text):
    folder = get("tau2022-mobile", tmp_path, base_url=server.url)
    (folder / download.MARKERS / f"{SET}.audio.2.zip.json").write_text(text)
    assert [one.state for one in check(tmp_path)[0].packages] == ["unpacked", "unpacked", "unpacked", "missing"]
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert check(tmp_path)[0].whole


# ---- a bad line ----


@pytest.mark.parametrize("misdeed", ["cuts", "says more", "says less", "no length", "ignores range"])
def test_a_bad_line_is_no_harm(tau, server, tmp_path, misdeed):
    name = f"{SET}.audio.1.zip"
    server.misdeeds[name] = misdeed
    get("tau2022-mobile", tmp_path, base_url=server.url)
    expected = zipfile.ZipFile(io.BytesIO(server.files[name])).read(f"{SET}/audio/bus-rome-1-1-0-a.wav")
    assert (tmp_path / SET / "audio/bus-rome-1-1-0-a.wav").read_bytes() == expected


def test_a_cut_connection_goes_on_where_it_ended(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": os.urandom(1000)}))
    server.misdeeds[one.file] = lambda n: "cuts" if n == 1 else None
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert server.asked == [(one.file, None), (one.file, f"bytes={len(server.files[one.file]) // 2}-")]


def test_what_an_earlier_run_left_is_not_fetched_again(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1" * 1000}))
    (tmp_path / f"{one.file}.part").write_bytes(server.files[one.file][:100])
    steps: list[tuple[int, int]] = []
    get("tau2022-mobile", tmp_path, base_url=server.url, progress=lambda *n: steps.append(n))
    assert server.asked == [(one.file, "bytes=100-")]
    assert steps[-1] == (one.bytes, one.bytes)


@pytest.mark.parametrize("misdeed", ["ignores range", "other range"])
def test_a_server_that_cannot_go_on_starts_over(server, monkeypatch, tmp_path, misdeed):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1" * 1000}))
    (tmp_path / f"{one.file}.part").write_bytes(b"wrong start")
    server.misdeeds[one.file] = misdeed
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert (tmp_path / SET / "audio/x.wav").read_bytes() == b"1" * 1000


def test_a_part_longer_than_the_file_is_dropped(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1"}))
    (tmp_path / f"{one.file}.part").write_bytes(bytes(5000))
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert server.asked == [(one.file, None)]


def test_a_server_that_is_busy_is_asked_again(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1"}))
    server.misdeeds[one.file] = lambda n: {1: 503, 2: 429, 3: 500}.get(n)
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("misdeed", "n_asked", "words"),
    [
        (503, 5, "the server answered 503 Service Unavailable, 5 times in a row"),
        (404, 1, "the server answered 404 Not Found. It may have moved"),
        (403, 1, "the server answered 403 Forbidden."),
        ("web page", 1, "gave a web page, not the file"),
        ("longer", 1, "is longer than the"),
        ("wrong bytes", 1, "its MD5 is "),
    ],
)
def test_refusals_and_wrong_bytes_are_one_clear_line(server, monkeypatch, tmp_path, misdeed, n_asked, words):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1"}))
    server.misdeeds[one.file] = misdeed
    with pytest.raises(DataError) as caught:
        get("tau2022-mobile", tmp_path, base_url=server.url)
    message = str(caught.value)
    assert words in message
    assert f"{server.url}/{one.file}" in message
    assert "\n" not in message
    assert len(server.asked) == n_asked
    assert tree(tmp_path) == {}  # wrong bytes are not kept
    server.misdeeds.clear()
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert set(tree(tmp_path)) == {f"{SET}/audio/x.wav"}


def test_a_line_that_never_gets_better_is_an_error_and_keeps_what_came(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": os.urandom(3000)}))
    server.misdeeds[one.file] = lambda n: "cuts" if n == 1 else 503
    with pytest.raises(DataError, match=r"503 .* 5 times in a row\. What came is kept\."):
        get("tau2022-mobile", tmp_path, base_url=server.url)
    whole = server.files[one.file]
    assert (tmp_path / f"{one.file}.part").read_bytes() == whole[: len(whole) // 2]
    assert not (tmp_path / one.file).exists()


def test_a_server_that_goes_silent_is_left(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1"}))
    monkeypatch.setattr(fetch, "_TIMEOUT_S", (1, 0.05))
    server.misdeeds[one.file] = lambda n: "silent" if n == 1 else 503
    with pytest.raises(DataError, match="503"):
        get("tau2022-mobile", tmp_path, base_url=server.url)
    assert (tmp_path / f"{one.file}.part").stat().st_size == 5
    server.misdeeds[one.file] = "silent"
    (tmp_path / f"{one.file}.part").write_bytes(server.files[one.file][:-1])
    get("tau2022-mobile", tmp_path, base_url=server.url)
    server.woken.set()


def test_a_wait_that_the_server_asks_for_is_kept_and_bounded(monkeypatch, tmp_path):
    class Waits(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            asked.append(timeout)
            return len(asked) == 2

    asked: list[float | None] = []
    seconds = iter((7.0, 1e9))

    def busy(*_: object) -> bool:
        raise fetch._Again("busy", next(seconds))

    monkeypatch.setattr(fetch._Transfer, "tried", busy)
    with pytest.raises(fetch.Stopped):
        fetch.fetch("https://nowhere.invalid/x", tmp_path / "x", 3, True, Waits())
    assert asked == [7.0, 60.0]


def test_no_server_at_all_is_an_error(server, monkeypatch, tmp_path):
    single(server, monkeypatch, zipped({"audio/x.wav": b"1"}))
    with pytest.raises(DataError, match="no connection"):
        get("tau2022-mobile", tmp_path, base_url="http://127.0.0.1:9")
    for mirror in ("nowhere", "", "file:///tmp", "https://", "http://no where"):
        with pytest.raises(SettingError, match="--mirror takes the URL of a folder"):
            get("tau2022-mobile", tmp_path / "new", base_url=mirror)
    assert not (tmp_path / "new").exists()


def test_one_package_that_fails_does_not_keep_the_others_back(tau, server, tmp_path):
    server.misdeeds[f"{SET}.doc.zip"] = 404
    with pytest.raises(DataError, match="404"):
        get("tau2022-mobile", tmp_path, workers=1, base_url=server.url)
    assert [one.state for one in check(tmp_path)[0].packages] == ["missing", "unpacked", "unpacked", "unpacked"]


# ---- without checksums ----


def test_without_a_checksum_nothing_is_put_together_from_two_versions(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": os.urandom(1000)}), checked=False)
    (tmp_path / f"{one.file}.part").write_bytes(b"of an older version")
    server.misdeeds[one.file] = lambda n: "cuts" if n == 1 else None
    said = []
    get("tau2022-mobile", tmp_path, base_url=server.url, say=said.append)
    assert server.asked == [(one.file, None), (one.file, None)]
    assert "starts anew" in said[0]
    assert "not checked" in said[1]


@pytest.mark.parametrize("changed", [False, True])
def test_without_a_checksum_a_server_that_names_its_version_is_gone_on_from(server, monkeypatch, tmp_path, changed):
    one = single(server, monkeypatch, zipped({"audio/x.wav": os.urandom(1000)}), checked=False)
    half = len(server.files[one.file]) // 2
    server.etags[one.file] = '"first"'
    server.misdeeds[one.file] = lambda n: "cuts" if n == 1 else 503
    with pytest.raises(DataError, match=r"What came is kept\. The same command tries again"):
        get("tau2022-mobile", tmp_path, base_url=server.url)
    server.misdeeds.clear()
    server.asked.clear()
    if changed:
        server.etags[one.file], server.files[one.file] = '"second"', zipped({"audio/x.wav": os.urandom(1000)})
    said, steps = [], []
    get("tau2022-mobile", tmp_path, base_url=server.url, say=said.append, progress=lambda *n: steps.append(n))
    assert server.asked == [(one.file, f"bytes={half}-")]
    assert any("starts anew" in line for line in said) == changed
    expected = zipfile.ZipFile(io.BytesIO(server.files[one.file])).read("audio/x.wav")
    assert tree(tmp_path) == {f"{SET}/audio/x.wav": expected}
    assert steps[-1] == (len(server.files[one.file]),) * 2


@pytest.mark.parametrize(("etag", "misdeed"), [(None, "cuts"), ('W/"weak"', "cuts"), ('"x"', "cuts, ignores range")])
def test_what_cannot_be_gone_on_from_is_said(server, monkeypatch, tmp_path, etag, misdeed):
    one = single(server, monkeypatch, zipped({"audio/x.wav": os.urandom(1000)}), checked=False)
    if etag:
        server.etags[one.file] = etag
    server.misdeeds[one.file] = misdeed
    with pytest.raises(DataError, match=r"The server cannot go on where it stopped: the next try starts anew"):
        get("tau2022-mobile", tmp_path, base_url=server.url)
    server.misdeeds[one.file] = "ignores range"
    said = []
    get("tau2022-mobile", tmp_path, base_url=server.url, say=said.append)
    assert "starts anew" in said[0]


def test_a_part_that_is_whole_is_not_fetched_again(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1" * 500}), checked=False)
    server.etags[one.file] = '"first"'
    (tmp_path / f"{one.file}.part").write_bytes(server.files[one.file])
    (tmp_path / f"{one.file}.part.version").write_text('"first"')
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert len(server.asked) == 1
    assert tree(tmp_path) == {f"{SET}/audio/x.wav": b"1" * 500}


def test_without_a_checksum_a_damaged_archive_is_not_kept(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": b"1" * 500}), checked=False)
    good = server.files[one.file]
    server.files[one.file] = good[:40] + bytes([good[40] ^ 255]) + good[41:]
    with pytest.raises(DataError, match="damaged"):
        get("tau2022-mobile", tmp_path, base_url=server.url)
    assert tree(tmp_path) == {}
    server.files[one.file] = good
    get("tau2022-mobile", tmp_path, base_url=server.url)


def test_lists_without_a_checksum_are_counted(server, monkeypatch, tmp_path):
    one = Package("meta", "split5.csv", None, None, "https://nowhere.invalid/split5.csv", about=9, lines=3)
    enter(monkeypatch, KnownSet("dcase2024-splits", "splits", "none", f"{SET}/evaluation_setup", packages=(one,)))
    server.files[one.file] = b"filename\tscene_label\na.wav\tbus\n"
    with pytest.raises(DataError, match="it has 2 lines, 3 are known"):
        get("dcase2024-splits", tmp_path, base_url=server.url)
    assert tree(tmp_path) == {}
    server.files[one.file] += b"b.wav\tbus"
    folder = get("dcase2024-splits", tmp_path, base_url=server.url)
    assert (folder / "split5.csv").read_bytes() == server.files[one.file]
    assert [report.known.name for report in check(tmp_path)] == ["dcase2024-splits"]
    assert check(tmp_path)[0].whole


# ---- records ----


def test_a_set_that_only_its_record_lists(server, monkeypatch, tmp_path):
    known = find_set("tau2023-mobile-evaluation")
    name, data = f"{known.folder}.audio.1.zip", zipped({f"{known.folder}/audio/0.wav": b"1"})
    server.files[name] = data
    listing = {"files": [{"key": name, "size": len(data), "checksum": f"md5:{hashlib.md5(data).hexdigest()}"}]}
    server.files[str(known.record)] = json.dumps(listing).encode()
    monkeypatch.setattr(download, "RECORDS_URL", f"{server.url}/api/records/")
    folder = get(known.name, tmp_path, base_url=server.url)
    assert tree(folder) == {"audio/0.wav": b"1"}
    report = check(folder)[0]
    assert [(one.package.file, one.state) for one in report.packages] == [(name, "unpacked")]


def test_sets_that_nobody_knows_where_to_get_say_so(tmp_path):
    with pytest.raises(
        DataError, match=r"tau2024-mobile-evaluation .* cannot be fetched: its Zenodo record is not known"
    ):
        get("tau2024-mobile-evaluation", tmp_path)
    with pytest.raises(SettingError, match="workers"):
        get("esc50", tmp_path, workers=0)
    with pytest.raises(SettingError, match=r"--only takes doc, meta, audio, .* nothing came"):
        get("tau2023-mobile-evaluation", tmp_path, only=[])  # before the record is asked


# ---- hostile archives ----


@pytest.mark.parametrize(
    "name", ["../evil", f"{SET}/../../evil", "/evil", "C:/evil", "..\\evil", f"{SET}/link", "a/../../evil"]
)
def test_an_archive_that_reaches_out_is_refused_whole(server, monkeypatch, tmp_path, name):
    mode = {name: stat.S_IFLNK | 0o777} if name.endswith("link") else None
    one = single(server, monkeypatch, zipped({f"{SET}/audio/x.wav": b"1", name: "/etc/passwd"}, mode))
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="is refused, nothing was unpacked: 1 of its members"):
        get("tau2022-mobile", tmp_path / "in", base_url=server.url)
    assert set(tree(tmp_path)) == {f"in/{one.file}"}


def test_an_archive_that_unpacks_to_more_than_the_disk_holds_is_refused(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": bytes(10_000_000)}))
    assert one.bytes is not None
    assert one.bytes < 20_000
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1_000_000))
    with pytest.raises(OutputError, match=r"unpacks to 10,000,000 bytes, .* has 1,000,000 free"):
        get("tau2022-mobile", tmp_path, base_url=server.url)
    assert set(tree(tmp_path)) == {one.file}


def test_an_archive_that_lies_about_its_sizes_is_damaged(server, monkeypatch, tmp_path):
    data = zipped({"audio/x.wav": bytes(100_000)})
    single(server, monkeypatch, data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(DataError, match="damaged"):
        get("tau2022-mobile", tmp_path, base_url=server.url)
    assert not (tmp_path / SET / "audio/x.wav").exists()


# ---- disk and stops ----


def test_room_is_looked_for_first_with_the_figures(tau, server, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1000))
    unpacked = sum(int(1.25 * package.bytes) for package in tau.packages)
    needs = unpacked + max(package.bytes for package in tau.packages)
    words = rf"needs about {needs:,} bytes \({unpacked:,} unpacked .*, {re.escape(str(tmp_path))} has 1,000 free"
    with pytest.raises(OutputError, match=words):
        get("tau2022-mobile", tmp_path, workers=1, base_url=server.url)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, needs - 1))
    with pytest.raises(OutputError, match="needs about"):
        get("tau2022-mobile", tmp_path, workers=1, base_url=server.url)
    assert server.asked == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, needs))
    get("tau2022-mobile", tmp_path, workers=1, base_url=server.url)


def test_a_disk_that_fills_up_is_told_and_the_rest_is_kept(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": os.urandom(1000)}))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "x"))

    monkeypatch.setattr(download, "unpack", full)
    with pytest.raises(OutputError, match=r"No space left on device\. What came is kept"):
        get("tau2022-mobile", tmp_path, base_url=server.url)
    assert (tmp_path / one.file).is_file()


def test_ctrl_c_leaves_a_part_that_the_next_run_ends(server, monkeypatch, tmp_path):
    one = single(server, monkeypatch, zipped({"audio/x.wav": os.urandom(3_000_000)}))
    main = threading.main_thread().ident
    assert main is not None
    stopped = threading.Event()

    def stop_half_way(done: int, total: int) -> None:
        if 2 * done > total and not stopped.is_set():
            stopped.set()
            signal.pthread_kill(main, signal.SIGINT)
            stopped.wait(0.2)
            threading.Event().wait(0.3)  # the server is quick: let the main thread hear of it

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            get("tau2022-mobile", tmp_path, base_url=server.url, progress=stop_half_way)
    finally:
        signal.signal(signal.SIGINT, before)
    left = (tmp_path / f"{one.file}.part").stat().st_size
    assert one.bytes is not None
    assert 0.5 * one.bytes < left < one.bytes
    assert set(tree(tmp_path)) == {f"{one.file}.part"}
    assert check(tmp_path)[0].packages[0].state == "part"
    server.asked.clear()
    get("tau2022-mobile", tmp_path, base_url=server.url)
    assert server.asked == [(one.file, f"bytes={left}-")]
    assert check(tmp_path)[0].packages[0].state == "unpacked"


def test_a_stop_while_unpacking_leaves_no_half_file_and_no_marker(server, monkeypatch, tmp_path):
    import tinyscene.data.unpack as part

    single(server, monkeypatch, zipped({"audio/x.wav": b"1" * 1000, "audio/y.wav": b"2" * 1000}))
    real = shutil.copyfileobj

    def killed(source, file, piece):
        if source.name.endswith("y.wav"):
            file.write(b"2" * 500)
            raise KeyboardInterrupt
        real(source, file, piece)

    monkeypatch.setattr(part.shutil, "copyfileobj", killed)
    with pytest.raises(KeyboardInterrupt):
        get("tau2022-mobile", tmp_path, base_url=server.url)
    assert set(tree(tmp_path / SET)) == {"audio/x.wav"}
    assert check(tmp_path)[0].packages[0].state == "archive"
    monkeypatch.undo()


# ---- check ----


def test_check_tells_lists_and_audio_that_do_not_agree(tau, server, tmp_path):
    folder = get("tau2022-mobile", tmp_path, base_url=server.url)
    report = check(folder)[0]
    assert report.whole
    assert (report.n_listed, report.n_audio) == (2, 2)
    (folder / "audio" / "stranger.wav").write_bytes(b"")
    (folder / AUDIO_2).unlink()
    report = check(tmp_path)[0]
    assert not report.whole
    assert (report.n_listed, report.n_audio) == (2, 2)
    assert report.absent == (AUDIO_2,)
    assert report.unlisted == ("audio/stranger.wav",)
    assert "1 of 1 files gone or cut" in report.packages[-1].detail


def test_check_reads_archives_and_takes_sets_unpacked_by_hand(tau, server, tmp_path):
    for part, data in (("meta", server.files[f"{SET}.meta.zip"]), ("audio.1", b"no")):
        (tmp_path / f"{SET}.{part}.zip").write_bytes(data)
    states = {one.package.file: one.state for one in check(tmp_path)[0].packages}
    assert [states[f"{SET}.{part}.zip"] for part in ("doc", "meta", "audio.1")] == ["missing", "archive", "wrong"]
    hand = tmp_path / "hand"
    for data in server.files.values():
        zipfile.ZipFile(io.BytesIO(data)).extractall(hand)
    report = check(hand / SET)[0]
    assert report.whole
    assert {one.state for one in report.packages} == {"by hand"}
    (hand / SET / AUDIO_2).unlink()
    assert not check(hand)[0].whole


def test_check_of_the_real_lists_without_audio(real_data):
    reports = {report.known.name: report for report in check(real_data / "tau_lists")}
    assert {name: report.n_listed for name, report in reports.items()} == {
        "tau2020-mobile": 23_035,
        "tau2020-3class": 13_370,
        "tau2022-mobile": 230_350,
    }
    assert all(report.n_audio == 0 and not report.whole for report in reports.values())


def test_check_of_a_folder_that_holds_no_known_set(tmp_path):
    with pytest.raises(DataError, match="holds none of the sets"):
        check(tmp_path)
    with pytest.raises(DataError, match="is no folder"):
        check(tmp_path / "x")
