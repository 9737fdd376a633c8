"""What is in the program, written down: the bill of materials (CycloneDX), and the licences."""

from __future__ import annotations

import datetime
import hashlib
import json
import uuid
from typing import Any

from components import Component
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

LINE = "-" * 100


def materials(version: str, epoch: int, components: list[Component]) -> str:
    """The bill of materials, which is valid by its schema."""
    own = f"pkg:cargo/cronbox@{version}"
    others = [component for component in components if component.purl != own]
    crates = next(component for component in components if component.purl == own)
    separate = [component.purl for component in others if not component.purl.startswith("pkg:cargo/")]
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "application", "bom-ref": own, "name": "cronbox", "version": version, "purl": own,
                          "licenses": [{"license": {"id": "Apache-2.0"}}]},
        },
        "components": [described(component) for component in others],
        "dependencies": [
            {"ref": own, "dependsOn": sorted([*crates.depends, *separate])},
            *({"ref": component.purl, "dependsOn": component.depends} for component in others),
        ],
    }
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()
    document["serialNumber"] = f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}"
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise ValueError(f"the bill of materials is not valid: {problem}")
    return text


def described(component: Component) -> dict[str, Any]:
    """A component as CycloneDX has it."""
    entry: dict[str, Any] = {
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "purl": component.purl,
        "licenses": [{"expression": component.licence}],
    }
    if component.version:
        entry["version"] = component.version
    if component.hashes:
        entry["hashes"] = [{"alg": algorithm, "content": digest} for algorithm, digest in component.hashes]
    return entry


def licences(components: list[Component]) -> str:
    """The licences of all components. A text that several have is there once."""
    users: dict[str, list[str]] = {}
    for component in components:
        for text in component.texts:
            users.setdefault("\n".join(line.rstrip() for line in text.strip().splitlines()), []).append(component.shown)
    parts = ["Cronbox is under the Apache License 2.0 (LICENSE). It has these components in it:\n"]
    parts += [f"{component.shown}: {component.licence}" for component in components]
    for text, names in sorted(users.items(), key=lambda item: (item[1][0], item[0])):
        parts.append(f"\n{LINE}\n{', '.join(sorted(set(names)))}\n{LINE}\n\n{text}")
    return "\n".join(parts) + "\n"
