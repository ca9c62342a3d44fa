"""Messages of containerd and of the kubelet's API to runtimes: the fields that are asked for and read, and no others.

protobuf passes over fields that it does not know, so a few declarations do instead of generated code. Sources:
api/services/{containers,namespaces}/v1 of containerd, cri-api/pkg/apis/runtime/v1/api.proto of Kubernetes."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

_Field = descriptor_pb2.FieldDescriptorProto
_TEXT = ""
"""A field of text."""
_TEXTS = "map"
"""A map of text to text."""

_MESSAGES: dict[str, dict[str, tuple[int, str, bool]]] = {
    # Name of the message: its fields with number, type and whether there are several.
    "Container": {"id": (1, _TEXT, False), "labels": (2, _TEXTS, True), "image": (3, _TEXT, False)},
    "GetContainerRequest": {"id": (1, _TEXT, False)},
    "GetContainerResponse": {"container": (1, "Container", False)},
    "Namespace": {"name": (1, _TEXT, False)},
    "ListNamespacesRequest": {},
    "ListNamespacesResponse": {"namespaces": (1, "Namespace", True)},
    "CriFilter": {"id": (1, _TEXT, False)},
    "CriMetadata": {"name": (1, _TEXT, False)},
    "CriImage": {"image": (1, _TEXT, False), "user_specified_image": (18, _TEXT, False)},
    "CriContainer": {
        "metadata": (3, "CriMetadata", False),
        "image": (4, "CriImage", False),
        "labels": (8, _TEXTS, True),
    },
    "ListContainersRequest": {"filter": (1, "CriFilter", False)},
    "ListContainersResponse": {"containers": (1, "CriContainer", True)},
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="rover/runtimes.proto", package="rover", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind, is_repeated) in fields.items():
            label = _Field.LABEL_REPEATED if is_repeated else _Field.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, label=label, type=_Field.TYPE_STRING)
            if kind == _TEXTS:
                entry = message.nested_type.add(name=f"{field_name.title()}Entry")
                entry.options.map_entry = True
                for at, part in enumerate(("key", "value"), 1):
                    entry.field.add(name=part, number=at, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
                kind = f"{name}.{entry.name}"
            if kind != _TEXT:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".rover.{kind}"
    return file


# A pool of its own: another program's messages in this process may have the same names.
_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def message(name: str, **values: Any) -> Any:
    """A message of `_MESSAGES` with these values."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"rover.{name}"))(**values)


def read(name: str, raw: bytes) -> Any:
    """The message that these bytes are. Raises ValueError."""
    try:
        return type(message(name)).FromString(raw)
    except DecodeError as error:
        raise ValueError(str(error)) from error
