"""Export: everything that is an organization's, as of one moment, line by line."""

from collections.abc import Callable

from billfold.access.organizations import Organization
from billfold.carrying.lines import Writer
from billfold.carrying.rows import kinds
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import Unusable
from billfold.kit.work import Work

# Told how many rows there will be, and then of each page of them.
Progress = Callable[[int, int], None]


async def export(
    environment: Environment, organization_id: str, write: Callable[[bytes], object], seen: Progress
) -> int:
    """Write the organization's file; says how many rows it has. Raises Unusable where there is none."""
    return await environment.read_at_length(
        lambda work: _write_all(work, organization_id, Writer(write), seen)
    )


def _write_all(work: Work, organization_id: str, writer: Writer, seen: Progress) -> int:
    stored_clock(work)
    organization = work.connection.first(Organization, id=organization_id)
    if organization is None:
        raise Unusable(
            f"there is no organization {organization_id} here: check the id, --data and --database"
        )
    carried = kinds()
    counts = {name: kind.count(work, organization_id) for name, kind in carried.items()}
    total = sum(counts.values())
    writer.header(organization_id, organization.name, work.now, counts)
    for name, kind in carried.items():
        after = ""
        while page := kind.page(work, organization_id, after):
            for row in page:
                writer.row(name, kind.say(work.secrets, row))
            after = page[-1].id
            seen(writer.rows, total)
    writer.end()
    assert writer.rows == total, "a snapshot has changed while it was read"
    return total
