"""Indicative exchange rates: units of a currency per US dollar, with seven decimals."""

from decimal import ROUND_HALF_UP, Decimal

from billfold.kit.errors import NOT_POSSIBLE, Refusal

ONE = 10_000_000

# A sandbox's table: invented, near what the world has seen, and always the same.
PER_DOLLAR = {
    currency: int(Decimal(rate).scaleb(7)) for currency, rate in {
    "USD": "1", "AUD": "1.5234000", "BRL": "5.4120000", "CAD": "1.3725000", "CHF": "0.8841000",
    "CNY": "7.1930000", "CZK": "22.8400000", "DKK": "6.8150000", "EUR": "0.9137204",
    "GBP": "0.7812500", "HKD": "7.8010000", "ILS": "3.7120000", "INR": "83.4500000",
    "JPY": "149.8700000", "KRW": "1342.5000000", "MXN": "18.2340000", "NOK": "10.7420000",
    "NZD": "1.6480000", "PHP": "56.9100000", "PLN": "3.9520000", "SEK": "10.4810000",
    "SGD": "1.3390000", "THB": "34.6700000", "TRY": "34.1200000", "ZAR": "17.8900000",
    }.items()
}  # fmt: skip


def indicative(currency: str) -> int:
    """Ten-millionths of a currency's unit per dollar; raises a refusal for one without a rate."""
    rate = PER_DOLLAR.get(currency)
    if rate is None:
        raise Refusal(NOT_POSSIBLE, f"billCurrency: there is no exchange rate for {currency}")
    return rate


def in_dollars(cents: int, rate: int) -> int:
    """An amount in US cents, half a cent up."""
    if rate == ONE:
        return cents
    return int((Decimal(cents) * ONE / rate).to_integral_value(ROUND_HALF_UP))
