import copy
import ipaddress
import re

import pytest
import yaml
from kubernetes_validate import SchemaNotFoundError, ValidationError, validate

from gateway import __version__
from gateway.settings import KINDS, _is_secret, load_settings, variables
from tests.deploy.documents import DEPLOY, DOCKERFILE, PINNED, STOPS_WITHIN_S

HERE = DEPLOY / "kubernetes"
VERSION = "1.37"
OTHERS_KINDS = {"Kustomization", "ServiceMonitor"}  # Kubernetes has no schemas of those
FILES = {path.name: yaml.safe_load(path.read_text()) for path in sorted(HERE.glob("*.yaml"))}
OBJECTS = {document["kind"]: document for document in FILES.values()}
DEPLOYMENT = OBJECTS["Deployment"]
POD = DEPLOYMENT["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
LABELS = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
SHARED = dict(
    line.split("=", 1) for line in (HERE / "settings.env").read_text().splitlines() if line and line[0] != "#"
)
ENV = {variable["name"]: variable for variable in CONTAINER["env"]}
REFERENCES = {name: variable["valueFrom"]["secretKeyRef"] for name, variable in ENV.items() if "valueFrom" in variable}


@pytest.mark.parametrize("kind", sorted(OBJECTS.keys() - OTHERS_KINDS))
def test_every_object_is_what_kubernetes_allows(kind):
    assert validate(OBJECTS[kind], VERSION, strict=True) == VERSION


def pod(spec):
    """Find the pod in the Deployment's spec."""
    return spec["template"]["spec"]


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("Deployment", lambda spec: pod(spec).update(terminationGracePeriod=650)),
        ("Deployment", lambda spec: pod(spec).update(terminationGracePeriodSeconds="650")),
        ("Deployment", lambda spec: pod(spec)["containers"][0]["env"][0].update(value=1)),
        ("Deployment", lambda spec: pod(spec)["containers"][0]["startupProbe"].update(url="/")),
        ("HorizontalPodAutoscaler", lambda spec: spec["behavior"]["scaleDown"].update(stabilization=900)),
        ("NetworkPolicy", lambda spec: spec["egress"][0].update(ports={"port": 53})),
        ("PodDisruptionBudget", lambda spec: spec.update(maxUnavailabel=1)),
    ],
)
def test_the_schemas_are_strict(kind, spoil):
    """The judge of the test above does judge."""
    wrong = copy.deepcopy(OBJECTS[kind])
    spoil(wrong["spec"])
    with pytest.raises(ValidationError):
        validate(wrong, VERSION, strict=True)


def test_a_kind_that_does_not_exist_is_noticed():
    with pytest.raises(SchemaNotFoundError):
        validate(DEPLOYMENT | {"apiVersion": "apps/v2"}, VERSION, strict=True)


def test_everything_is_applied_together_but_what_a_cluster_may_not_know():
    together = set(FILES["kustomization.yaml"]["resources"])
    assert FILES.keys() - together == {"kustomization.yaml", "servicemonitor.yaml"}
    assert together <= FILES.keys()
    assert FILES["kustomization.yaml"]["configMapGenerator"] == [{"name": "gateway", "envs": ["settings.env"]}]
    assert CONTAINER["envFrom"] == [{"configMapRef": {"name": "gateway"}}]


def test_the_image_is_pinned():
    """To this version, wherever it has been pushed."""
    assert CONTAINER["image"] == f"image-gateway:{__version__}"
    assert PINNED.fullmatch(CONTAINER["image"])
    [moved] = FILES["kustomization.yaml"]["images"]
    assert moved.keys() == {"name", "newName"}
    assert moved["name"] == "image-gateway"


def test_the_variables_are_settings():
    """The gateway takes every one of them; TMPDIR is the system's."""
    secrets = {
        "AIHUBMIX_API_KEY": "sk",
        "REDIS_URL": "redis://state:6379/0",
        "GATEWAY_BLOBS_URL": "redis://blobs:6379/0",
        "GATEWAY_ADMIN_KEY": "admin",
        "GATEWAY_SIGNING_KEY": "sign",
    }
    assert REFERENCES.keys() == secrets.keys()
    assert ENV.keys() - secrets.keys() == {"TMPDIR"}
    settings = load_settings(SHARED | secrets)
    assert (settings.metrics.host, settings.metrics.port) == ("0.0.0.0", PORTS["metrics"])
    assert settings.server.port == PORTS["http"]


