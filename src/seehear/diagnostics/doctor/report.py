"""Everything that the doctor looks at, in one record."""

import time
from dataclasses import dataclass

import torch

from seehear.diagnostics.doctor.chains import chains_of
from seehear.diagnostics.doctor.gradient_check import Finding, GradientSize
from seehear.diagnostics.doctor.machine import Check, machine_checks
from seehear.models.catalogue import Part
from seehear.models.families import Family


@dataclass(frozen=True)
class ChainReport:
    """One chain, walked."""

    name: str
    flows: tuple[GradientSize, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """What was found, and how long it took."""

    models: str
    checks: tuple[Check, ...]
    chains: tuple[ChainReport, ...]
    seconds: float

    @property
    def is_healthy(self) -> bool:
        """Whether nothing was found."""
        return all(check.is_fine for check in self.checks) and not self.findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the links, each fault once however many chains share the link."""
        return tuple(dict.fromkeys(f for chain in self.chains for f in chain.findings))


def examine(
    family: Family, parts: tuple[Part, ...], device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Report:
    """Look at the machine, then walk every chain of a family's models."""
    began = time.monotonic()
    checks = machine_checks(device, dtype)
    chains = []
    for chain in chains_of(family, parts):
        findings, flows = chain.walk()
        chains.append(ChainReport(chain.name, tuple(flows), tuple(findings)))
    return Report(family.name, tuple(checks), tuple(chains), time.monotonic() - began)
