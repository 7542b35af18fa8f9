"""The audit trail: who changed which fields, when, from what to what. No rule mentions it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from billfold.kit.tables import Owned, table
from billfold.kit.work import Work

HIDDEN = "(hidden)"


class Change(msgspec.Struct, omit_defaults=True, frozen=True):
    """A field's values before and after, as JSON has them; what is sealed is not shown."""

    field: str
    before: Any = None
    after: Any = None


@table("audit_entries", ids="audit_entry", by=["subject_id"])
class AuditEntry(Owned, frozen=True):
    """What one unit of work changed of one row."""

    subject_id: str
    user_id: str
    changes: list[Change]


def write_traces(work: Work) -> None:
    traces, work.traces = work.traces, {}
    for id, fields in traces.items():
        changes = [
            Change(name, _shown(before), _shown(after))
            for name, (before, after) in fields.items()
            if before != after
        ]
        if changes:
            work.add(AuditEntry, subject_id=id, user_id=work.user_id, changes=changes)


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, (int, str)):
        return value  # As nearly all are.
    if isinstance(value, bytes):
        return HIDDEN
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.asdict(value).items()
        return {name: _shown(inner) for name, inner in fields if inner is not None}
    if isinstance(value, list):
        return [_shown(inner) for inner in value]
    if isinstance(value, (date, datetime, Decimal)):
        return str(value)
    return value
