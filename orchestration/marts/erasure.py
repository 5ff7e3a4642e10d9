"""Erasing, as a job: dry run, erasure, build of the marts, certificate.

Belongs here: the job, its form, and the order of these steps; the cache.
Does not belong here: what erasing does (``ingest.compliance.erase``).

It lives beside the marts' jobs because the certificate is made after a build of what the erasure marked.
"""

from typing import Any

import dagster as dg
import redis
from pydantic import Field

from database.settings import RetentionSettings
from datalayer import cache, embedded_redis
from ingest.compliance.erase import Eraser, Request, Subject, as_lines
from ingest.errors import InvalidRequestError
from orchestration.marts import ledger
from orchestration.marts.assets import POOL, drain
from orchestration.marts.dbt import FastDbt
from orchestration.resources import PipelineDatabase
from orchestration.settings import RuntimeSettings

CACHE = "cache"


class EraseConfig(dg.Config):
    """Whom or what to erase: one of author (id or handle), tweet, zone."""

    author_id: str = Field(default="", description="The account's numeric id. Surer than the handle, which may change.")
    handle: str = Field(default="", description="The account's handle, if the id is not known; also beside the id.")
    tweet_id: str = Field(default="", description="A tweet's id: the tweet, its versions and its retweets.")
    zone: str = Field(default="", description="A zone's name: the zone, its rules, and what only it collected.")
    reason: str = Field(default="request", description="Why, for the certificate. Name nobody here.")
    dry_run: bool = Field(default=True, description="Only say what would be touched. Set to false to erase.")


@dg.op(pool=POOL)
def erase_everywhere(
    context: dg.OpExecutionContext, config: EraseConfig, dbt: FastDbt, database: PipelineDatabase
) -> None:
    """Erase, build the marts without it, and certify that nothing is left. Idempotent; may be started again."""
    with database.connect(application_name="erase", as_owner=True) as connection:
        eraser = Eraser(connection, RetentionSettings().archive_directory)
        try:
            request = _request(config)
            if config.dry_run:
                figures = eraser.count(request)
                context.log.info("would be erased:\n%s", "\n".join(as_lines(figures)))
                context.add_output_metadata(dict(figures))
                return
            number, subject = eraser.erase(request, reason=config.reason, requested_by=f"dagster run {context.run_id}")
        except InvalidRequestError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        # Everything, since nothing may have been built before; what one build leaves waiting is built after it.
        with dbt.invocation(["run"]) as invocation:
            invocation.wait()
        drain(context.log, connection, dbt, list(ledger.MODELS), down_to=0)
        cached, found_in_cache = _empty_cache(subject)
        certificate = eraser.certify(number, subject, searched={CACHE: cached}, findings=found_in_cache)
    context.add_output_metadata({"erasure_id": number, "searched_rows": sum(certificate.searched.values())})
    if not certificate.is_clean:
        raise dg.Failure(
            f"erasure {number} is done, but not certified: {'; '.join(certificate.findings)}. Cure it, then start the "
            "job again with the same form.",
            allow_retries=False,
        )
    context.log.info("erasure %s is certified; searched: %s", number, certificate.searched)


def _request(config: EraseConfig) -> Request:
    return Request(
        author_id=_number(config.author_id, "author_id"),
        handle=config.handle or None,
        tweet_id=_number(config.tweet_id, "tweet_id"),
        zone=config.zone or None,
    )


def _number(text: str, field: str) -> int | None:
    if text and not text.isdecimal():
        raise InvalidRequestError(f"{field} is {text!r}: give the number")
    return int(text) if text else None


def _empty_cache(subject: Subject) -> tuple[int, list[str]]:
    """Delete all cached copies and look at those that came since; return how many, and what was found in them."""
    settings = RuntimeSettings()
    url = settings.redis_url
    if url is None:
        planned = embedded_redis.plan(settings.state_dir)
        if isinstance(planned, embedded_redis.NotServed) or not embedded_redis.is_answering(planned):
            return 0, []
        url = planned.url
    try:
        cache.forget_all(url)
        count, found = cache.search(url, subject.sought.is_in)
    except redis.RedisError as error:
        return 0, [f"{CACHE}: the server did not answer ({type(error).__name__}), copies may live for another hour"]
    return count, [f"{CACHE}: {found} of {count} copies"] if found else []


@dg.job(executor_def=dg.in_process_executor)
def erase() -> None:
    """Erase an author, a tweet or a zone everywhere and certify it; a dry run unless told otherwise."""
    erase_everywhere()


JOBS: list[Any] = [erase]
