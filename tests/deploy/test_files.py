"""What is under deploy/ is well-formed, safe, and says the same everywhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boundary.jobs.shell import config as configuration
from boundary.jobs.shell.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
HEALTH = "BOUNDARY_JOBS_WORKERS_HEALTH_PORT"
MARGIN = 2
"""Seconds a worker needs, beyond its shutdown timeout, to hand back what has not ended."""

yaml = pytest.importorskip("yaml", reason="pyyaml is not installed: pip install -e '.[dev]'")


def tool(name: str) -> str:
    """The path of a command, from this environment or the machine; skips without it."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here")
    return found


def checked(*command: str, **options: Any) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=50, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one is not None]


def known_variable(name: str) -> bool:
    """Whether the library would read it; of others only the seed's."""
    keys = {f"BOUNDARY_JOBS_{key.replace('.', '_').upper()}" for key in configuration.known_keys()}
    keys |= configuration.OPTIONS
    return name in keys | configuration.SEED_VARIABLES.keys()


# The image


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.strip().partition(" ") for line in lines)]


def test_hadolint_has_nothing_to_say() -> None:
    assert checked(tool("hadolint"), "--no-color", str(DEPLOY / "Dockerfile")) == ""


def test_the_image_runs_workers_and_is_not_root() -> None:
    """S121."""
    said = dict(instructions())  # of each word the last counts
    assert said["ENTRYPOINT"] == '["boundary-jobs"]', "no shell between the signal and the worker"
    assert said["CMD"].startswith('["worker", "tasks"')
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", said["USER"]), "Kubernetes checks numbers only"
    assert "slim" in (DEPLOY / "Dockerfile").read_text()
    words = [word for word, _ in instructions()]
    assert words.index("USER") > max(place for place, word in enumerate(words) if word == "RUN")


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    ignored = (DEPLOY / ".dockerignore").read_text().splitlines()
    sources = [rest.split()[0].rstrip("/") for word, rest in instructions() if word == "COPY"]
    for source in [one for one in sources if not one.startswith("--from")]:
        assert (DEPLOY / source).exists(), source
        assert f"!{source}" in ignored


def test_the_image_installs_this_version() -> None:
    import boundary.jobs

    wanted = (DEPLOY / "requirements.txt").read_text().strip()
    assert wanted.endswith(f"=={'.'.join(boundary.jobs.__version__.split('.')[:2])}.*")


# Compose


@pytest.fixture
def compose() -> dict[str, Any]:
    """The file as compose reads it: anchors merged, variables filled in, extensions left out."""
    text = (DEPLOY / "compose.yaml").read_text()
    filled = re.sub(r"\$\{(\w+):([-?])([^}]*)\}", lambda m: m[3] if m[2] == "-" else "given", text)
    assert "${" not in filled
    return {key: value for key, value in yaml.safe_load(filled).items() if not key.startswith("x-")}


def test_compose_is_what_its_specification_says(compose: dict[str, Any]) -> None:
    spec = pytest.importorskip("compose_spec", reason="compose-spec is not installed")
    read = spec.PyCompose.from_yaml(yaml.safe_dump(compose))
    assert {"redis", "workers", "dashboard"} <= read.to_dict()["services"].keys()
    broken = {**compose, "services": {"redis": {"image": ["no", "list"]}}}
    with pytest.raises(Exception, match="image"):
        spec.PyCompose.from_yaml(yaml.safe_dump(broken))


