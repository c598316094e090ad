"""[recovery]: what a run does about faults of the bench itself."""

from __future__ import annotations

from pydantic import Field

from hil.rig.schema.base import Table


class RecoveryFile(Table):
    """What a run does about faults of the bench itself; a virtual bench has none, and takes no notice."""

    retries: int = Field(
        default=1,
        ge=0,
        le=5,
        description="how often a case is begun again when an instrument failed before the case itself began",
    )
    give_up_after: int = Field(
        default=3,
        ge=1,
        le=100,
        description="cases in a row that a fault of the bench ended, after which it runs no more (circuit breaker)",
    )
