"""What v2 says in other words than the catalog, or under another code: clients match on them.

Where the contract (`v2.yaml`, error_catalog) lets a text end in names and values, ours does.
"""

from billfold.kit import errors
from billfold.kit.errors import Problem

# For problems without a code, of which v2 has none: "unknown failure; often a misspelt parameter or
# malformed object".
NO_CODE = "BDC_1002"

OTHERWISE = {
    # Two blanks after the first sentence; programs that read it log in again.
    errors.SESSION_INVALID: Problem("BDC_1109", 401, "Session is invalid.  Please log in."),
    errors.BAD_ORGANIZATION: Problem("BDC_1129", 400, "Invalid value for parameter: orgId, {}."),
    errors.MALFORMED: Problem(NO_CODE, 400, "The request could not be understood: {}."),
    errors.INVALID_PARAMETER: Problem("BDC_1129", 400, "Invalid value for parameter: {}."),
    errors.INVALID_FIELD: Problem("BDC_1119", 400, "Invalid value for field: {}."),
    errors.INVALID_VALUE: Problem("BDC_1143", 400, "Invalid data: {}."),
    errors.NOT_JSON: Problem("BDC_1122", 400, "The data could not be read as JSON: {}."),
    # What was asked for by its id, and what only refers to it (v3: BDC_1205, for both).
    errors.NOT_FOUND: Problem("BDC_1120", 404, "No data found: {}."),
    errors.NO_SUCH_REFERENCE: Problem("BDC_1119", 422, "Invalid value for field: {}"),
    # Clients look for the number.
    errors.RATE_REACHED: Problem(
        "BDC_1144", 422, "The limit is reached (20000 requests an hour, 200 of them sign-ins): {}."
    ),
}


def otherwise(problem: Problem) -> Problem:
    return OTHERWISE.get(problem, problem)


def catalogue() -> dict[str, str]:
    """Every code that this server has, with its text, in which "…" stands for names and values.

    One code has one text here, the first of the catalog's."""
    found: dict[str, str] = {}
    for problem in [each for each in vars(errors).values() if isinstance(each, Problem)]:
        words = otherwise(problem)
        if words.code:
            found.setdefault(words.code, words.text.format("…"))
    return dict(sorted(found.items()))
