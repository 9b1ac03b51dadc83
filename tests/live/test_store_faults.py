"""A store over HTTP, and faults on the way to it: what is read is whole, what is delivered is all there or no release."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import yaml
from stores import Fault, Store, enforcing, store  # noqa: F401  # a fixture
from tiny_sources import COLUMNS, LIMITED, PATIENTS, World

from deid.errors import DeidError, DocumentError, ReleaseError, SourceError, StoreError, TrustError
from deid.opening import open_release, verify_release
from deid.papers.signing import statement_path
from deid.release.manifest import KEYS, MANIFEST, RECALL
from deid.sources import load_dataset, open_source
from deid.stores import reading, writing
from deid.stores.delivery import Delivered
from deid.stores.fetching import cache_folder, fetched
from deid.stores.leftovers import clean, lying
from deid.stores.place import Place
from deid.stores.sending import deliver
from deid.stores.settings import settings
from deid.stores.writing import Writer

pytestmark = pytest.mark.live
boto3 = pytest.importorskip("boto3")


@dataclass
class Made:
    """A release of a site, in both profiles, and ways to deliver it."""

    world: World
    requests: dict[str, Path]

    def folder(self, profile: str = "portable") -> Path:
        """Return where the release lies at the site."""
        return self.world.site.site.releases / f"study-{profile}" / "r1"

    def deliver(self, place: Place, profile: str = "portable", now: datetime | None = None) -> Delivered | None:
        """Deliver it."""
        site = self.world.site
        return deliver(
            self.requests[profile], "r1", place, site.site, site.provider,
            progress=lambda _what, _count: None, now=now or datetime.now(UTC),
        )  # fmt: skip

    def read(self, place: Place) -> list[dict[str, Any]]:
        """Return the rows of patients, fetched and opened by the researcher."""
        with fetched(place) as folder:
            rows: list[dict[str, Any]] = open_release(folder, [self.world.site.researcher]).read("patients").to_pylist()
            return rows


@pytest.fixture(scope="module")
def made(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Made:  # noqa: F811
    """Export once for all tests of this file, from a source that lies in the store."""
    world = World(tmp_path_factory.mktemp("stores") / "site")
    dataset = in_store(store, world.source(), store.bucket())
    requests = {}
    for profile in ("portable", "columns"):
        requests[profile] = world.request(
            dataset, {"patients": ["ID", "SEX"]}, request=f"study-{profile}", profile=profile
        )
        world.site.run(requests[profile], name="r1")
    return Made(world, requests)


@pytest.fixture
def place(store: Store) -> Place:  # noqa: F811
    """Return a place in a bucket of its own."""
    return Place(store.bucket(), "partner/in")


def in_store(store: Store, description: Path, bucket: str, **fields: Any) -> Path:  # noqa: F811
    """Upload a source's folder and describe it where it lies now; return the description."""
    store.upload(description.parent, bucket, "extract")
    content = yaml.safe_load(description.read_text()) | {"root": f"s3://{bucket}/extract"} | fields
    path = description.with_name("in-store.yaml")
    path.write_text(yaml.safe_dump(content))
    return path


def at(place: Place, profile: str = "portable") -> Place:
    """Return where the release lies below a place."""
    return place.below(f"study-{profile}", "r1")


def rows_of(description: Path, table: str, columns: list[str]) -> tuple[list[Any], str]:
    """Return the cells of a table as read, and its digest."""
    source = open_source(load_dataset(description))
    source.check({table: columns})
    rows = [row for batch in source.read(table, columns) for row in batch.to_pylist()]
    return rows, source.digests[table]


