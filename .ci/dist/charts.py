"""The Helm chart: linted, rendered and packed by Helm's own code, and checked by the schemas of Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml
from components import ROOT
from helm_python.chart import Chart, lint
from tree import Tree, gzipped

CHART = ROOT / "docs/deploy/helm/cronbox"
# The oldest and the newest release of Kubernetes that the manifests are checked for.
KUBERNETES = ["1.29", "1.37"]
# Values with which every template and each of its parts is rendered.
CASES: dict[str, dict[str, Any]] = {
    "one server": {},
    "several": {
        "replicas": 3,
        "database": {"existingSecret": "cronbox-database"},
        "blobs": "s3://jobs/cronbox",
        "s3": {"existingSecret": "cronbox-s3"},
        "secretKey": {"existingSecret": "cronbox-key"},
        "adminToken": {"existingSecret": "cronbox-token"},
    },
    "everything": {
        "image": {"pullSecrets": ["registry"], "digest": "sha256:" + "0" * 64},
        "settings": {"timezone": "Europe/Berlin", "max-running": 16, "paused": True, "roles": ["api", "worker"]},
        "secretKey": {"existingSecret": "cronbox-key"},
        "persistence": {"size": "20Gi", "storageClass": "fast"},
        "resources": {"limits": {"memory": "4Gi"}},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "jobs", "operator": "Exists"}],
        "podAnnotations": {"team": "jobs"},
        "ingress": {"enabled": True, "className": "nginx", "host": "cronbox.example.com", "tlsSecret": "cronbox-tls"},
        "extraEnv": [{"name": "CRONBOX_LOG", "value": "debug"}],
    },
}
# Values that the chart refuses, and a part of what it says.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"replicas": 2}, "several servers need a database"),
    ({"replicas": 2, "database": {"existingSecret": "a"}, "blobs": "s3://a"}, "several servers need the same key"),
    ({"replicas": 2, "database": {"existingSecret": "a"}, "secretKey": {"existingSecret": "b"}}, "several servers need a bucket"),
    ({"replica": 2}, "replica"),
]


def rendered(values: dict[str, Any]) -> str:
    """What the chart makes of these values."""
    with Chart.load(CHART) as chart:
        parts = chart.render(values, name="cronbox", namespace="default")
    texts = [text.strip() for path, text in sorted(parts.items()) if path.endswith(".yaml") and text.strip()]
    return "".join(f"---\n{text}\n" for text in texts)


def check(version: str) -> None:
    """Lints the chart and checks what it renders. A problem is an error."""
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    if (about["version"], about["appVersion"]) != (version, version):
        raise ValueError(f"docs/deploy/helm/cronbox/Chart.yaml has another version than Cargo.toml ({version})")
    for name, values in CASES.items():
        report = lint(CHART, values, strict=True, kube_version=f"v{KUBERNETES[0]}.0")
        messages = [message for message in report["messages"] if message["severity"] > 1]
        if report["errors"] or messages:
            raise ValueError(f"Helm finds fault with the chart ({name}): {report['errors'] or messages}")
        for release in KUBERNETES:
            for manifest in yaml.safe_load_all(rendered(values)):
                kubernetes_validate.validate(manifest, release, strict=True)
    for values, why in REFUSED:
        try:
            rendered(values)
        except helm_python.HelmError as error:
            if why not in str(error):
                raise ValueError(f"the chart refuses {values} for another reason: {error}") from error
        else:
            raise ValueError(f"the chart takes {values}")


def packed(epoch: int) -> bytes:
    """The chart as `helm install` reads it."""
    tree = Tree()
    tree.add_all("cronbox/", CHART)
    return gzipped(tree.tar(epoch))


def main() -> None:
    """Checks the chart alone."""
    from components import locked

    check(locked("Cargo.toml")["workspace"]["package"]["version"])


if __name__ == "__main__":
    main()
