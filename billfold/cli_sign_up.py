"""`billfold signup` and `billfold invite`: how the first come in, and those whom no mail reaches."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from billfold.cli_data import AsJson, Data, Database, Env, PolicyName, new_password, on_data, plainly
from billfold.kit.errors import Unusable
from billfold.settings import Settings, load


@plainly
def sign_up(
    organization: Annotated[str, typer.Option(prompt="Organization", help="Its name.")],
    first_name: Annotated[str, typer.Option(prompt="First name")],
    last_name: Annotated[str, typer.Option(prompt="Last name")],
    email: Annotated[str, typer.Option(prompt="E-mail address", help="It is also the user name.")],
    phone: Annotated[
        str | None, typer.Option(help="For codes, US; without one an authenticator app is set up.")
    ] = None,
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Make an organization, its administrator, a developer key and a second factor.

    You accept the terms for the administrator and vouch for address and phone. The password is asked
    for, or BILLFOLD_PASSWORD. Key and app secret are shown this once."""
    from billfold.access.sign_up import Applicant
    from billfold.access.sign_up import sign_up as make

    settings, _ = load(data=data, database=database, policy=policy)
    number = _phone(settings, phone)
    applicant = Applicant(organization, first_name, last_name, email, number)
    password = new_password("BILLFOLD_PASSWORD", email)
    made = on_data(
        settings, lambda environment: make(environment, applicant, password), env, begins=True
    )
    shown = {
        "organizationId": made.organization_id, "userId": made.user_id, "username": made.username,
        "devKey": made.developer_key,
    }  # fmt: skip
    if number:
        shown["phone"] = number
    if made.authenticator_uri:
        shown |= {"secret": made.authenticator_secret or "", "authenticator": made.authenticator_uri}
    if as_json:
        print(json.dumps(shown, indent=2))
        return
    for name, value in shown.items():
        print(f"{name:14} {value}")
    if made.authenticator_uri:
        print("\nGive the secret to the app; neither it nor the devKey is shown again.")
        if sys.stdout.isatty():
            import segno

            segno.make(made.authenticator_uri).terminal(compact=True)


def _phone(settings: Settings, phone: str | None) -> str | None:
    """E.164, or None where an authenticator does it."""
    from billfold.kit.phones import us_number

    policy = settings.policy_of()
    if phone is None and policy.authenticators:
        return None
    if not policy.texts:
        raise Unusable(
            "no codes can be sent to a phone: set sms_url, or second_factor = totp without --phone"
        )
    number = us_number(phone or typer.prompt("Phone for codes (US)"))
    if number is None:
        raise Unusable("phone must be a US phone number of ten digits")
    return number


@plainly
def invite(
    organization: Annotated[str, typer.Option(help="The organization's id.")],
    email: Annotated[str, typer.Option(help="The user's e-mail address.")],
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    env: Env = None,
) -> None:
    """Print a new link by which a user sets a password; links made before end."""
    from billfold.access import invitations

    settings, _ = load(data=data, database=database, policy=policy)
    print(
        on_data(
            settings,
            lambda environment: environment.write(
                lambda work: invitations.link_for(work, organization, email)
            ),
            env,
        )
    )


@plainly
def verify(
    organization: Annotated[str, typer.Option(help="The organization's id.")],
    data: Data = None,
    database: Database = None,
    policy: PolicyName = None,
    env: Env = None,
) -> None:
    """Vouch for an organization that signed up itself: from then on it may move money."""
    from billfold.access import verifications

    settings, _ = load(data=data, database=database, policy=policy)
    on_data(
        settings,
        lambda environment: environment.write(lambda work: verifications.vouch_for(work, organization)),
        env,
    )
    print(f"{organization} may move money")
