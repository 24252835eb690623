"""Holds OpenSLO documents, read from standard input, to what version 1 of the specification says
(https://github.com/OpenSLO/OpenSLO, README.md, "Specification"). Its published JSON schemas are
drafts that contradict it, so its own words are written down here once more."""

import re
import sys

import yaml

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
DURATION = re.compile(r"[1-9][0-9]*[mhdwMQY]")
KINDS = {"DataSource", "SLO", "SLI", "AlertPolicy", "AlertCondition", "AlertNotificationTarget",
         "Service"}
OPS = {"lte", "gte", "lt", "gt"}


def only(found, required, optional=()):
    """An object has what it must have and nothing that it may not have."""
    assert isinstance(found, dict), found
    assert set(required) <= set(found) <= set(required) | set(optional), sorted(found)


def described(spec):
    assert len(spec.get("description", "")) <= 1050


def metadata(found):
    only(found, ["name"], ["displayName", "labels", "annotations"])
    assert NAME.fullmatch(found["name"]), found["name"]


def slo(spec, names):
    only(spec, ["service", "budgetingMethod", "objectives", "indicator"],
         ["description", "timeWindow", "alertPolicies"])
    assert spec["service"] in names["Service"]
    only(spec["indicator"], ["metadata", "spec"])
    metadata(spec["indicator"]["metadata"])
    only(spec["indicator"]["spec"], ["thresholdMetric"], ["description"])
    source = spec["indicator"]["spec"]["thresholdMetric"]
    only(source, ["metricSource"])
    only(source["metricSource"], ["type", "spec"])
    assert isinstance(source["metricSource"]["spec"]["query"], str)
    (window,) = spec["timeWindow"]
    only(window, ["duration", "isRolling"])
    assert DURATION.fullmatch(window["duration"]) and window["isRolling"] is True
    assert spec["budgetingMethod"] in {"Occurrences", "Timeslices", "RatioTimeslices"}
    # A threshold metric has one objective.
    (objective,) = spec["objectives"]
    only(objective, ["op", "value", "target", "timeSliceTarget", "timeSliceWindow"],
         ["displayName"])
    assert objective["op"] in OPS and isinstance(objective["value"], (int, float))
    assert 0 <= objective["target"] < 1 and 0 < objective["timeSliceTarget"] <= 1
    assert DURATION.fullmatch(objective["timeSliceWindow"])
    for policy in spec["alertPolicies"]:
        only(policy, ["alertPolicyRef"])
        assert policy["alertPolicyRef"] in names["AlertPolicy"]


def policy(spec, names):
    only(spec, ["alertWhenNoData", "alertWhenResolved", "alertWhenBreaching", "conditions",
                "notificationTargets"], ["description"])
    for when in ["alertWhenNoData", "alertWhenResolved", "alertWhenBreaching"]:
        assert isinstance(spec[when], bool)
    (condition,) = spec["conditions"]
    only(condition, ["conditionRef"])
    assert condition["conditionRef"] in names["AlertCondition"]
    assert spec["notificationTargets"]
    for target in spec["notificationTargets"]:
        only(target, ["targetRef"])
        assert target["targetRef"] in names["AlertNotificationTarget"]


def condition(spec, _):
    only(spec, ["severity", "condition"], ["description"])
    only(spec["condition"], ["kind", "op", "threshold", "lookbackWindow", "alertAfter"])
    of = spec["condition"]
    assert of["kind"] == "burnrate" and of["op"] in OPS and isinstance(of["threshold"], float)
    assert DURATION.fullmatch(of["lookbackWindow"]) and DURATION.fullmatch(of["alertAfter"])
    assert isinstance(spec["severity"], str)


def target(spec, _):
    only(spec, ["target"], ["description"])
    assert isinstance(spec["target"], str)


def service(spec, _):
    only(spec, [], ["description"])


RULES = {"Service": service, "SLO": slo, "AlertPolicy": policy, "AlertCondition": condition,
         "AlertNotificationTarget": target}


def main():
    documents = list(yaml.safe_load_all(sys.stdin))
    names = {kind: set() for kind in KINDS}
    for document in documents:
        only(document, ["apiVersion", "kind", "metadata", "spec"])
        assert document["apiVersion"] == "openslo/v1" and document["kind"] in KINDS
        metadata(document["metadata"])
        name = document["metadata"]["name"]
        assert name not in names[document["kind"]], name
        names[document["kind"]].add(name)
    for document in documents:
        described(document["spec"])
        RULES[document["kind"]](document["spec"], names)
    print(len(documents))


main()
