"""The .proto files whose Python modules somebody else brings: protobuf itself, or Google's common protos."""

from __future__ import annotations

from typing import Final

__all__ = ["GOOGLEAPIS", "is_descriptor", "is_provided", "is_well_known"]

_FILES: Final = frozenset(
    f"google/protobuf/{name}.proto"
    for name in (
        "any",
        "api",
        "compiler/plugin",
        "descriptor",
        "duration",
        "empty",
        "field_mask",
        "source_context",
        "struct",
        "timestamp",
        "type",
        "wrappers",
    )
)

_FOLDERS: Final = {
    "google/api": """annotations auth backend billing client config_change consumer context control distribution
        documentation endpoint error_reason field_behavior field_info http httpbody label launch_stage log logging
        metric monitored_resource monitoring policy quota resource routing service source_info system_parameter usage
        visibility""",
    "google/cloud": "common_resources extended_operations",
    "google/cloud/location": "locations",
    "google/gapic/metadata": "gapic_metadata",
    "google/logging/type": "http_request log_severity",
    "google/longrunning": "operations",
    "google/rpc": "code error_details http status",
    "google/rpc/context": "attribute_context audit_context",
    "google/type": """calendar_period color date datetime dayofweek decimal expr fraction interval latlng localized_text
        money month phone_number postal_address quaternion timeofday""",
}
"""What googleapis-common-protos brings. Each by its name: beside these, the folders have files that it lacks."""
GOOGLEAPIS: Final = frozenset(f"{folder}/{name}.proto" for folder, names in _FOLDERS.items() for name in names.split())


def is_well_known(file: str) -> bool:
    """Whether protobuf itself brings the file, and its Python module; others may lie in the same folder."""
    return file in _FILES


def is_provided(file: str) -> bool:
    """Whether a package of somebody else's brings the file's Python module: protobuf, or googleapis-common-protos.

    A module of our own would not load beside theirs where the two were made of different versions of the file.
    """
    return file in _FILES or file in GOOGLEAPIS


def is_descriptor(type_name: str) -> bool:
    """Whether a type, by its full name with a dot before it, may be one that describes .proto files or has options."""
    return type_name.startswith(".google.protobuf.")
