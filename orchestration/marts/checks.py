"""The marts' own proof: each equals a recount of core.

Belongs here: the verification as Dagster asset checks.
Does not belong here: what dbt's tests say (types, keys, ranges), the recounts (``verification.py``).
"""

from collections.abc import Sequence

import dagster as dg

from orchestration.marts.verification import MARTS, RECOUNTED_WHOLE, Mart, Verification, verify
from orchestration.resources import PipelineDatabase


def build_checks(marts: Sequence[Mart] = MARTS) -> list[dg.AssetChecksDefinition]:
    """Return one check for each mart."""
    return [_check(mart) for mart in marts]


def _check(mart: Mart) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(["marts", mart.name]),
        name="equals_recount",
        blocking=False,
        description=(
            "Recounts what was built or changed of late, and a rotating share of all others, straight from core, "
            "in one snapshot. Drift must be 0. All buckets are gone through in every run up to "
            f"{RECOUNTED_WHOLE:,} tweets, then once in {mart.slices} runs."
        ),
        compute_kind="postgres",
    )
    def equals_recount(database: PipelineDatabase) -> dg.AssetCheckResult:
        with database.connect(application_name="verify marts") as connection:
            return _result(verify(connection, mart))

    return equals_recount


def _result(found: Verification) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=found.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description=_description(found),
        metadata={
            "drifted_buckets": found.drifted_bucket_count,
            "checked_buckets": found.checked_bucket_count,
            "slice": found.slice_number + 1,
            "slices": found.slice_count,
            "examples": dg.MetadataValue.md("\n".join(f"- `{example}`" for example in found.examples) or "none"),
        },
    )


def _description(found: Verification) -> str:
    if found.passed:
        return f"{found.checked_bucket_count} buckets equal their recount."
    return (
        f"{found.drifted_bucket_count} of {found.checked_bucket_count} buckets differ from their recount. They are "
        "back on the ledger and the next run of this job rebuilds them; if they differ again, a writer changes core "
        "without leaving marks (look for `ledger.marks = explicit` and for writes straight into a partition)."
    )
