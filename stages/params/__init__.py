"""Parameters: frozen dataclasses read from params.yaml, and the hashes that register them."""

from __future__ import annotations

from stages.params.arms import AgentChanges, ArmParams, ExamplesParams, GenerationsParams
from stages.params.load import (
    agent_of,
    cells_of,
    experiment_of,
    guard_of,
    load_params,
    model_of,
    named_model,
    suite_of,
    teacher_model,
)
from stages.params.registration import organism_fingerprint, register, registration_hash, status
from stages.params.schema import (
    AdapterParams,
    AgentParams,
    Collect,
    CriterionParams,
    Evaluate,
    Experiment,
    Knowledge,
    ModelParams,
    OrganismParams,
    Params,
    SandboxParams,
    ServerParams,
    Synthesis,
    TeacherParams,
    Train,
)
from stages.params.stream import StrategyParams, StreamParams
from stages.params.strict import ParamsError, build
from stages.params.suites import (
    GuardParams,
    MicrorepoDriftParams,
    MicrorepoParams,
    ProceduralParams,
    RepositoryParams,
    SuiteParams,
    SweBenchClParams,
)
from stages.params.values import values_of

__all__ = [
    "AdapterParams",
    "AgentChanges",
    "AgentParams",
    "ArmParams",
    "Collect",
    "CriterionParams",
    "Evaluate",
    "ExamplesParams",
    "Experiment",
    "GenerationsParams",
    "GuardParams",
    "Knowledge",
    "MicrorepoDriftParams",
    "MicrorepoParams",
    "ModelParams",
    "OrganismParams",
    "Params",
    "ParamsError",
    "ProceduralParams",
    "RepositoryParams",
    "SandboxParams",
    "ServerParams",
    "StrategyParams",
    "StreamParams",
    "SuiteParams",
    "SweBenchClParams",
    "Synthesis",
    "TeacherParams",
    "Train",
    "agent_of",
    "build",
    "cells_of",
    "experiment_of",
    "guard_of",
    "load_params",
    "model_of",
    "named_model",
    "organism_fingerprint",
    "register",
    "registration_hash",
    "status",
    "suite_of",
    "teacher_model",
    "values_of",
]
