"""Pages for people who are not signed in: sign-up, invitation, password. Plain HTML, no script."""

from starlette.requests import Request

from billfold.access import authenticators, invitations, passwords, sign_up
from billfold.access.sign_up import Applicant
from billfold.door import forms
from billfold.door.forms import Form, Said
from billfold.door.page_door import FOLDER, Again, Answer, Asked, PageDoor, Shows, asset
from billfold.door.watch import Watch
from billfold.kit.environment import Environment
from billfold.kit.errors import INVALID_VALUE, NO_SUCH_PAGE, Refusal
from billfold.kit.phones import us_number


class Pages:
    """`under` is what stands before the paths of an environment that is not the first."""

    def __init__(self, environment: Environment, watch: Watch, under: str = "") -> None:
        self.environment = environment
        page = PageDoor(environment, watch, under).form
        self.routes = [
            page("/signup", self._sign_up, self._begin_sign_up),
            page("/signup/finish", self._waiting_sign_up, self._finish_sign_up, ["POST"]),
            page("/invitation/{token}", self._invitation, self._accept),
            page("/password", _always(forms.CHANGE_PASSWORD), self._change_password),
            page("/password/forgot", _always(forms.ASK_FOR_RESET), self._forget_password),
            page("/password/reset/{token}", self._reset, self._reset_password),
            asset("/pages.css", FOLDER / "pages.css", "text/css"),
        ]

    # Signing up

    async def _sign_up(self, request: Request) -> Form:
        policy = self.environment.policy
        if not policy.sign_up:
            raise Refusal(NO_SUCH_PAGE)
        return forms.sign_up(policy.texts, policy.authenticators)

    async def _begin_sign_up(self, request: Request, asked: Asked) -> Form:
        form = await self._sign_up(request)
        number = us_number(asked["phone"]) if asked.get("phone") else None
        if number is None and (asked.get("phone") or _requires(form, "phone")):
            raise Refusal(INVALID_VALUE, "phone: must be a US phone number of ten digits")
        organization, first_name, last_name, email = (
            asked[name].strip() for name in ("organization", "first_name", "last_name", "email")
        )
        applicant = Applicant(organization, first_name, last_name, email, number)
        token = await sign_up.begin(self.environment, applicant, asked["password"])
        return await self._confirming(token)

    async def _waiting_sign_up(self, request: Request) -> Form:
        if not self.environment.policy.sign_up:
            raise Refusal(NO_SUCH_PAGE)
        return forms.confirm_sign_up("")

    async def _confirming(self, token: str) -> Form:
        found = await self.environment.read(lambda work: sign_up.secret_of(work, token))
        if found is None:
            return forms.confirm_sign_up(token)
        secret, name = found
        return forms.confirm_sign_up(token, secret, authenticators.uri(secret, name))

    async def _finish_sign_up(self, request: Request, asked: Asked) -> Answer:
        token = asked.get("token", "")
        form = await self._confirming(token)
        try:
            made = await sign_up.finish(self.environment, token, asked["mailed"], asked["code"])
        except Refusal as refusal:
            raise Again(form, refusal) from None
        shown = {
            "devKey": made.developer_key, "organizationId": made.organization_id,
            "username": made.username, "userId": made.user_id,
        }  # fmt: skip
        text = "Keep the developer key where your programs' secrets are: it is shown only now."
        return Said("You are in", text, shown)

    # Invitations

    async def _invitation(self, request: Request) -> Form:
        token = request.path_params["token"]
        guest = await self.environment.read(lambda work: invitations.guest_of(work, token))
        secret, name = guest.secret or "", guest.login.name
        uri = authenticators.uri(secret, name) if secret else ""
        return forms.invitation(guest.organization.name, name, guest.has_password, secret, uri)

    async def _accept(self, request: Request, asked: Asked) -> Said:
        form = await self._invitation(request)
        if _requires(form, "again"):
            _check_again(asked)
        code = asked.get("code", "").strip()
        token = request.path_params["token"]
        await invitations.accept(self.environment, token, asked["password"], code)
        return forms.ACCEPTED

    # Passwords

    async def _change_password(self, request: Request, asked: Asked) -> Said:
        _check_again(asked)
        await passwords.change(self.environment, asked["username"], asked["old"], asked["password"])
        return forms.CHANGED

    async def _forget_password(self, request: Request, asked: Asked) -> Said:
        name = asked["username"]
        await self.environment.write(lambda work: passwords.forget(work, name))
        return forms.SENT

    async def _reset(self, request: Request) -> Form:
        token = request.path_params["token"]
        login = await self.environment.read(lambda work: passwords.reset_of(work, token))
        return forms.reset(login.name)

    async def _reset_password(self, request: Request, asked: Asked) -> Said:
        await self._reset(request)
        _check_again(asked)
        await passwords.reset(self.environment, request.path_params["token"], asked["password"])
        return forms.CHANGED


def _always(form: Form) -> Shows:
    async def show(request: Request) -> Form:
        return form

    return show


def _check_again(asked: Asked) -> None:
    if asked["password"] != asked.get("again"):
        raise Refusal(INVALID_VALUE, "again: is another password than the one above")


def _requires(form: Form, name: str) -> bool:
    return any(each.name == name and each.required for each in form.fields)
