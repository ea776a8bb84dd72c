"""Routes bent in every way that the fence must refuse, each with the code of its refusal."""

import copy
from collections.abc import Callable
from typing import Any

Document = dict[str, Any]
EPOCH = "wardshift.io/epoch"
WORD_HEADER = "x-wardshift-drill"
WORD = "0123456789abcdef" * 2


def epoch_of(document: Document, epoch: str) -> None:
    """Annotation and stamps say this epoch."""
    document["metadata"]["annotations"][EPOCH] = epoch
    stamp(document, epoch)


def stamp(document: Document, epoch: str) -> None:
    for rule in document["spec"]["rules"]:
        for each in rule["filters"]:
            header = each.get("requestHeaderModifier") or each["responseHeaderModifier"]
            header["set"][0]["value"] = epoch


def lower(document: Document) -> None:
    epoch_of(document, "4")


def same_epoch_other_spec(document: Document) -> None:
    document["spec"]["rules"][0]["matches"][0]["path"]["value"] = "/elsewhere"


def no_epoch(document: Document) -> None:
    stamp(document, "6")
    document["metadata"]["annotations"][EPOCH] = ""


def no_number(document: Document) -> None:
    epoch_of(document, "6x")


def unstamped(document: Document) -> None:
    epoch_of(document, "6")
    document["spec"]["rules"][1]["filters"] = []


def stamped_otherwise(document: Document) -> None:
    document["metadata"]["annotations"][EPOCH] = "6"


def another_ward(document: Document) -> None:
    epoch_of(document, "6")
    document["spec"]["rules"][0]["matches"][0]["headers"][0]["value"] = "somebody-else"


def by_pattern(document: Document) -> None:
    epoch_of(document, "6")
    header = document["spec"]["rules"][0]["matches"][0]["headers"][0]
    header.update(type="RegularExpression", value=".*")


def for_everybody(document: Document) -> None:
    epoch_of(document, "6")
    document["spec"]["rules"][0]["matches"] = [{"path": {"type": "PathPrefix", "value": "/notes"}}]


def without_label(document: Document) -> None:
    epoch_of(document, "6")
    document["metadata"]["labels"]["wardshift.io/ward"] = "somebody-else"


def forward(document: Document) -> None:
    epoch_of(document, "6")
    document["spec"]["rules"][0]["backendRefs"][0]["name"] = "ehr-candidate"


def half_forward(document: Document) -> None:
    epoch_of(document, "6")
    document["spec"]["rules"][0]["backendRefs"].append({"name": "ehr-candidate", "port": 80})


def elsewhere(document: Document) -> None:
    epoch_of(document, "6")
    document["spec"]["rules"][0]["backendRefs"][0]["name"] = "somewhere"


def other_namespace(document: Document) -> None:
    epoch_of(document, "6")
    document["spec"]["rules"][0]["backendRefs"][0]["namespace"] = "elsewhere"


def weightless(document: Document) -> None:
    epoch_of(document, "6")
    document["spec"]["rules"][0]["backendRefs"][0]["weight"] = 0


def no_fallback(document: Document) -> None:
    epoch_of(document, "6")
    document["spec"]["rules"].pop()


def fallback_forward(document: Document) -> None:
    epoch_of(document, "6")
    document["spec"]["rules"][-1]["backendRefs"][0]["name"] = "ehr-candidate"


def self_granted(document: Document) -> None:
    document["metadata"]["annotations"]["wardshift.io/granted"] = "6"


TO_CANDIDATE = {"backendRef": {"name": "ehr-candidate", "port": 80}}
STAMP_AND_WARD = [
    {"name": "x-wardshift-epoch", "value": "6"},
    {"name": "x-ward", "value": "somebody-else"},
]
FILTERS: dict[str, Document] = {
    "a mirror of every method": {"type": "RequestMirror", "requestMirror": TO_CANDIDATE},
    "an extension": {
        "type": "ExtensionRef",
        "extensionRef": {"group": "traefik.io", "kind": "Middleware", "name": "elsewhere"},
    },
    "a rewritten path": {
        "type": "URLRewrite",
        "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}},
    },
    "another ward's name": {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {"set": STAMP_AND_WARD},
    },
    "a header added": {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {"set": STAMP_AND_WARD[:1], "add": STAMP_AND_WARD[1:]},
    },
    "a header taken from the answer": {
        "type": "ResponseHeaderModifier",
        "responseHeaderModifier": {"set": STAMP_AND_WARD[:1], "remove": ["x-ehr-system"]},
    },
}


def filtered(one: Document) -> Callable[[Document], None]:
    """Epoch 6 with one more filter; of a type that may be there once, in the place of ours."""

    def bend(document: Document) -> None:
        epoch_of(document, "6")
        rule = document["spec"]["rules"][0]
        others = [each for each in rule["filters"] if each["type"] != one["type"]]
        rule["filters"] = [*others, copy.deepcopy(one)]

    return bend


def filtered_at_the_backend(document: Document) -> None:
    epoch_of(document, "6")
    backend = document["spec"]["rules"][0]["backendRefs"][0]
    backend["filters"] = [copy.deepcopy(FILTERS["a mirror of every method"])]


