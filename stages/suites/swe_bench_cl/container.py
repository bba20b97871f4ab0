"""The container executor: published images through the Docker API, of Docker or of Podman.

Sequence per session, as in the swebench package's run_evaluation: the image (pulled when that is
allowed), a container without a network, patches put in as archives, commands, removal.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import io
import os
import shlex
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.params import SweBenchClParams
from stages.records import Task, canonical_json, sha256_text
from stages.suites.swe_bench_cl.errors import HarnessError, SweBenchError
from stages.suites.swe_bench_cl.executor import Command, marked
from stages.suites.swe_bench_cl.specs import image_of, spec_of, test_targets

ROOT, SCRATCH = "/testbed", "/carryover"
ACTIVATE = "source /opt/miniconda3/bin/activate && conda activate testbed; "
TIMED_OUT = (124, 137)
"""Exit codes of coreutils' timeout: ended, or killed."""
STRIP = (
    "rm -rf .git && git init -q -b main && git config user.name carryover "
    "&& git config user.email carryover@example.org && git config core.logAllRefUpdates false "
    "&& git add -A -f && git commit -q -m Base --date=2000-01-01T00:00:00Z "
    "&& git for-each-ref --format='%(refname)' | grep -vx refs/heads/main; "
    "git rev-parse 'HEAD^{tree}'"
)
"""Replace the image's history by one commit (check 1); prints the tree's hash last."""
SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")


@dataclasses.dataclass(frozen=True)
class ContainerSession:
    """A task's repository in a running container."""

    container: Any
    limit_s: float
    tree: str = ""
    root: str = ROOT
    scratch: str = SCRATCH

    def run(self, command: str) -> Command:
        limit = max(1, int(self.limit_s))
        script = f"{ACTIVATE}cd {ROOT} && {{ {command}\n}}"
        line = ["timeout", "-k", "10", str(limit), "/bin/bash", "-c", script]
        with _api_errors():
            done = self.container.exec_run(line, workdir=ROOT, user="root")
        output = (done.output or b"").decode("utf-8", "replace")
        return Command(done.exit_code, output, timed_out=done.exit_code in TIMED_OUT)

    def put(self, name: str, text: str) -> str:
        data = text.encode("utf-8", "surrogateescape")
        entry = tarfile.TarInfo(f"{SCRATCH[1:]}/{name}")
        entry.size, entry.mode = len(data), 0o644
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.addfile(entry, io.BytesIO(data))
        with _api_errors():
            if not self.container.put_archive("/", archive.getvalue()):
                raise HarnessError(f"{name} can't be written into the container. Run it again.")
        return f"{SCRATCH}/{name}"

    def rebuild(self) -> Command:
        return Command(0, "")  # the published images hold the project in place

    def test_script(self, task: Task) -> str:
        spec = spec_of(task)
        targets = " ".join(shlex.quote(name) for name in test_targets(task))
        exports = "".join(f"export {k}={shlex.quote(v)}\n" for k, v in spec.variables)
        command = spec.container_command or spec.test_command
        return exports + marked(f"{command} {targets}".rstrip())


class ContainerExecutor:
    """Runs tasks in SWE-bench's images."""

    name = "container"

    def __init__(self, params: SweBenchClParams) -> None:
        """Connects at once, so that a missing daemon is known before anything is spent."""
        self.params = params
        self.client = connect(params.socket, params.wall_seconds + 60)

    def log_parser(self, task: Task) -> str:
        return str(task.meta.get("log_parser") or spec_of(task).log_parser)

    def image(self, task: Task) -> Any:
        """The task's image, pulled where that is allowed; HarnessError says how to get it."""
        import docker.errors

        name = image_of(task)
        with _api_errors():
            try:
                return self.client.images.get(name)
            except docker.errors.NotFound:  # Podman words it in its own way
                if not self.params.pull:
                    raise HarnessError(
                        f"{task.instance_id}: image {name} isn't here. Run `docker pull {name}`, "
                        "or set swe_bench_cl.pull: true."
                    ) from None
            return self.client.images.pull(name)

    def identity(self, task: Task) -> str:
        spec = dataclasses.asdict(spec_of(task))
        limits = [self.params.wall_seconds, self.params.memory_mb, self.params.processes]
        return sha256_text(canonical_json([self.name, self.image(task).id, spec, limits]))

    @contextlib.contextmanager
    def session(self, task: Task) -> Iterator[ContainerSession]:
        image = self.image(task)
        with _api_errors():
            container = self.client.containers.create(
                image.id,
                command="tail -f /dev/null",
                user="root",
                network_mode="none",
                mem_limit=f"{self.params.memory_mb}m",
                pids_limit=self.params.processes,
                cap_drop=["ALL"],
                cap_add=["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID"],
                security_opt=["no-new-privileges"],
            )
        try:
            with _api_errors():
                container.start()
            bare = ContainerSession(container, self.params.wall_seconds)
            yield dataclasses.replace(bare, tree=_strip(bare, task))
        finally:
            with _api_errors():
                container.remove(force=True)


def connect(socket: str | None, timeout_s: float) -> Any:
    """A client of the first Docker API that answers; SweBenchError says how to start one."""
    if importlib.util.find_spec("docker") is None:
        raise SweBenchError(
            "the container executor needs the docker package (it comes with swebench): "
            "pip install 'swebench>=5.0,<6'."
        )
    import docker
    import docker.errors

    reasons = []
    for address in _addresses(socket):
        if address.startswith("unix://") and not Path(address[len("unix://") :]).exists():
            reasons.append(f"{address}: no such socket")
            continue
        try:
            client = docker.DockerClient(base_url=address, timeout=int(timeout_s))
            client.ping()
        except docker.errors.DockerException as error:
            reasons.append(f"{address}: {str(error)[-160:]}")
            continue
        return client
    raise SweBenchError(
        f"no container engine answers ({'; '.join(reasons)}). Start Docker, or Podman's socket "
        "(`systemctl --user start podman.socket`) and name it as swe_bench_cl.socket "
        "(unix:///run/user/1000/podman/podman.sock); or set swe_bench_cl.executor to local."
    )


def _addresses(socket: str | None) -> list[str]:
    if socket:
        return [socket]
    own = f"/run/user/{os.getuid()}/podman/podman.sock"
    named = [os.environ["DOCKER_HOST"]] if os.environ.get("DOCKER_HOST") else []
    places = [path for path in (*SOCKETS, own) if Path(path).exists()]
    return named + [f"unix://{path}" for path in places or SOCKETS[:1]]


def _strip(session: ContainerSession, task: Task) -> str:
    """Leave one commit; returns Git's hash of the tree. HarnessError when it can't be done."""
    done = session.run(STRIP)
    lines = done.output.strip().splitlines()
    if done.exit_code or len(lines) != 1 or len(lines[0]) != 40:
        raise HarnessError(
            f"{task.instance_id}: the history in {image_of(task)} can't be replaced by one "
            f"commit: {done.output.strip()[-300:]}. Pull the image again."
        )
    return lines[0]


@contextlib.contextmanager
def _api_errors() -> Iterator[None]:
    """What the engine refuses, and a connection that breaks, are harness errors."""
    import docker.errors
    import requests

    try:
        yield
    except (docker.errors.APIError, requests.RequestException) as error:
        raise HarnessError(
            f"the container engine failed: {str(error)[:300]}. See its log, then run again."
        ) from None
