"""Telephone numbers as people write them, and as networks want them; imported when first asked."""


def us_number(text: str) -> str | None:
    """E.164 of a US number of ten digits, with or without +1 and punctuation; None for what is none."""
    import phonenumbers

    try:
        found = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return None
    if found.country_code != 1 or found.extension or not phonenumbers.is_possible_number(found):
        return None
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
