"""Forms: what stands on each page, said as data; the templates say how it looks."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    label: str
    type: str = "text"
    # What a browser may fill in (the HTML attribute of the same name).
    autocomplete: str = "off"
    hint: str = ""
    required: bool = True
    digits: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    title: str
    intro: str
    fields: tuple[Field, ...]
    button: str
    # Where it goes; empty: to its own address.
    action: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    # What an authenticator app shall learn, shown as a picture and in letters.
    secret: str = ""
    uri: str = ""
    links: tuple[tuple[str, str], ...] = ()
    template: str = "form.html"


@dataclass(frozen=True, slots=True)
class Said:
    """A page on which nothing is asked any more; `shown` is shown this once."""

    title: str
    text: str
    shown: dict[str, str] = field(default_factory=dict)


CHANGE = ("/password", "Change a password")
FORGOT = ("/password/forgot", "Forgotten your password?")

USERNAME = Field("username", "E-mail address or user name", autocomplete="username")
NEW = Field(
    "password", "New password", "password", "new-password",
    "At least 12 characters. Several words that do not belong together make a good one.",
)  # fmt: skip
AGAIN = Field("again", "New password, once more", "password", "new-password")
KNOWN = Field(
    "password", "Your password", "password", "current-password",
    "The one with which you sign in to your other organization.",
)  # fmt: skip
MAILED = Field("mailed", "Code from the mail", autocomplete="off", digits=True)
TEXTED = Field("code", "Code from the text message", autocomplete="one-time-code", digits=True)
SHOWN = Field("code", "Code that the app shows", autocomplete="one-time-code", digits=True)

TERMS = "By going on you accept the terms of whoever runs this server."


def sign_up(phones: bool, apps: bool) -> Form:
    """The first step; a telephone is asked where codes can be sent to one, and need not be given where
    an app will do."""
    phone = Field(
        "phone", "Mobile phone (US)", "tel", "tel",
        "Leave it empty to use an authenticator app." if apps else "Codes go there when you sign in.",
        required=not apps,
    )  # fmt: skip
    return Form(
        "Sign up", f"You get an organization, and a key for your programs. {TERMS}",
        (
            Field("organization", "Organization", autocomplete="organization"),
            Field("first_name", "First name", autocomplete="given-name"),
            Field("last_name", "Last name", autocomplete="family-name"),
            Field("email", "E-mail address", "email", "username", "It becomes your user name."),
            *((phone,) if phones else ()),
            Field(
                "password", "Password", "password", "new-password",
                f"{NEW.hint} If the address has an account here already, its password.",
            ),
        ),
        "Continue",
    )  # fmt: skip


def confirm_sign_up(token: str, secret: str = "", uri: str = "") -> Form:
    intro = "We have sent a code to your e-mail address"
    how = " and one to your phone." if not secret else ". Add the key below to your authenticator app."
    factor = SHOWN if secret else TEXTED
    return Form(
        "Two codes", intro + how, (MAILED, factor), "Finish", "/signup/finish", {"token": token},
        secret, uri,
    )  # fmt: skip


def invitation(
    organization: str, username: str, has_password: bool, secret: str = "", uri: str = ""
) -> Form:
    fields = (KNOWN,) if has_password else (NEW, AGAIN)
    if secret:
        fields = (*fields, SHOWN)
    asked = "Show that it is you" if has_password else "Set a password"
    app = (
        " Add the key below to an authenticator app: it shows a code for each sign-in."
        if secret
        else ""
    )
    return Form(
        f"Welcome to {organization}", f"{asked}. Your user name is {username}.{app} {TERMS}", fields,
        "Accept the invitation", secret=secret, uri=uri,
    )  # fmt: skip


def reset(username: str) -> Form:
    return Form("Set a new password", f"For {username}.", (NEW, AGAIN), "Set the password")


ASK_FOR_RESET = Form(
    "Forgotten password", "We send a link to your e-mail address. It is good for one hour.",
    (USERNAME,), "Send the link", links=(CHANGE,),
)  # fmt: skip
CHANGE_PASSWORD = Form(
    "Change your password", "Whoever is signed in with the old one is signed out.",
    (USERNAME, Field("old", "Old password", "password", "current-password"), NEW, AGAIN),
    "Change the password", links=(FORGOT,),
)  # fmt: skip

SENT = Said(
    "Look into your mail",
    "If this is a user of ours, a link is on its way. It is good for one hour; look into the spam"
    " folder, or ask again after a while.",
)  # fmt: skip
CHANGED = Said(
    "The password was changed", "All sessions have ended. Sign in with the new password from now on."
)
ACCEPTED = Said("You are in", "Sign in with your user name and password from now on.")
