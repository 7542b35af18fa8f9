"""E-mail addresses: whether mail could be sent there; imported when first asked."""


def is_email(text: str) -> bool:
    """Whether this is one address and nothing else. No name server is asked: an address that is right
    stays right while the network is down, and .test, which no server knows, is what stories use."""
    from email_validator import EmailNotValidError, validate_email

    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True
