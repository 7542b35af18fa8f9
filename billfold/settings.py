"""Every setting once: a flag wins over BILLFOLD_…, that over the data folder's billfold.toml."""

import os
import re
import tomllib
from dataclasses import MISSING, dataclass, fields, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import SplitResult, urlsplit

from billfold.kit.addresses import is_address, is_loopback
from billfold.kit.errors import Unusable
from billfold.kit.policy import LIMITS, POLICIES, Limits, Policy, is_name

PREFIX = "BILLFOLD_"
FILE = "billfold.toml"
SECRET = {"database", "sms_token", "smtp", "control"}
CONTROL_CHARACTERS_MIN = 16
# The least and the most that each number may be.
BOUNDS = {
    "port": (0, 65_535),
    "open_environments": (1, 1_000),
    "environment_connections": (1, 1_000),
    "workers": (1, 1_000),
    "connections": (1, 1_000),
    "connect_seconds": (1, 3_600),
    "statement_seconds": (1, 3_600),
    "lock_seconds": (1, 3_600),
    "slow_milliseconds": (0, 3_600_000),
    "seed": (-1, 2**63 - 1),
    "sign_in_failures": (0, 1_000),
    "sign_in_pause": (1, 525_600),  # A year.
}
# Seconds between two attempts to deliver; more is a day on which nobody is told.
WAIT = re.compile("[0-9]{1,5}")
WAIT_MAX = 86_400
SECOND_FACTORS = ("sms", "totp", "both")
# Addresses that stand for all of this machine's, and how it finds itself there.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)*{_LABEL}")
VISIBLE = re.compile("[!-~]+")
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
    # BILL's documented rates also in a sandbox, where otherwise nobody is slowed down.
    strict: bool = False
    # Environments beside the first that are open at once, and of each on PostgreSQL the connections.
    open_environments: int = 64
    environment_connections: int = 2
    # Whether what is committed outlives the machine; in a sandbox it may be the process and no more.
    durable: bool = True
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
    # Where the world finds this server, https://host; empty: what it listens on. Links begin with it.
    public_url: str = ""
    # PEM files with which it speaks https itself.
    certificate: str = ""
    certificate_key: str = ""
    # In a sandbox: https with certificates of a local authority, renewed every 90 days of its clock.
    tls: bool = False
    # Other names by which clients find this server, with commas between; name=environment leads there.
    hosts: str = ""
    # With this token the control API is open to other machines; without one to this machine alone.
    control: str = ""
    # The address or network of a proxy that speaks https for it; what comes otherwise is refused.
    trusted_proxy: str = ""
    # Wrong passwords in a row that lock a login, and for how many minutes; 0: nobody is locked out.
    sign_in_failures: int = 5
    sign_in_pause: int = 15
    # How people prove who they are beside a password: sms (texts and calls), totp (an app), or both.
    second_factor: str = "sms"
    # The gateway that carries texts and calls, and the token it knows us by (docs/messages.md).
    sms_url: str = ""
    sms_token: str = ""
    # smtp://user:password@host:587 (STARTTLS) or smtps://…, and whose mails they are.
    smtp: str = ""
    mail_from: str = ""
    # Seconds that a notification waits after each failed attempt, with commas between; after the last
    # one its subscription is disabled.
    webhook_waits: str = "2,4,8,16"
    # Notifications have the headers of Standard Webhooks beside BILL's.
    standard_webhooks: bool = False
    # A page on which anybody may found an organization; a sandbox has it always.
    signup: bool = False

    @property
    def folder(self) -> Path:
        return Path(self.data)

    @property
    def limits(self) -> Limits:
        return Limits(
            self.connections,
            self.connect_seconds,
            self.statement_seconds,
            self.lock_seconds,
            self.durable,
        )

    @property
    def first(self) -> str:
        """The name of the first environment."""
        return self.policy

    @property
    def base_url(self) -> str:
        """Without a slash at its end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        return f"{'https' if self.speaks_tls else 'http'}://{self.reached}:{self.port}"

    @property
    def reached(self) -> str:
        """Where this machine finds it, as a URL has it."""
        return EVERYWHERE.get(self.host, self.host)

    @property
    def speaks_tls(self) -> bool:
        return self.tls or bool(self.certificate)

    @property
    def environment_of(self) -> dict[str, str]:
        """The names of `hosts`, and to which environment each leads."""
        pairs = (each.partition("=") for each in self.hosts.split(",") if each.strip())
        return {
            host.strip().lower(): name.strip() if leads else self.first for host, leads, name in pairs
        }

    @property
    def certified(self) -> list[str]:
        """Names and addresses beside this machine's own that a local authority vouches for."""
        others = [] if self.host in EVERYWHERE else [self.host.partition("%")[0].lower()]
        if public := urlsplit(self.public_url).hostname:
            others.append(public)
        return [*self.environment_of, *others]

    def policy_of(self, name: str = "", under: str = "") -> Policy:
        """What an environment allows, which is the first or lies under a path of this server."""
        policy = POLICIES[name or self.policy]
        return replace(
            policy,
            fixed_code=(policy.controlled and self.mfa_code) or None,
            limits_rates=policy.limits_rates or self.strict,
            texts=policy.keeps_messages or bool(self.sms_url and self.second_factor != "totp"),
            mails=policy.keeps_messages or bool(self.smtp),
            authenticators=self.second_factor != "sms",
            sign_up=policy.sign_up or self.signup,
            webhook_waits=tuple(map(int, self.webhook_waits.split(","))),
            standard_webhooks=self.standard_webhooks,
            sign_in_failures_max=self.sign_in_failures,
            sign_in_pause_minutes=self.sign_in_pause,
            base_url=self.base_url + under,
            public_url=(self.public_url.rstrip("/") + under) if self.public_url else None,
            hosts=frozenset(self.environment_of),
            control_token=self.control,
        )

    @property
    def database_file(self) -> Path:
        """SQLite's."""
        return self.folder / "billfold.db"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:{self.database_file}"


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
    except (OSError, ValueError) as error:
        raise Unusable(f"{path} cannot be read: {error}") from None


