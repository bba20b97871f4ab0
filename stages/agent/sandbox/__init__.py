"""Model-written code runs here and nowhere else: `with open_sandbox(config) as sandbox`."""

from stages.agent.sandbox.config import RunResult, SandboxConfig, SandboxUnavailable, TestResult
from stages.agent.sandbox.remembered import RememberedSandbox, remembered_sandbox
from stages.agent.sandbox.sandbox import Sandbox, open_sandbox

__all__ = [
    "RememberedSandbox",
    "RunResult",
    "Sandbox",
    "SandboxConfig",
    "SandboxUnavailable",
    "TestResult",
    "open_sandbox",
    "remembered_sandbox",
]
