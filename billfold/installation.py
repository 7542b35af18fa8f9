"""An installation: whether there is anything of it yet, and the key with which that is sealed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from billfold import migrations
from billfold.kit import secrets
from billfold.kit.errors import Unusable
from billfold.kit.policy import POLICIES
from billfold.kit.secrets import Secrets
from billfold.settings import Settings


def check_begun(settings: Settings) -> None:
    """Raises Unusable where nothing was ever kept: somebody means another place."""
    if settings.database:
        if not migrations.is_begun(settings.database):
            raise Unusable("there is no data in this database: name the right one with --database")
    elif not settings.database_file.exists():
        raise Unusable(f"there is no data in {settings.folder}: name its folder with --data")


def secrets_of(settings: Settings) -> Secrets:
    """Where there is no key a sandbox makes one, unless there is data: that was sealed with another,
    and a backup would keep the new one, which opens nothing."""
    makes_key = POLICIES[settings.policy].makes_key
    with usable(settings.folder):
        return secrets.load(
            settings.folder, lambda: makes_key and not migrations.is_begun(settings.database_url)
        )


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """What the system has against it is said of the data folder."""
    try:
        yield
    except OSError as error:
        raise Unusable(f"the data folder {folder} cannot be used: {error}") from None
