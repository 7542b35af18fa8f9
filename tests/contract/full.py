"""Asks an answer for every documented field of its schema, but for those absent.toml excuses."""

import functools
import tomllib
from collections.abc import Iterator

from tests.contract.nodes import Node, paths
from tests.contract.reading import HERE, contract


def assert_full(resource_schema_name: str, yaml_file: str, answer: dict) -> None:
    """`assert_full("Vendor", "vendors", answer)`; of each list the first element is looked at."""
    file = yaml_file.removesuffix(".yaml")
    excused = excuses().get(file, {}).get(resource_schema_name, {})
    faults = faults_of(contract().schema(file, resource_schema_name), answer, excused)
    assert not faults, f"{file}.{resource_schema_name}:\n" + "\n".join(faults)


@functools.cache
def excuses() -> dict:
    return tomllib.loads((HERE / "absent.toml").read_text(encoding="utf-8"))


def faults_of(schema: Node, answer: object, excused: dict[str, str]) -> list[str]:
    documented = {path for path, _ in paths(schema)}
    present = set(present_paths(answer))
    missing = documented - present
    faults = [
        f"{path} is documented, but neither present nor listed in absent.toml"
        for path in sorted(missing)
        if not any(parent in missing for parent in parents(path))
        and not any(name in excused for name in (path, *parents(path)))
    ]
    stale, unknown = sorted(excused.keys() & present), sorted(excused.keys() - documented)
    faults += [f"{path} is listed in absent.toml, but present" for path in stale]
    return faults + [f"{path} is listed in absent.toml, but not documented" for path in unknown]


def present_paths(value: object, prefix: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        inside = [(f"{prefix}.{name}".lstrip("."), child) for name, child in value.items()]
    elif isinstance(value, list) and value:
        inside = [(f"{prefix}[]", value[0])]
    else:
        return
    for path, child in inside:
        yield path
        yield from present_paths(child, path)


def parents(path: str) -> list[str]:
    """`a.b[].c` lies in `a`, `a.b` and `a.b[]`."""
    ends = [at for at in range(1, len(path)) if path[at] == "." or path[at : at + 2] == "[]"]
    return [path[:end] for end in ends]