def test_compose_has_a_redis_that_keeps_three_workers_and_a_dashboard(
    compose: dict[str, Any],
) -> None:
    """S122."""
    redis, workers, dashboard = (
        compose["services"][name] for name in ("redis", "workers", "dashboard")
    )
    assert redis["image"].startswith("redis:7")
    assert redis["volumes"] == ["redis-data:/data"]
    assert "redis-data" in compose["volumes"]
    assert "ports" not in redis, "nobody else has to reach it"
    command = " ".join(redis["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert workers["deploy"]["replicas"] == 3
    assert {"REDIS_HOST", "REDIS_PORT", "WORKER_COUNT"} <= workers["environment"].keys()
    assert workers["environment"]["REDIS_HOST"] in compose["services"]
    assert "command" not in workers, "the image's own"
    assert dashboard["ports"] == ["127.0.0.1:8210:8210"]
    for service in (workers, dashboard):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert all(known_variable(name) for name in service["environment"])


def test_compose_gives_workers_the_time_they_take(compose: dict[str, Any]) -> None:
    workers = compose["services"]["workers"]
    timeout = int(workers["environment"]["BOUNDARY_JOBS_WORKERS_SHUTDOWN_TIMEOUT"]) / 1000
    assert int(workers["stop_grace_period"].removesuffix("s")) >= timeout + MARGIN


# Kubernetes

MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
RESOURCES = {
    (one["kind"], one["metadata"]["name"]): one
    for path in MANIFESTS
    if path.name != "kustomization.yaml"
    for one in documents(path)
}
PODS = {
    name: one["spec"]["template"]["spec"]
    for name, one in RESOURCES.items()
    if "template" in one.get("spec", {})
}


@pytest.mark.parametrize(
    "name", [key for key in RESOURCES if key[0] != "ScaledObject"], ids=" ".join
)
@pytest.mark.parametrize("version", ["1.30", "1.34"])
def test_a_manifest_has_the_schema_of_its_kind(name: tuple[str, str], version: str) -> None:
    checker = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    checker.validate(RESOURCES[name], version, strict=True)


def test_the_schemas_find_a_mistake() -> None:
    checker = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    broken = {**RESOURCES["PodDisruptionBudget", "workers"], "spce": {}}
    with pytest.raises(checker.ValidationError):
        checker.validate(broken, "1.34", strict=True)


def test_kustomize_puts_them_together() -> None:
    built = checked(tool("kubectl"), "kustomize", str(DEPLOY / "kubernetes"))
    images = set(re.findall(r"image: (\S+)", built))
    assert images == {"redis:7-alpine", "registry.example.com/shop-jobs:1.0.0"}
    listed = documents(DEPLOY / "kubernetes" / "kustomization.yaml")[0]["resources"]
    assert {path.name for path in MANIFESTS} == {*listed, "kustomization.yaml", "scaling.yaml"}


@pytest.mark.parametrize("name", PODS, ids=" ".join)
def test_pods_are_restricted(name: tuple[str, str]) -> None:
    """What the namespace's `restricted` asks for, and a file system that cannot be written to."""
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False, "else REDIS_PORT is tcp://..."
    for one in pod["containers"]:
        context = one["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in one["resources"]["limits"]
        assert one["resources"]["requests"]


def variables(pod: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """(variable, its value if it is written there) of a pod's containers."""
    for one in pod["containers"]:
        for entry in one.get("env", ()):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            if reference is not None:
                assert reference["key"] in RESOURCES["Secret", reference["name"]]["stringData"]
            yield entry["name"], entry.get("value")
        for entry in one.get("envFrom", ()):
            if "configMapRef" in entry:
                yield from RESOURCES["ConfigMap", entry["configMapRef"]["name"]]["data"].items()
            else:
                yield from RESOURCES["Secret", entry["secretRef"]["name"]]["stringData"].items()


@pytest.mark.parametrize("name", PODS, ids=" ".join)
def test_every_variable_is_one_that_is_read(name: tuple[str, str]) -> None:
    for variable, _ in variables(PODS[name]):
        assert known_variable(variable), variable


def test_probes_ask_the_health_port() -> None:
    pod = PODS["Deployment", "workers"]
    (worker,) = pod["containers"]
    port = dict(variables(pod))[HEALTH]
    assert worker["ports"] == [{"name": "health", "containerPort": int(port or 0)}]
    assert ("ENV", port) in [
        ("ENV", found[1])
        for word, rest in instructions()
        if word == "ENV" and (found := re.search(rf"{HEALTH}=(\d+)", rest))
    ]
    assert dict(variables(pod))[HEALTH.replace("PORT", "HOST")] == "0.0.0.0", (
        "it is asked from outside"
    )
    for probe, path in (("startup", "/live"), ("liveness", "/live"), ("readiness", "/ready")):
        assert worker[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "health"}
    annotations = RESOURCES["Deployment", "workers"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == port


def test_a_worker_that_is_told_to_leave_has_the_time_it_takes() -> None:
    pod = PODS["Deployment", "workers"]
    timeout = int(dict(variables(pod))["BOUNDARY_JOBS_WORKERS_SHUTDOWN_TIMEOUT"] or 0) / 1000
    command = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1]
    before = float(re.findall(r"sleep (\d+)", command)[0])
    assert pod["terminationGracePeriodSeconds"] >= before + timeout + MARGIN


def test_selectors_find_what_they_are_for() -> None:
    labels = {
        name[1]: one["spec"]["template"]["metadata"]["labels"]
        for name, one in RESOURCES.items()
        if name in PODS
    }
    for (kind, name), one in RESOURCES.items():
        selector = one.get("spec", {}).get("selector", {})
        wanted = selector.get("matchLabels", selector)
        if wanted:
            assert wanted in labels.values(), (kind, name)
    scaled = RESOURCES["ScaledObject", "workers"]["spec"]
    assert ("Deployment", scaled["scaleTargetRef"]["name"]) in RESOURCES
    assert scaled["minReplicaCount"] < scaled["maxReplicaCount"]
    (trigger,) = scaled["triggers"]
    assert (trigger["type"], float(trigger["metadata"]["threshold"])) == ("prometheus", 10.0)
    (metric,) = re.findall(r"boundary_jobs_\w+", trigger["metadata"]["query"])
    assert f"| `{metric}` | gauge |" in (ROOT / "docs" / "observability.md").read_text()


# systemd

UNIT = DEPLOY / "systemd" / "boundary-jobs-worker.service"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, its program where there is one."""
    path = tmp_path / UNIT.name
    program = re.search(r"^ExecStart=(\S+)", UNIT.read_text(), re.MULTILINE)
    assert program is not None
    path.write_text(UNIT.read_text().replace(program[1], sys.executable))
    return path


def test_systemd_has_nothing_to_say(unit: Path) -> None:
    assert checked(tool("systemd-analyze"), "verify", str(unit)) == ""
    unit.write_text(unit.read_text().replace("KillMode=", "KilMode="))
    assert "KilMode" in checked(tool("systemd-analyze"), "verify", str(unit))


def test_the_unit_exposes_little(unit: Path) -> None:
    checked(tool("systemd-analyze"), "security", "--offline=true", "--threshold=25", str(unit))


def test_the_unit_waits_for_the_worker() -> None:
    lines = dict(
        line.split("=", 1)
        for line in UNIT.read_text().splitlines()
        if "=" in line and line[0] != "#"
    )
    assert lines["Type"] == "notify"
    assert lines["KillMode"] == "mixed", "the first process stops the others"
    assert int(lines["TimeoutStopSec"]) >= Settings().workers.shutdown_timeout / 1000 + MARGIN
    variable, _, value = lines["Environment"].partition("=")
    assert known_variable(variable)
    assert value == f"sqlite:////var/lib/{lines['StateDirectory']}/jobs.db"
