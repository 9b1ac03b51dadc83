"""A Spark session as a run needs it: with the settings that keep what is sealed sealed, and tasks by number."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deid.errors import DEFECT, DocumentError, StorageError
from deid.tasks.worker import ANSWER, TASK, Ticket, answers

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL = re.compile(r"local(\[.*\])?")
# What must hold before a key is given to Spark, each with the reason that is told.
ON_DISK = ("spark.io.encryption.enabled",)
ON_WIRE = ("spark.authenticate", "spark.network.crypto.enabled")
_SECRET = re.compile(r"secret|password|token|access\.?key|credential", re.IGNORECASE)
_DEFECT = re.compile(r"TaskDefectError: (a task failed at [\w.]+(?::\d+| place) with \w+)")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A session on which tasks run."""

    session: SparkSession = field(repr=False)

    def run(self, ticket: Ticket, numbers: Sequence[int]) -> Generator[bytes]:
        """Run tasks, one a partition, and yield the sealed answer of exactly one attempt of each, when all are done.

        Raises StorageError where Spark gave up, VerificationError for a defect.
        """
        if not numbers:
            return
        held = self.session.sparkContext.broadcast(ticket)
        try:
            with _quiet():
                frame = self.session.range(0, len(numbers), 1, len(numbers))
                found = frame.mapInArrow(answers(held, tuple(numbers)), f"{TASK} long, {ANSWER} binary").collect()
        except Exception as error:  # noqa: BLE001 - the text of Spark's errors is never passed on
            raise _given_up(error) from None
        finally:
            held.destroy()
        told = {row[TASK]: bytes(row[ANSWER]) for row in found}
        if sorted(told) != sorted(numbers) or len(found) != len(numbers):
            raise StorageError("Spark answered for other tasks than were asked for", hint=DEFECT)
        for number in numbers:
            yield told.pop(number)


def _given_up(error: Exception) -> StorageError:
    defect = _DEFECT.search(str(error))
    if defect is not None:
        return StorageError(f"{defect[1]}, and so it did whenever Spark tried it again", hint=DEFECT)
    return StorageError(
        f"Spark gave up: {type(error).__name__}",
        hint="see the logs of the driver and of the workers; nothing was published",
    )


@contextmanager
def cluster(master: str | None, settings: Mapping[str, str]) -> Iterator[Cluster]:
    """Yield a cluster on a session of its own, stopped at the end; raise DocumentError where Spark is not set up so.

    `master`: a URL, or None for what Spark's own configuration says. `settings`: of Spark, by name; secrets belong into
    Spark's configuration files.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise DocumentError("Spark is not installed", hint="pip install 'deid[spark]', and a Java runtime") from None
    if any(_SECRET.search(name) for name in settings):
        raise DocumentError(
            "a setting of Spark in the site file holds a secret",
            hint="write it into conf/spark-defaults.conf of SPARK_CONF_DIR, which only its owner may read",
        )
    master = master if master is not None else settings.get("spark.master")
    # Spark reads this one from the environment alone; it names the interpreter of workers, which must have deid.
    os.environ.setdefault("PYSPARK_PYTHON", settings.get("spark.pyspark.python", sys.executable))
    builder = SparkSession.builder.appName("deid")
    chosen = {"spark.master": master} if master is not None else {}
    for name, value in (_usual(master) | dict(settings) | chosen).items():
        builder = builder.config(name, value)
    with _quiet():
        session = builder.getOrCreate()
    try:
        require_sealed(session)
        yield Cluster(session)
    finally:
        session.stop()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what PySpark says of versions of pandas, which no table here passes through."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _usual(master: str | None) -> dict[str, str]:
    """Return what is set unless the site says otherwise: tasks that are long, few and never shown."""
    usual = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    if master is not None and LOCAL.fullmatch(master):
        usual |= {
            "spark.io.encryption.enabled": "true",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        }
    return usual


def require_sealed(session: SparkSession) -> None:
    """Raise DocumentError where Spark would keep or send what tasks need, the run's key among it, in clear.

    On one machine, in one process (local), nothing is sent over a network, so only what is spilled must be sealed.
    """
    context = session.sparkContext
    needed = ON_DISK if LOCAL.fullmatch(str(context.master)) else (*ON_DISK, *ON_WIRE)
    for name in needed:
        if context.getConf().get(name, "false") != "true":
            raise DocumentError(
                f"{name} is not set, so that Spark would keep or send the keys of a run in clear",
                hint=f"set {name} to true in spark-defaults.conf, or below `spark` in the site file",
            )