def reads_mirrored_elsewhere(document: Document) -> None:
    epoch_of(document, "6")
    rule = document["spec"]["rules"][0]
    rule["matches"][0]["method"] = "GET"
    mirror = {"backendRef": {"name": "somewhere", "port": 80}}
    rule["filters"].append({"type": "RequestMirror", "requestMirror": mirror})


def drill(document: Document, *changes: Callable[[Document], None]) -> None:
    """Epoch 6 with a drill's rule before the fallback; each change spoils the rule."""
    epoch_of(document, "6")
    rule = copy.deepcopy(document["spec"]["rules"][0])
    rule["name"] = "drill"
    rule["backendRefs"][0]["name"] = "ehr-candidate"
    rule["matches"] = [copy.deepcopy(one["matches"][0]) for one in document["spec"]["rules"][:2]]
    for match in rule["matches"]:
        match["headers"].append({"type": "Exact", "name": WORD_HEADER, "value": WORD})
    for change in changes:
        change(rule)
    document["spec"]["rules"].insert(-1, rule)


def without_the_word(rule: Document) -> None:
    for match in rule["matches"]:
        match["headers"].pop()


def word_in_one_match_only(rule: Document) -> None:
    rule["matches"][1]["headers"].pop()


def word_by_pattern(rule: Document) -> None:
    rule["matches"][1]["headers"][-1].update(type="RegularExpression", value=WORD)


def any_word(rule: Document) -> None:
    rule["matches"][0]["headers"][-1].update(type="RegularExpression", value=".*")


def short_word(rule: Document) -> None:
    rule["matches"][0]["headers"][-1]["value"] = "1"


def word_and_pattern(rule: Document) -> None:
    """Of two spellings of one header a gateway takes the first that it finds."""
    spelt = {"type": "RegularExpression", "name": "X-Wardshift-Drill", "value": ".*"}
    rule["matches"][0]["headers"].insert(0, spelt)


def another_header(rule: Document) -> None:
    rule["matches"][0]["headers"][-1]["name"] = "x-wardshift-drills"


def another_name(rule: Document) -> None:
    rule["name"] = "drill.notes"


def name_in_capitals(rule: Document) -> None:
    rule["name"] = "drill-x"


def without_a_ward(rule: Document) -> None:
    rule["matches"][0]["headers"].pop(0)


def no_matches(rule: Document) -> None:
    rule["matches"] = []


def pretending(change: Callable[[Document], None]) -> Callable[[Document], None]:
    return lambda document: drill(document, change)


PRETENDERS: dict[str, tuple[Callable[[Document], None], str]] = {
    "a drill without its word": (pretending(without_the_word), "no_grant"),
    "a drill with its word in one match": (pretending(word_in_one_match_only), "no_grant"),
    "a drill by pattern": (pretending(word_by_pattern), "no_grant"),
    "a drill for any word": (pretending(any_word), "no_grant"),
    "a drill with a short word": (pretending(short_word), "no_grant"),
    "a drill with a word in two spellings": (pretending(word_and_pattern), "no_grant"),
    "a drill by another header": (pretending(another_header), "no_grant"),
    "a drill named otherwise": (pretending(another_name), "no_grant"),
    "a drill named almost so": (pretending(name_in_capitals), "no_grant"),
    "a drill of no ward": (pretending(without_a_ward), "other_ward"),
    "a drill of everything": (pretending(no_matches), "other_ward"),
}
FILTERED: dict[str, tuple[Callable[[Document], None], str]] = {
    **{name: (filtered(one), "odd_filter") for name, one in FILTERS.items()},
    "a mirror at the backend": (filtered_at_the_backend, "unknown_backend"),
    "reads mirrored elsewhere": (reads_mirrored_elsewhere, "odd_filter"),
}
BROKEN: dict[str, tuple[Callable[[Document], None], str]] = {
    "a lower epoch": (lower, "stale_epoch"),
    "the same epoch and another spec": (same_epoch_other_spec, "stale_epoch"),
    "no epoch": (no_epoch, "no_epoch"),
    "no number": (no_number, "no_epoch"),
    "unstamped": (unstamped, "not_stamped"),
    "stamped otherwise": (stamped_otherwise, "not_stamped"),
    "another ward": (another_ward, "other_ward"),
    "wards by pattern": (by_pattern, "other_ward"),
    "no ward": (for_everybody, "other_ward"),
    "labelled otherwise": (without_label, "not_a_ward"),
    "forward without a grant": (forward, "no_grant"),
    "half forward": (half_forward, "unknown_backend"),
    "an unknown backend": (elsewhere, "unknown_backend"),
    "a backend of another namespace": (other_namespace, "unknown_backend"),
    "a backend without weight": (weightless, "unknown_backend"),
    "no fallback": (no_fallback, "no_fallback"),
    "the fallback forward": (fallback_forward, "no_fallback"),
    "granted by oneself": (self_granted, "not_yours"),
    **PRETENDERS,
    **FILTERED,
}