# Sources


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_source_reads_from_a_store_as_from_a_folder(store: Store, tmp_path: Path, form: str) -> None:  # noqa: F811
    """Rows and digests are the same, of several files in the order of their names, whatever order the store lists."""
    (tmp_path / "patients").mkdir()
    for number in (1, 2, 10):
        rows = pa.table({name: [f"{name}-{number}-{row}" for row in range(900)] for name in PATIENTS})
        if form == "csv":
            pyarrow.csv.write_csv(rows, tmp_path / "patients" / f"part {number}.csv")
        else:
            pq.write_table(rows, tmp_path / "patients" / f"part {number}.parquet", row_group_size=400)
    table = {"path": f"patients/part*.{form}", "patient": "ID", "columns": PATIENTS}
    description = tmp_path / "dataset.yaml"
    description.write_text(yaml.safe_dump({"dataset": "d", "format": form, "root": ".", "tables": {"patients": table}}))
    local = rows_of(description, "patients", ["ID", "ZIP"])

    def reversed_listing(data: bytes) -> bytes:
        entries = re.findall(rb"<Contents>.*?</Contents>", data, re.DOTALL)
        return data.replace(b"".join(entries), b"".join(reversed(entries)))

    there = in_store(store, description, store.bucket())
    with store.failing(lambda _method, path, _n: Fault(edited=reversed_listing) if "list-type" in path else None):
        assert rows_of(there, "patients", ["ID", "ZIP"]) == local
    assert len(local[0]) == 2700


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_object_exchanged_while_it_is_read_stops_the_run(
    store: Store,  # noqa: F811
    tmp_path: Path,
    form: str,
) -> None:
    """Another object of the same size under the key, between two requests for it, is never half read."""
    rows = pa.table({name: [f"{name}-{row:07}" for row in range(20_000)] for name in PATIENTS})
    file = tmp_path / f"patients.{form}"
    (pyarrow.csv.write_csv if form == "csv" else pq.write_table)(rows, file)
    table = {"path": file.name, "patient": "ID", "columns": PATIENTS}
    description = tmp_path / "dataset.yaml"
    description.write_text(yaml.safe_dump({"dataset": "d", "format": form, "tables": {"patients": table}}))
    bucket = store.bucket()
    there = in_store(store, description, bucket)
    other = file.read_bytes().replace(b"ID-0019999", b"ID-0019998")
    assert len(other) == file.stat().st_size
    with store.failing(lambda *_: None):
        list(open_source(load_dataset(there)).read("patients", ["ID"]))
        gets = [number for number, (verb, _) in enumerate(store.met, start=1) if verb == "GET"]

    def exchange(_method: str, _path: str, number: int) -> Fault | None:
        late = Fault(then=lambda: store.put(bucket, f"extract/{file.name}", other))
        return late if number == gets[-2] else None

    with store.failing(exchange), pytest.raises((SourceError, StoreError), match="changed while it was read"):
        list(open_source(load_dataset(there)).read("patients", ["ID"]))


def test_a_bucket_that_cannot_be_listed_is_no_empty_dataset(store: Store, tmp_path: Path) -> None:  # noqa: F811
    """An optional table is absent where its object is, and not where the bucket or the right to see it is."""
    table = {"patients": {"path": "p.csv", "patient": "ID", "columns": PATIENTS}}
    more = {"visits": {"path": "v.csv", "patient": "PATIENT", "columns": COLUMNS["encounters"], "optional": True}}
    description = tmp_path / "dataset.yaml"
    content = {"dataset": "d", "format": "csv", "tables": table | more}

    def described(root: str) -> Path:
        description.write_text(yaml.safe_dump(content | {"root": root}))
        return description

    bucket = store.bucket()
    store.put(bucket, "x/p.csv", b"ID\n1\n")
    assert [table.name for table in load_dataset(described(f"s3://{bucket}/x")).tables] == ["patients"]
    with pytest.raises(StoreError, match="there is no such bucket"):
        load_dataset(described("s3://deid-no-such-bucket/x"))
    denied = Fault(403, "AccessDenied")
    with store.failing(lambda *_: denied), pytest.raises(StoreError, match="refuses these credentials"):
        load_dataset(described(f"s3://{bucket}/x"))
    unknown = Fault(403, "InvalidAccessKeyId")
    with store.failing(lambda *_: unknown), pytest.raises(StoreError, match="does not take these credentials"):
        load_dataset(described(f"s3://{bucket}/x"))
    assert len(store.met) == 1, "a refusal is not repeated"


