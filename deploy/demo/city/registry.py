"""The district's devices, for whoever loads them into the pipeline's registry or keeps them in a file."""

from pathlib import Path

from deploy.demo.city.district import District
from deploy.demo.city.plan import plan_city
from deploy.demo.city.scale import scaled_devices
from schemas import codec
from schemas.device import Device

_ABOUT = """# The devices of the simulated district, written by `hanan simulate --registry FILE`.
# Load them with `hanan devices load FILE`. One line a device, as JSON, which is YAML.
devices:
"""


def district_devices(district: District, scale: int = 1) -> list[Device]:
    """All of them with their parameters; `scale` times as many with copies."""
    return list(scaled_devices(plan_city(district).devices, scale))


def write_registry(path: Path, devices: list[Device]) -> None:
    rows = (b"- " + codec.dumps(device.model_dump(mode="json")) + b"\n" for device in devices)
    path.write_bytes(_ABOUT.encode() + b"".join(rows))