def _turn(name: str, value: Any, kind: type, origin: str) -> Any:
    try:
        if kind is bool and not isinstance(value, bool):
            return YES[str(value).lower()]
        if name == "hosts" and isinstance(value, dict):  # A table of the file.
            return ",".join(f"{host}={_plain(found)}" for host, found in value.items())
        if isinstance(value, dict | list) or (kind is int and isinstance(value, bool | float)):
            raise ValueError
        return kind(value)
    except (ValueError, KeyError):
        raise Unusable(f"{name} of {origin} must be {kind.__name__}, not {value!r}") from None


def _plain(environment: Any) -> str:
    """A name without quotes is a table within a table to TOML."""
    if not isinstance(environment, str):
        raise ValueError
    return environment


def _check(settings: Settings) -> None:
    if settings.policy not in POLICIES:
        raise Unusable(f"policy must be one of {', '.join(POLICIES)}, not {settings.policy!r}")
    if settings.log not in ("problems", "requests"):
        raise Unusable(f"log must be problems or requests, not {settings.log!r}")
    if not settings.host:  # An empty line of a file is no wish to be found by everybody.
        raise Unusable("host must be an address to listen on: 0.0.0.0 is all of this machine's")
    if settings.database and not settings.database.startswith(("postgresql://", "postgres://")):
        raise Unusable("database must be a postgresql:// URL; without one SQLite is used")
    if settings.database.count("@") > 1 or not _is_read(settings.database):
        raise Unusable(
            "database: not a URL that PostgreSQL reads; in user and password %, @, / and spaces are"
            " written as %25, %40, %2F and %20"
        )
    for name, (least, most) in BOUNDS.items():
        if not least <= (given := getattr(settings, name)) <= most:
            raise Unusable(f"{name} must be {least} to {most}, not {given}")
    if settings.workers > 1 and not settings.database:
        raise Unusable("SQLite has one writing process: --workers needs --database postgresql://…")
    sandbox = POLICIES[settings.policy].controlled
    if not sandbox:
        _check_durable(settings)
    if not sandbox and (settings.seed >= 0 or settings.mfa_code):
        raise Unusable("seed and mfa_code are for sandboxes only")
    if settings.mfa_code and not (len(settings.mfa_code) == 6 and settings.mfa_code.isdigit()):
        raise Unusable("mfa_code must be six digits")
    waits = settings.webhook_waits.split(",")
    if not all(WAIT.fullmatch(each) and 0 < int(each) <= WAIT_MAX for each in waits):
        raise Unusable("webhook_waits must be seconds from 1 to 86400 with commas between: 2,4,8,16")
    _check_surroundings(settings)


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