@pytest.mark.parametrize("odd", ["a\x02b.csv", "a\\b.csv"])
def test_keys_with_odd_characters_are_refused(store: Store, tmp_path: Path, odd: str) -> None:  # noqa: F811
    """What does not print, or means a folder to another program, stops the run before anything is read."""
    bucket = store.bucket()
    store.put(bucket, f"x/{odd}", b"ID\n1\n")
    table = {"patients": {"path": "*.csv", "patient": "ID", "columns": PATIENTS}}
    description = tmp_path / "dataset.yaml"
    description.write_text(
        yaml.safe_dump({"dataset": "d", "format": "csv", "root": f"s3://{bucket}/x", "tables": table})
    )
    with pytest.raises(DocumentError, match="do not print, or a backslash"):
        load_dataset(description)


# Delivery


def test_a_delivered_release_reads_as_it_was_made(store: Store, made: Made, place: Place) -> None:  # noqa: F811
    """Its objects are its files; the manifest is written last and once; given again, nothing is sent."""
    with store.failing(lambda *_: None):
        done = made.deliver(place)
        written = [path for method, path in store.met if method == "PUT"]
        asked = len(store.met)
    folder = made.folder()
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert done == Delivered(at(place), len(files), len(files), sum(path.stat().st_size for path in files.values()))
    assert written[-1].endswith(f"/{MANIFEST}")
    assert sum(path.endswith(f"/{MANIFEST}") for path in written) == 1
    assert asked == 4 * len(files) + 4
    assert {key: store.get(place.bucket, key) for key in store.keys(place.bucket)} == {
        at(place).key(name): path.read_bytes() for name, path in files.items()
    }
    assert len(made.read(at(place))) == 2
    again = made.deliver(place)
    assert again is not None
    assert again.sent == 0


@pytest.mark.parametrize(("put", "is_written"), [(1, False), (4, True), (-1, False), (-1, True)])
def test_a_delivery_that_is_stopped_is_resumed(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
    put: int,
    is_written: bool,
) -> None:
    """Stopped at any write, done or not, there is no release or a whole one; again, only what is missing is sent."""
    files = sum(path.is_file() for path in made.folder().rglob("*"))
    stop_at = put if put > 0 else files + 1  # one write more shows that the store keeps the condition
    puts: list[str] = []

    def stop() -> None:
        raise KeyboardInterrupt

    def broken(method: str, path: str, _n: int) -> Fault | None:
        if method == "PUT":
            puts.append(path)
            if len(puts) >= stop_at:
                # Everything fails from here on, as for a process that is no more.
                return Fault(403, "AccessDenied") if not is_written or len(puts) > stop_at else None
        return Fault(403, "AccessDenied") if len(puts) >= stop_at else None

    with store.failing(broken), pytest.raises(StoreError):
        made.deliver(place)
    before = len(store.keys(place.bucket))
    is_whole = at(place).key(MANIFEST) in store.keys(place.bucket)
    assert is_whole == (put < 0 and is_written)
    if not is_whole:
        with pytest.raises(ReleaseError, match="half-delivered"), fetched(at(place)):
            pass
    done = made.deliver(place)
    assert done is not None
    assert (done.sent, len(store.keys(place.bucket))) == (files - before, files)
    assert len(made.read(at(place))) == 2


