"""The report of all checks of `seehear doctor`."""

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
    """Gradient sizes and findings of one chain."""

    name: str
    flows: tuple[GradientSize, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """Results of all checks, and the time they took."""

    models: str
    checks: tuple[Check, ...]
    chains: tuple[ChainReport, ...]
    seconds: float

    @property
    def is_healthy(self) -> bool:
        """Whether all checks passed without findings."""
        return all(check.is_fine for check in self.checks) and not self.findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings of all chains without duplicates; chains share links."""
        return tuple(dict.fromkeys(f for chain in self.chains for f in chain.findings))


def examine(
    family: Family, parts: tuple[Part, ...], device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Report:
    """Check the machine, then the gradient flow of every chain of a family."""
    began = time.monotonic()
    checks = machine_checks(device, dtype)
    chains = []
    for chain in chains_of(family, parts):
        findings, flows = chain.walk()
        chains.append(ChainReport(chain.name, tuple(flows), tuple(findings)))
    return Report(family.name, tuple(checks), tuple(chains), time.monotonic() - began)
