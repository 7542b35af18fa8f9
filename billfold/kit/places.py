"""Countries and currencies by their ISO codes, as pycountry lists them; imported when first asked."""

from functools import cache


@cache
def country_name(code: str) -> str | None:
    """The English name of an ISO 3166-1 alpha-2 code, None for one that is no country's."""
    import pycountry

    found = pycountry.countries.get(alpha_2=code)
    return getattr(found, "common_name", found.name) if found else None


@cache
def is_currency(code: str) -> bool:
    """Whether this is an ISO 4217 code."""
    import pycountry

    return pycountry.currencies.get(alpha_3=code) is not None
