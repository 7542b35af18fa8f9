"""Money: whole cents inside, a JSON number with two decimals outside; turned only here.

The wire's numbers are read and written as Decimal, so no float ever holds an amount. Every currency
has hundredths, because the wire has two decimals for all of them.
"""

from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation

from billfold.kit.errors import INVALID_VALUE, Refusal

AMOUNT_MAX = Decimal("99999999999.99")
CENT, MILLIONTH = Decimal("0.01"), Decimal("0.000001")
_TRAPS = [Inexact, InvalidOperation]
# As many digits as fit before and behind the point: more of either is refused, never rounded.
_CENTS = Context(prec=13, traps=_TRAPS)
_MILLIONTHS = Context(prec=17, traps=_TRAPS)
_ROUNDING = Context(prec=40, rounding=ROUND_HALF_UP)


def to_cents(amount: Decimal, name: str = "amount") -> int:
    """A third decimal is refused, never rounded: the caller meant something we cannot keep."""
    try:
        return int(_CENTS.quantize(amount, CENT) * 100)
    except (InvalidOperation, Inexact, ValueError):
        raise Refusal(
            INVALID_VALUE, f"{name}: numeric value out of bounds (<11 digits>.<2 digits> expected)"
        ) from None


def text_to_cents(text: str) -> int:
    """What a list is filtered by."""
    return to_cents(Decimal(text))


def to_amount(cents: int) -> Decimal:
    return CENT * cents


def to_quantity(value: Decimal, name: str) -> Decimal:
    """Quantities and prices keep six decimals."""
    try:
        if not _MILLIONTHS.quantize(value, MILLIONTH).is_finite():
            raise ValueError
    except (InvalidOperation, Inexact, ValueError):
        raise Refusal(
            INVALID_VALUE, f"{name}: numeric value out of bounds (<11 digits>.<6 digits> expected)"
        ) from None
    return plain(value)


def plain(value: Decimal) -> Decimal:
    """Without an exponent, idle zeros or a minus before nothing, as people write it: 100000, not 1E+5
    or 100000.000."""
    if not value:
        return Decimal(0)
    text = str(value)
    if "E" not in text and ("." not in text or text[-1] != "0"):
        return value
    return Decimal(format(value.normalize(), "f"))


def times(quantity: Decimal, price: Decimal, name: str = "amount") -> int:
    """Quantity times price in cents, half a cent up: the only rounding there is."""
    return to_cents(_ROUNDING.quantize(_ROUNDING.multiply(quantity, price), CENT), name)