def test_a_store_that_fails_for_a_while_is_asked_again(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
) -> None:
    """Every twelfth request is answered 500 or 503, and the release arrives whole."""
    codes = [Fault(500, "InternalError"), Fault(503, "SlowDown")]
    with store.failing(lambda _method, _path, number: codes[number // 12 % 2] if number % 12 == 0 else None):
        done = made.deliver(place)
    assert done is not None
    assert done.sent == done.objects


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_store_that_keeps_failing_is_told_of_in_words(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
    method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After every attempt that it has, with pauses between; the message is not the store's."""
    for module in (reading, writing):
        monkeypatch.setattr(module, "ATTEMPTS", 3)
    fault = Fault(503, "SlowDown")
    with store.failing(lambda verb, _path, _n: fault if verb == method else None), pytest.raises(StoreError) as told:
        made.deliver(place)
    assert "fails or is busy" in str(told.value)
    tried = [moment for moment, (verb, _) in zip(store.at, store.met, strict=True) if verb == method]
    pauses = [after - before for before, after in itertools.pairwise(tried)]
    assert len(pauses) == 2
    assert max(pauses) > 0.01
    assert at(place).key(MANIFEST) not in store.keys(place.bucket)


def test_a_slow_store_is_not_waited_for_forever(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading and writing give up after their time, as often as they may be tried."""
    attempts = {"PUT": 2, "GET": 1}
    for module, tried in zip((writing, reading), attempts.values(), strict=True):
        monkeypatch.setattr(module, "READ_SECONDS", 0.2)
        monkeypatch.setattr(module, "ATTEMPTS", tried)
    slow = Fault(seconds=1.5)

    def on(method: str) -> Callable[[str, str, int], Fault | None]:
        return lambda verb, _path, _n: slow if verb == method else None

    for method, tried in attempts.items():
        with store.failing(on(method)), pytest.raises(StoreError, match="in time"):
            made.deliver(place)
        assert sum(verb == method for verb, _ in store.met) == tried


@pytest.mark.parametrize("allowed", [False, True])
def test_the_machines_own_service_is_asked_for_credentials_only_where_it_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    """A file of credentials that has none for us makes no library look for them on the network."""
    (tmp_path / "credentials").write_text("[somebody-else]\n")
    met = []
    with socket.create_server(("127.0.0.1", 0)) as listener, monkeypatch.context() as patch:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    met.append(connection.close())

        threading.Thread(target=serve, daemon=True).start()
        patch.setattr(boto3.session, "Session", type(boto3.session.Session()))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        patch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
        patch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        if allowed:
            patch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        for module in (reading, writing):
            patch.setattr(module, "ATTEMPTS", 1)
        with pytest.raises(StoreError, match="does not take these credentials"):
            Writer(settings()).put_new("deid-bucket", "key", tmp_path / "credentials")
        assert bool(met) == allowed
        if not allowed:
            with pytest.raises(StoreError):
                reading.Reader(settings()).list("deid-bucket", "", deep=False)
            assert met == []
        listener.shutdown(socket.SHUT_RDWR)


def test_credentials_and_rights_are_the_stores_to_check(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights to list, read and write are enough to deliver and no more; a wrong secret opens nothing and is told of."""
    with enforcing(monkeypatch, "s3:ListBucket", "s3:GetObject", "s3:PutObject") as (bucket, wrong):
        place = Place(bucket, "in")
        done = made.deliver(place)  # the site's source lies in another store, which is out of reach
        assert done is not None
        assert done.sent == done.objects
        assert len(made.read(at(place))) == 2
        with pytest.raises(StoreError, match="refuses these credentials"):
            Writer(settings()).delete(bucket, [at(place).key(MANIFEST)])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", wrong)
        with pytest.raises(StoreError, match="does not take these credentials") as told:
            list(lying(settings(), place))
        assert wrong not in str(told.value)
        with pytest.raises(StoreError, match="refuses these credentials"), fetched(at(place)):
            pass
        with pytest.raises(StoreError, match="does not take these credentials"):
            Writer(settings()).put_new(bucket, "in/new", made.folder() / MANIFEST)


def test_a_store_that_is_away_is_told_of(made: Made, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers at the endpoint."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    for module in (reading, writing):
        monkeypatch.setattr(module, "ATTEMPTS", 1)
    with pytest.raises(StoreError, match="cannot be reached"):
        made.deliver(place)
    with pytest.raises(StoreError, match="cannot be reached"), fetched(at(place)):
        pass


def test_a_store_behind_a_proxy_is_reached_through_it(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading and writing both take the proxy that the environment names for https, and never one in clear."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    made.deliver(place)
    assert len(made.read(at(place))) == 2
    monkeypatch.setenv("HTTPS_PROXY", store.endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://store.example:9000")
    for module in (reading, writing):
        monkeypatch.setattr(module, "ATTEMPTS", 1)
    with store.failing(lambda *_: Fault(502)):
        with pytest.raises(StoreError):
            reading.Reader(settings()).list(place.bucket, "", deep=False)
        with pytest.raises(StoreError):
            Writer(settings()).put_new(place.bucket, "key", made.folder() / MANIFEST)
        assert store.met == [("CONNECT", "store.example:9000")] * 2


def test_a_store_that_overwrites_in_spite_of_the_condition_is_refused(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
) -> None:
    """It takes no notice of If-None-Match, so no manifest is given to it."""
    with (
        store.failing(lambda *_: Fault(drop="If-None-Match")),
        pytest.raises(StoreError, match="takes no notice of If-None-Match"),
    ):
        made.deliver(place)
    assert at(place).key(MANIFEST) not in store.keys(place.bucket)


@pytest.mark.parametrize("name", ["codebook.md", "data/patients/part-00000.parquet", MANIFEST, "stranger.txt"])
def test_what_lies_under_a_key_of_the_release_is_never_overwritten(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
    name: str,
) -> None:
    """Another object there stops the delivery, keeps its bytes, and no manifest follows."""
    key = at(place).key(name)
    original = made.folder() / name
    other = bytes(original.stat().st_size) if original.exists() else b"mine"
    store.put(place.bucket, key, other)
    with pytest.raises(ReleaseError, match=r"another|none of this release"):
        made.deliver(place)
    assert store.get(place.bucket, key) == other
    assert name == MANIFEST or at(place).key(MANIFEST) not in store.keys(place.bucket)


def test_two_deliveries_at_once_make_one_release(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
) -> None:
    """Both succeed, the manifest is written once, and the release is whole."""
    done: list[Any] = []

    def run() -> None:
        done.append(made.deliver(place))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = sum(path.is_file() for path in made.folder().rglob("*"))
    assert sum(one.sent for one in done) == files
    assert len(made.read(at(place))) == 2


def test_only_what_the_log_names_is_delivered(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
) -> None:
    """A folder that was put among the releases, or whose manifest was changed, sends nothing."""
    folder = made.folder()
    manifest = folder / MANIFEST
    before = manifest.read_bytes()
    manifest.write_bytes(before.replace(b'"study-portable"', b'"study-portablf"'))
    try:
        with store.failing(lambda *_: None), pytest.raises(ReleaseError, match="does not name the manifest"):
            made.deliver(place)
        assert store.met == []
    finally:
        manifest.write_bytes(before)
    damaged = folder / "codebook.md"
    told = damaged.read_bytes()
    damaged.write_bytes(told + b" ")
    try:
        with store.failing(lambda *_: None), pytest.raises(ReleaseError, match=r"codebook\.md"):
            made.deliver(place)
        assert not [verb for verb, _ in store.met if verb == "PUT"]
    finally:
        damaged.write_bytes(told)


def test_what_may_not_run_today_is_not_handed_on(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
) -> None:
    """Without the officer's signature over its policy, or after its request ran out, a release stays where it is."""
    policy = made.world.named_policy(LIMITED)
    statement = statement_path(policy)
    kept = statement.read_bytes()
    statement.unlink()
    try:
        with store.failing(lambda *_: None), pytest.raises(TrustError):
            made.deliver(place)
    finally:
        statement.write_bytes(kept)
    with store.failing(lambda *_: None), pytest.raises(DeidError):
        made.deliver(place, now=datetime(2031, 1, 1, tzinfo=UTC))
    assert store.met == []


def test_keys_that_were_rotated_follow(store: Store, made: Made, place: Place) -> None:  # noqa: F811
    """Of a release in columns, the file of wrapped keys is replaced in the store, and nothing else is sent."""
    assert made.deliver(place, "columns") is not None
    key = at(place, "columns").key(KEYS)
    store.put(place.bucket, key, b"{}")
    done = made.deliver(place, "columns")
    assert done is not None
    assert done.sent == 1
    assert store.get(place.bucket, key) == (made.folder("columns") / KEYS).read_bytes()


def test_a_release_that_is_recalled_on_its_way_gets_its_notice(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
) -> None:
    """The notice appears at the site while objects are written, and lies in the store when the command ends."""
    notice = made.folder() / RECALL

    def recall(method: str, path: str, _n: int) -> Fault | None:
        return Fault(then=lambda: notice.write_text("{}")) if method == "PUT" and path.endswith(MANIFEST) else None

    try:
        with store.failing(recall):
            assert made.deliver(place) is None
    finally:
        notice.unlink()
    assert store.get(place.bucket, at(place).key(RECALL)) == b"{}"


def test_of_a_recalled_release_only_the_notice_is_delivered(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
) -> None:
    """Who has the release is told; where it never was, nothing comes."""
    made.deliver(place)
    notice = made.folder() / RECALL
    notice.write_text("{}")
    try:
        with store.failing(lambda *_: None):
            assert made.deliver(place) is None
            assert [path for verb, path in store.met if verb == "PUT"] == [f"/{place.bucket}/{at(place).key(RECALL)}"]
        with pytest.raises(ReleaseError, match="no notice of recall was put there"):
            made.deliver(Place(place.bucket, "elsewhere"))
    finally:
        notice.unlink()
    with pytest.raises(ReleaseError, match="was recalled"):
        made.read(at(place))


# Reading a release


@pytest.mark.parametrize("change", ["swapped", "cut", "removed", "added"])
def test_what_changed_after_delivery_is_found(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
    change: str,
) -> None:
    """By who verifies it in the store, and by the next delivery of the site, which restores only what is missing."""
    made.deliver(place)
    key = at(place).key("data/patients/part-00000.parquet")
    data = store.get(place.bucket, key)
    if change == "removed":
        store.client.delete_object(Bucket=place.bucket, Key=key)
    elif change == "added":
        store.put(place.bucket, at(place).key("more.txt"), b"read me")
    else:
        store.put(place.bucket, key, bytes(len(data)) if change == "swapped" else data[:-1])

    def faults() -> list[str]:
        try:
            with fetched(at(place)) as folder:
                return [fault.message for fault in verify_release(folder).faults]
        except ReleaseError as fault:
            return [fault.message]

    assert any("part-00000.parquet" in told or "not listed" in told for told in faults())
    if change == "removed":
        made.deliver(place)
        assert faults() == []
    else:
        with pytest.raises(ReleaseError):
            made.deliver(place)


def test_what_was_verified_is_what_is_read(
    store: Store,  # noqa: F811
    made: Made,
    place: Place,
) -> None:
    """An exchange in the store after fetching changes nothing; the copy, and what a killed one left, is gone at the end."""
    made.deliver(place)
    left = cache_folder() / ".fetched-0123456789abcdef"
    left.mkdir(parents=True)
    (left / MANIFEST).write_text("{}")
    with fetched(at(place)) as folder:
        opened = open_release(folder, [made.world.site.researcher])
        for key in store.keys(place.bucket):
            store.put(place.bucket, key, b"")
        assert opened.read("patients").num_rows == 2
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / MANIFEST).stat().st_mode) == 0o600
    assert list(cache_folder().iterdir()) == []


def test_an_object_that_grew_is_not_fetched(store: Store, made: Made, place: Place) -> None:  # noqa: F811
    """Whoever may write to the store cannot fill a recipient's disk."""
    made.deliver(place)
    store.put(place.bucket, at(place).key("codebook.md"), bytes(1 << 20))
    with pytest.raises(ReleaseError, match="1,048,576 bytes"), fetched(at(place)):
        pass


# Leftovers


def test_leftovers_are_listed_and_cleaned(store: Store, made: Made, place: Place) -> None:  # noqa: F811
    """A half-delivered release is deleted when it is old or nobody delivers; a whole one and strangers' objects stay."""
    made.deliver(place)
    made.deliver(place, "columns")
    store.client.delete_object(Bucket=place.bucket, Key=at(place).key(MANIFEST))
    store.put(place.bucket, f"{place.prefix}/study-columns/r1\x1b[2J/{MANIFEST}", b"")  # what a terminal would obey
    found = {one.release: one for one in lying(settings(), place)}
    assert sorted(found) == ["study-columns/r1", "study-portable/r1"]
    assert [found[f"study-{profile}/r1"].is_whole for profile in ("portable", "columns")] == [False, True]
    now = datetime.now(UTC)
    with pytest.raises(ReleaseError, match="a whole release"):
        clean(settings(), at(place, "columns"), now=now, at_once=True)
    with pytest.raises(ReleaseError, match="younger than a day"):
        clean(settings(), at(place), now=now)
    with pytest.raises(ReleaseError, match="no release has"):
        clean(settings(), place, now=now, at_once=True)
    assert clean(settings(), at(place), now=now + timedelta(days=2)) == found["study-portable/r1"].objects
    assert [one.release for one in lying(settings(), place)] == ["study-columns/r1"]