def _check_surroundings(settings: Settings) -> None:
    """Certificates, proxy, gateway and mail server, as far as their form goes."""
    public, gateway, mail = (_parts(settings, name) for name in ("public_url", "sms_url", "smtp"))
    whole = public.scheme in ("http", "https") and public.hostname and public.path in ("", "/")
    if settings.public_url and (not whole or public.query or public.username):
        raise Unusable("public_url must be https://host or https://host:port, without a path")
    if bool(settings.certificate) != bool(settings.certificate_key):
        raise Unusable("certificate and certificate_key go together")
    if settings.tls and settings.certificate:
        raise Unusable("tls makes certificates of its own: it does not go with certificate")
    if settings.tls and not POLICIES[settings.policy].controlled:
        raise Unusable("tls is for sandboxes: production needs certificate and certificate_key")
    if settings.control and not (
        len(settings.control) >= CONTROL_CHARACTERS_MIN and VISIBLE.fullmatch(settings.control)
    ):
        raise Unusable("control must be a token of 16 visible ASCII characters or more")
    hosts = settings.environment_of
    if len(hosts) != sum(bool(each.strip()) for each in settings.hosts.split(",")):
        raise Unusable("hosts names a host twice")
    for host, environment in hosts.items():
        number = host.rpartition(".")[2].isdigit()
        if number or not HOST_NAME.fullmatch(host) or not is_name(environment):
            raise Unusable(
                "hosts must be names, each alone or as name=environment, with commas between, not"
                f" {host}={environment}"
            )
    for name in settings.certified if settings.tls else ():
        if not HOST_NAME.fullmatch(name) and not is_address(name):
            raise Unusable(f"tls cannot vouch for {name!r}: host and public_url need a plain name")
    if settings.second_factor not in SECOND_FACTORS:
        raise Unusable(f"second_factor must be one of {', '.join(SECOND_FACTORS)}")
    if settings.sms_url and not (gateway.scheme in ("http", "https") and gateway.hostname):
        raise Unusable("sms_url must be the http:// or https:// URL of an SMS gateway")
    if settings.smtp and not (mail.scheme in ("smtp", "smtps") and mail.hostname):
        raise Unusable("smtp must be smtp://user:password@host:587 or smtps://…")
    if settings.smtp and "@" not in settings.mail_from:
        raise Unusable("smtp needs mail_from, the address that mails are from")
    try:
        for each in settings.trusted_proxy.split(",") if settings.trusted_proxy else ():
            ip_network(each.strip())
    except ValueError:
        raise Unusable("trusted_proxy must be an address or a network such as 10.0.0.0/8") from None


def _parts(settings: Settings, name: str) -> SplitResult:
    """Of a URL whose port there is, if it names one."""
    try:
        parts = urlsplit(getattr(settings, name))
        _ = parts.port
    except ValueError:
        raise Unusable(f"{name} is no URL: there can be no such host or port") from None
    return parts


def _check_durable(settings: Settings) -> None:
    if not settings.durable:
        raise Unusable("production needs what it commits to outlive the machine: leave durable true")


def check_production(settings: Settings, policy: str = "") -> None:
    """What must be there before somebody's real books are served; a sandbox needs none of it. Of
    another environment than the first the policy is said.

    Raises Unusable with what is missing, in one sentence."""
    if POLICIES[policy or settings.policy].controlled:
        return
    _check_durable(settings)
    if not settings.certificate and not settings.trusted_proxy:
        raise Unusable(
            "production needs https: set certificate and certificate_key (PEM files), or trusted_proxy"
            " (the address of a proxy that speaks https for it)"
        )
    if not settings.sms_url and settings.second_factor != "totp":
        raise Unusable(
            "production needs a second factor: set sms_url (an SMS gateway) or second_factor = totp"
            " (an authenticator app)"
        )
    gateway = urlsplit(settings.sms_url)
    near = is_loopback(gateway.hostname or "localhost")
    if settings.public_url.startswith("http:") or (gateway.scheme == "http" and not near):
        raise Unusable("production needs https: public_url and sms_url must begin with https://")
    if settings.signup and not settings.smtp:
        raise Unusable("signup needs smtp: who signs up must prove whose e-mail address it is")
