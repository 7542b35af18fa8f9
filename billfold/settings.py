"""Every setting once: a flag wins over BILLFOLD_…, that over the data folder's billfold.toml."""

import os
import tomllib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from billfold.kit.errors import Unusable
from billfold.kit.policy import LIMITS, POLICIES, Limits

PREFIX = "BILLFOLD_"
FILE = "billfold.toml"
YES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Settings:
    host: str = "127.0.0.1"
    port: int = 8080
    # Key, certificates, files and, without a database URL, the SQLite databases.
    data: str = ".billfold"
    # postgresql://…; empty: SQLite in the data folder.
    database: str = ""
    policy: str = "sandbox"
    # Does this process work on the agenda (settlement, deliveries)?
    worker: bool = True
    # API processes; more than one needs PostgreSQL.
    workers: int = 1
    # PostgreSQL only: connections of each process, and seconds it waits (see `policy.Limits`).
    connections: int = LIMITS.connections
    connect_seconds: int = LIMITS.connect_seconds
    statement_seconds: int = LIMITS.statement_seconds
    lock_seconds: int = LIMITS.lock_seconds
    # "problems": errors, answers above 499 and slow ones; "requests": every request.
    log: str = "problems"
    slow_milliseconds: int = 1000
    # Makes ids, codes and keys reproducible; in a sandbox only.
    seed: int = -1
    # The code of every MFA message, for scripts that cannot read the inbox; in a sandbox only.
    mfa_code: str = ""
    # Where clients reach this server; empty: as each of them addresses it.
    public_url: str = ""

    @property
    def folder(self) -> Path:
        return Path(self.data)

    @property
    def limits(self) -> Limits:
        return Limits(self.connections, self.connect_seconds, self.statement_seconds, self.lock_seconds)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:{self.folder / 'billfold.db'}"


def load(**flags: Any) -> tuple[Settings, dict[str, str]]:
    """The settings and where each came from. A flag that was not given is None."""
    hints = get_type_hints(Settings)
    found: dict[str, Any] = {}
    origins: dict[str, str] = {}
    data = flags.get("data") or os.environ.get(f"{PREFIX}DATA") or ".billfold"
    written = _written(Path(data) / FILE)
    for each in fields(Settings):
        name, variable = each.name, f"{PREFIX}{each.name.upper()}"
        if flags.get(name) is not None:
            value, origin = flags[name], f"--{name.replace('_', '-')}"
        elif variable in os.environ:
            value, origin = os.environ[variable], variable
        elif name in written:
            value, origin = written.pop(name), str(Path(data) / FILE)
        else:
            assert each.default is not MISSING
            value, origin = each.default, "default"
        written.pop(name, None)
        found[name] = _turn(name, value, hints[name], origin)
        origins[name] = origin
    if written:
        raise Unusable(f"{Path(data) / FILE} names settings that do not exist: {', '.join(written)}")
    settings = Settings(**found)
    _check(settings)
    return settings, origins


def to_environment(settings: Settings) -> dict[str, str]:
    """The same settings as BILLFOLD_… variables, for processes started from this one."""
    return {
        f"{PREFIX}{each.name.upper()}": str(getattr(settings, each.name)) for each in fields(settings)
    }


def _written(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} cannot be read: {error}") from None


def _turn(name: str, value: Any, kind: type, origin: str) -> Any:
    try:
        if kind is bool and not isinstance(value, bool):
            return YES[str(value).lower()]
        return kind(value)
    except (ValueError, KeyError):
        raise Unusable(f"{name} of {origin} must be {kind.__name__}, not {value!r}") from None


def _check(settings: Settings) -> None:
    if settings.policy not in POLICIES:
        raise Unusable(f"policy must be one of {', '.join(POLICIES)}, not {settings.policy!r}")
    if settings.log not in ("problems", "requests"):
        raise Unusable(f"log must be problems or requests, not {settings.log!r}")
    if settings.database and not settings.database.startswith(("postgresql://", "postgres://")):
        raise Unusable("database must be a postgresql:// URL; without one SQLite is used")
    if settings.database.count("@") > 1 or not _is_read(settings.database):
        raise Unusable(
            "database: not a URL that PostgreSQL reads; in user and password %, @, / and spaces are"
            " written as %25, %40, %2F and %20"
        )
    if not 0 <= settings.port <= 65535:
        raise Unusable(f"port must be 0 to 65535, not {settings.port}")
    if settings.public_url and not settings.public_url.startswith(("http://", "https://")):
        raise Unusable("public_url must begin with http:// or https://")
    if settings.workers < 1:
        raise Unusable(f"workers must be 1 or more, not {settings.workers}")
    for name in ("connections", "connect_seconds", "statement_seconds", "lock_seconds"):
        if getattr(settings, name) < 1:
            raise Unusable(f"{name} must be 1 or more, not {getattr(settings, name)}")
    if settings.workers > 1 and not settings.database:
        raise Unusable("SQLite has one writing process: --workers needs --database postgresql://…")
    sandbox = POLICIES[settings.policy].controlled
    if not sandbox and (settings.seed >= 0 or settings.mfa_code):
        raise Unusable("seed and mfa_code are for sandboxes only")
    if settings.mfa_code and not (len(settings.mfa_code) == 6 and settings.mfa_code.isdigit()):
        raise Unusable("mfa_code must be six digits")


def _is_read(url: str) -> bool:
    """Whether libpq reads it; what it says about a wrong one is not told, since it quotes passwords."""
    if not url:
        return True
    import psycopg

    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False
    return True