def test_secrets_are_only_referred_to():
    """None is shipped, and those that must be made are named where one reads how."""
    secret = {name for key, kind in KINDS.items() if _is_secret(kind) for name in variables(key)}
    assert secret & SHARED.keys() == set()
    assert "Secret" not in OBJECTS
    assert {reference["name"] for reference in REFERENCES.values()} == {"gateway"}
    needed = {reference["key"] for reference in REFERENCES.values() if not reference.get("optional")}
    told = set(re.findall(r"--from-literal=([\w-]+)=", (HERE / "kustomization.yaml").read_text()))
    assert needed == told


def test_no_service_puts_variables_into_pods_that_look_like_settings():
    """Kubernetes names them <SERVICE>_PORT and the like, in every pod of the namespace."""
    prefix = OBJECTS["Service"]["metadata"]["name"].upper().replace("-", "_") + "_"
    assert not prefix.startswith(("GATEWAY_", "AIHUBMIX_", "REDIS_"))
    assert POD["enableServiceLinks"] is False


def test_the_gateway_may_finish_what_is_paid_for():
    """Even after the time in which proxies learn that it goes."""
    pause = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > pause + STOPS_WITHIN_S


def test_the_pod_may_do_nothing_that_it_need_not():
    user = int(re.search(r"^USER (\d+)", DOCKERFILE, re.MULTILINE)[1])
    assert POD["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False


def test_it_can_write_where_it_has_to():
    """To its state directory and to TMPDIR, both bounded."""
    state = re.search(r"GATEWAY_STATE_DIR=(\S+)", DOCKERFILE)[1]
    written = {mount["mountPath"]: mount["name"] for mount in CONTAINER["volumeMounts"]}
    assert written.keys() == {state, ENV["TMPDIR"]["value"]}
    assert {volume["name"] for volume in POD["volumes"] if volume["emptyDir"]["sizeLimit"]} == set(written.values())


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
)
def test_every_probe_asks_the_right_question(probe, path):
    """Being alive is not being ready: the pod is not restarted while it drains."""
    assert CONTAINER[probe]["httpGet"] == {"path": path, "port": "http"}


def test_what_selects_pods_selects_ours():
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"] == LABELS
    assert OBJECTS["Service"]["spec"]["selector"] == LABELS
    assert OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == LABELS
    assert OBJECTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == LABELS
    for constraint in POD["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"] == LABELS


def test_ports_are_called_by_names_that_exist():
    service = OBJECTS["Service"]["spec"]["ports"]
    assert {port["targetPort"] for port in service} == PORTS.keys()
    rules = OBJECTS["NetworkPolicy"]["spec"]["ingress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} == PORTS.keys()


def test_prometheus_finds_the_metrics():
    """By the labels and the port of the service, as the job that rules and dashboards know."""
    monitor = OBJECTS["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= OBJECTS["Service"]["metadata"]["labels"].items()
    [endpoint] = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in OBJECTS["Service"]["spec"]["ports"]}
    assert {"targetLabel": "job", "replacement": "gateway"} in endpoint["relabelings"]


def test_replicas_come_fast_and_go_slowly():
    """The autoscaler alone sets their number."""
    scaler = OBJECTS["HorizontalPodAutoscaler"]["spec"]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": DEPLOYMENT["metadata"]["name"]}
    assert scaler["scaleTargetRef"] == target
    assert scaler["minReplicas"] >= 2
    assert "replicas" not in DEPLOYMENT["spec"]
    up, down = scaler["behavior"]["scaleUp"], scaler["behavior"]["scaleDown"]
    assert up["stabilizationWindowSeconds"] == 0
    assert down["stabilizationWindowSeconds"] > STOPS_WITHIN_S
    assert [policy["value"] for policy in down["policies"] if policy["type"] == "Pods"] == [1]


def test_one_pod_goes_at_a_time():
    assert OBJECTS["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def may_reach(address, port):
    """Tell whether the policy lets a connection to an address outside the cluster pass."""
    address = ipaddress.ip_address(address)

    def inside(network):
        network = ipaddress.ip_network(network)
        return network.version == address.version and address in network

    return any(
        inside(block["cidr"]) and not any(map(inside, block.get("except", ())))
        for rule in OBJECTS["NetworkPolicy"]["spec"]["egress"]
        if {"port": port} in rule["ports"]
        for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer)
    )


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "2606:4700::1111"])
def test_it_reaches_what_is_public(address):
    """By TLS, and by nothing else."""
    assert may_reach(address, 443)
    assert not may_reach(address, 80)
    assert not may_reach(address, 6379)


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00::1"]
)
def test_it_does_not_reach_what_is_private(address):
    """The address of a picture comes from upstream, and may be anything."""
    assert not may_reach(address, 443)


def test_it_reaches_redis_at_a_private_address():
    assert may_reach("10.1.2.3", 6379)
    assert may_reach("192.168.1.1", 26379)
    assert not may_reach("169.254.169.254", 6379)
