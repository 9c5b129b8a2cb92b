"""The registry as people keep it: a YAML file of devices. Every complaint names the file, the device and the field."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from schemas.device import Device, first_problem
from schemas.streams import find_kind

_MAX_BYTES = 64 * 1024 * 1024


class RegistryError(ValueError):
    """What is wrong with a registry file, a line for each problem."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's, ten times as fast, where it was built
    """Refuses a key that is given twice, where YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(key_node, yaml.ScalarNode):
                continue
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is given twice", key_node.start_mark)
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def load_devices(path: Path) -> list[Device]:
    """The devices of a file, in its order; RegistryError lists all that is wrong with it."""
    body = _read(path)
    problems: list[str] = []
    defaults = _defaults(body.get("defaults"), problems)
    rows = body.get("devices")
    if not isinstance(rows, list) or not rows:
        problems.append("devices: wanted a list of devices")
        rows = []
    strange = [name for name in body if name not in {"defaults", "devices"} and not str(name).startswith("x-")]
    problems += [f"{name}: not known here; wanted defaults and devices (and x-… for anchors)" for name in strange]
    devices: dict[str, Device] = {}
    for number, row in enumerate(rows, 1):
        device = _device(row, f"device {number}", defaults)
        if isinstance(device, str):
            problems.append(device)
        elif device.device_id in devices:
            problems.append(f"{device.device_id}: device_id: given twice, again as device {number}")
        else:
            devices[device.device_id] = device
    if problems:
        raise RegistryError("\n".join(f"{path}: {problem}" for problem in problems))
    return list(devices.values())


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RegistryError(f"{path}: larger than {_MAX_BYTES >> 20} MiB")
        body = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  # a safe loader's subclass
    except OSError as error:
        raise RegistryError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RegistryError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}:" if mark else ""
        raise RegistryError(f"{path}:{where} {getattr(error, 'problem', None) or 'not YAML'}") from error
    except (ValueError, RecursionError) as error:  # PyYAML lets these through for an impossible date or deep nesting
        raise RegistryError(f"{path}: not readable YAML: {error}") from error
    if not isinstance(body, dict):
        raise RegistryError(f"{path}: wanted `devices:` with a list under it")
    return body


def _defaults(section: Any, problems: list[str]) -> Mapping[str, Mapping[str, Any]]:
    if section is None:
        return {}
    if not isinstance(section, dict):
        problems.append("defaults: wanted kinds as <stream>/<kind>")
        return {}
    for name, row in section.items():
        stream, _, kind = str(name).partition("/")
        if find_kind(stream, kind) is None:
            problems.append(f"defaults.{name}: no such kind")
        elif not isinstance(row, dict) or not isinstance(row.get("params", {}), dict):
            problems.append(f"defaults.{name}: wanted fields of a device")
    return {} if problems else section


def _device(row: Any, place: str, defaults: Mapping[str, Mapping[str, Any]]) -> Device | str:
    """A device, or what is wrong with it."""
    if not isinstance(row, dict):
        return f"{place}: wanted fields, from device_id on"
    who = str(row.get("device_id", place))
    base = defaults.get(_full_kind(row), {})
    fields = {**base, **row}
    if not isinstance(fields.get("params") or {}, dict):
        return f"{who}: params: wanted names and numbers"
    fields["params"] = {**base.get("params", {}), **(row.get("params") or {})}
    if "/" in str(fields.get("kind", "")):
        fields["stream"], _, fields["kind"] = fields["kind"].partition("/")
    try:
        device = Device.model_validate(fields)
    except ValidationError as error:
        return f"{who}: {first_problem(error)}"
    kind = find_kind(device.stream, device.kind)
    known = [param.name for param in kind.params] if kind else []
    unknown = [name for name in device.params if name not in known]
    if unknown:
        return f"{who}: params.{unknown[0]}: {device.stream}/{device.kind} knows {', '.join(known) or 'no params'}"
    return device


def _full_kind(row: Mapping[str, Any]) -> str:
    kind = str(row.get("kind", ""))
    return kind if "/" in kind else f"{row.get('stream', '')}/{kind}"
